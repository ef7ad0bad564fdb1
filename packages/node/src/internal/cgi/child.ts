/** A script's process: its streams with backpressure, and its end together with its process group. */
import { suspendCancellable } from "@copas/core/Transport"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type ChildProcess, spawn as spawnProcess } from "node:child_process"
import type { Readable } from "node:stream"
import { complete, type Env, envOf, start, suspend, withFiber } from "../effect/fibers.js"

/** What to run. `input`: a pipe, nothing, or the descriptor of a file that is the script's standard input. */
export interface Command {
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  readonly input: "ignore" | "pipe" | number
}

/** Why the system made no process of it. `code`: `ENOENT` for example. */
export interface SpawnFault {
  readonly code: string
  readonly cause: unknown
}

/** Pulls from a stream: nothing is read ahead except what fits the stream's own buffer. One reader at a time. */
class Pull {
  private wake: (() => void) | undefined
  private isDropping = false

  private readonly stream: Readable
  private readonly isFaulty: () => boolean

  constructor(stream: Readable, isFaulty: () => boolean) {
    this.stream = stream
    this.isFaulty = isFaulty
    // A broken pipe ends it, too; how the script ended says why.
    for (const event of ["readable", "end", "error", "close"]) stream.on(event, () => this.stir())
  }

  /** Makes a waiting reader look again. */
  stir(): void {
    if (this.isDropping) this.stream.read()
    this.wake?.()
  }

  /** What has come; `undefined` while nothing has. */
  take(): Uint8Array | undefined {
    return this.stream.read() ?? undefined
  }

  /** Drops what comes from now on, so that a script that still writes can end. */
  drop(): void {
    this.isDropping = true
    this.stream.read()
  }

  get hasEnded(): boolean {
    return this.stream.readableEnded || this.stream.destroyed
  }

  /** Returns when there may be something to take. It looks again first: a fiber may yield between its look and this. */
  readonly changed: Effect.Effect<void> = suspendCancellable<void>((resume) => {
    if (this.stream.readableLength > 0 || this.hasEnded || this.isFaulty()) return resume(Effect.void)
    this.wake = () => resume(Effect.void)
    return Effect.sync(() => {
      this.wake = undefined
    })
  })
}

/**
 * There is no event for a process group that is empty, so it is looked at, again and again. By the machine's clock: what is
 * waited for is the system, and a clock that stands still would keep this from seeing it.
 */
const poll: Effect.Effect<void> = suspendCancellable<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void), 10)
  return Effect.sync(() => clearTimeout(timer))
})

/** True if there are processes in the group, and the signal, if it is not 0, was sent to all of them. */
const signalGroup = (pid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(-pid, signal)
  } catch {
    return false
  }
}

/**
 * A process that leads a group of its own. `endSoon` ends it and all others of the group, in a fiber that nothing interrupts:
 * an interrupted request does not wait for the end of its script, and whoever has to know waits for `gone`.
 */
export class Child<E> {
  private readonly output: Pull
  private readonly complaints: Pull
  private fault: { readonly error: E } | undefined
  private isEnding = false
  private isGone = false
  /** What ended it, if a signal did. */
  signal: NodeJS.Signals | undefined
  /** What it gave as its exit code. */
  code: number | undefined

  private readonly process: ChildProcess & { readonly pid: number }
  private readonly runtime: Env
  private readonly grace: Duration.Duration
  private readonly exit: Deferred.Deferred<void>
  private readonly end: Deferred.Deferred<void>
  private readonly onGone: () => void

  constructor(
    process: ChildProcess & { readonly pid: number },
    runtime: Env,
    grace: Duration.Duration,
    exit: Deferred.Deferred<void>,
    end: Deferred.Deferred<void>,
    onGone: () => void
  ) {
    this.process = process
    this.runtime = runtime
    this.grace = grace
    this.exit = exit
    this.end = end
    this.onGone = onGone
    const isFaulty = () => this.fault !== undefined
    this.output = new Pull(process.stdout!, isFaulty)
    this.complaints = new Pull(process.stderr!, () => false)
    // The script need not read what it is sent.
    process.stdin?.on("error", () => {})
    process.on("error", () => {})
    process.on("exit", (code, signal) => {
      this.code = code ?? undefined
      this.signal = signal ?? undefined
      // Looked at now, because later the system may have given the number of an empty group to another one.
      this.looksGone()
      complete(exit, Exit.void)
    })
  }

  /** What stands on stdout now, without waiting. */
  takeNow(): Uint8Array | undefined {
    return this.fault === undefined ? this.output.take() : undefined
  }

  /** Waits until stdout has something, has ended, or the child has failed. */
  get changed(): Effect.Effect<void> {
    return this.output.changed
  }

  get hasEnded(): boolean {
    return this.output.hasEnded
  }

  /** The error that `fail` was called with. */
  get failure(): Effect.Effect<void, E> {
    return this.fault === undefined ? Effect.void : Effect.fail(this.fault.error)
  }

  /** Makes the reader of stdout fail, and ends the process. Only the first error counts. */
  fail(error: E): void {
    this.fault ??= { error }
    this.output.stir()
    this.endSoon()
  }

  /** Sends to stdin; returns when the system has taken it. False if the script reads no more. */
  write(bytes: Uint8Array): Effect.Effect<boolean> {
    const input = this.process.stdin!
    return suspend<boolean>((resume) => {
      if (input.destroyed) resume(Effect.succeed(false))
      else input.write(bytes, (error) => resume(Effect.succeed(error === null || error === undefined)))
    })
  }

  endInput(): void {
    this.process.stdin?.end()
  }

  /** Feeds `use` what comes on stderr, until that ends. */
  complaining(use: (bytes: Uint8Array | undefined) => Effect.Effect<void>): void {
    const pull = this.complaints
    const all: Effect.Effect<void> = Effect.suspend(() => {
      const bytes = pull.take()
      if (bytes !== undefined) return Effect.zipRight(use(bytes), all)
      return pull.hasEnded ? use(undefined) : Effect.zipRight(pull.changed, all)
    })
    start(this.runtime, all)
  }

  /** Its answer is complete: it has the time of grace to end by itself, and then is ended. */
  readonly finish: Effect.Effect<void> = Effect.suspend(() => {
    this.process.stdin?.destroy()
    this.output.drop()
    return Effect.zipRight(
      Effect.timeoutOption(Deferred.await(this.exit), this.grace),
      Effect.sync(() => this.endSoon())
    )
  })

  /** Completes when no process of the group is left, and the descriptors are closed. */
  get gone(): Effect.Effect<void> {
    return Deferred.await(this.end)
  }

  /** TERM, and after the time of grace KILL. Returns at once. */
  endSoon(): void {
    if (this.isEnding) return
    this.isEnding = true
    if (this.looksGone()) this.close()
    else start(this.runtime, this.ending)
  }

  /** The system gives the leader's number to no other while the group lives; what was gone once is not asked for again. */
  private looksGone(): boolean {
    const { exitCode, pid, signalCode } = this.process
    return this.isGone ||= (exitCode !== null || signalCode !== null) && !signalGroup(pid, 0)
  }

  private readonly emptied: Effect.Effect<void> = Effect.suspend(() =>
    this.looksGone() ? Effect.void : Effect.zipRight(poll, this.emptied)
  )

  private readonly ending: Effect.Effect<void> = Effect.gen(this, function*() {
    const { pid, stdin } = this.process
    stdin?.destroy()
    // A script that writes while it ends is not to wait for a reader.
    this.output.drop()
    signalGroup(pid, "SIGTERM")
    yield* Effect.timeoutOption(Effect.zipRight(Deferred.await(this.exit), this.emptied), this.grace)
    if (!this.looksGone()) {
      signalGroup(pid, "SIGKILL")
      const ended = yield* Effect.timeoutOption(Deferred.await(this.exit), this.grace)
      if (ended._tag === "None") yield* Effect.logError(`process ${pid} of a CGI script does not end after SIGKILL`)
    }
    this.close()
  })

  /** What a killed script said last is still in its pipe, and is read; another process may hold that open, hence the bound. */
  private close(turns = 16): void {
    const { stderr, stdin, stdout } = this.process
    if (turns === 16) {
      stdin?.destroy()
      stdout?.destroy()
      this.onGone()
    }
    if (stderr !== null && !stderr.destroyed && turns > 0) return void setImmediate(() => this.close(turns - 1))
    stderr?.destroy()
    complete(this.end, Exit.void)
  }
}

/** Starts the process. `onGone` is called when nothing is left of it, and not if this fails. */
export const spawn = <E>(
  command: Command,
  options: { readonly grace: Duration.Duration; readonly onGone: () => void }
): Effect.Effect<Child<E>, SpawnFault> =>
  Effect.gen(function*() {
    // The process is started where nothing interrupts, and its end waits with a time-out.
    const runtime = yield* withFiber((fiber) => Effect.succeed(envOf(fiber)))
    const exit = yield* Deferred.make<void>()
    const end = yield* Deferred.make<void>()
    return yield* suspend<Child<E>, SpawnFault>((resume) => {
      const refused = (cause: unknown) => {
        const { code } = cause as NodeJS.ErrnoException
        resume(Effect.fail({ code: code ?? "UNKNOWN", cause }))
      }
      try {
        const child = spawnProcess(command.file, command.args, {
          cwd: command.cwd,
          // Not the prototype of objects: Node would read variables from there.
          env: Object.assign(Object.create(null), command.environment),
          detached: true,
          windowsHide: true,
          stdio: [command.input, "pipe", "pipe"]
        })
        // Node reports some errors by throwing, and others by an event.
        child.once("error", refused)
        child.once("spawn", () => {
          child.off("error", refused)
          const process = child as ChildProcess & { readonly pid: number }
          resume(Effect.succeed(new Child<E>(process, runtime, options.grace, exit, end, options.onGone)))
        })
      } catch (cause) {
        refused(cause)
      }
    })
  })
