/** A folder of scripts, servers that run them, and clients that read what the wire has. */
import { Copas, Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { NodeHttpServer, NodeNet } from "@copas/node"
import type { HttpApp, HttpServerRequest } from "@effect/platform"
import { HttpServer } from "@effect/platform"
import { NodeHttpServer as PlatformServer } from "@effect/platform-node"
import { Deferred, Effect, ExecutionStrategy, Exit, Fiber, Layer, Queue, Scope, TestClock } from "effect"
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as NodeNetwork from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { portOf } from "../portOf.js"
import * as Turns from "../turns.js"

/** A script of sh: what its first line has before it. */
export const sh = (...lines: ReadonlyArray<string>): string => ["#!/bin/sh", ...lines, ""].join("\n")

/** The same in Node. */
export const js = (...lines: ReadonlyArray<string>): string => [`#!${process.execPath}`, ...lines, ""].join("\n")

/** A head that says text. */
export const plain = "printf 'Content-Type: text/plain\\n\\n'"

/** A folder with these scripts, which may all be run. It is removed with the scope. */
export const scripts = (files: Readonly<Record<string, string>>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const root = Fs.realpathSync(Fs.mkdtempSync(join(tmpdir(), "copas-cgi-test-")))
      for (const [name, text] of Object.entries(files)) {
        const path = join(root, name)
        Fs.mkdirSync(join(path, ".."), { recursive: true })
        Fs.writeFileSync(path, text, { mode: 0o755 })
      }
      return root
    }),
    (root) => Effect.sync(() => Fs.rmSync(root, { recursive: true, force: true }))
  )

/** An app that is served. */
export interface Site {
  readonly port: number
  /** Connects; `reads` is false for a client that takes nothing of what comes. */
  readonly connect: (reads: boolean) => Effect.Effect<Client, never, Scope.Scope>
}

/** Serves an app until the scope ends. */
export type Serve = <E>(
  app: HttpApp.Default<E, HttpServerRequest.HttpServerRequest | Scope.Scope>
) => Effect.Effect<Site, never, Scope.Scope>

const ours = <E>(
  network: Layer.Layer<Net.Net>,
  app: HttpApp.Default<E, HttpServerRequest.HttpServerRequest | Scope.Scope>
) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(Layer.provideMerge(Copas.layer, network))
    const server = yield* NodeHttpServer.make({ listen: { port: 0 } }).pipe(Effect.provide(context))
    yield* server.serve(app)
    const port = portOf(server)
    return { port, context }
  }).pipe(Effect.orDie)

/** The servers that scripts run on; `cuts`: a body that fails does not look whole. */
export const servers: ReadonlyArray<{ readonly name: string; readonly serve: Serve; readonly cuts: boolean }> = [
  {
    name: "Copas's server",
    cuts: true,
    serve: (app) =>
      Effect.map(ours(NodeNet.layer, app), ({ port }) => ({ port, connect: (reads) => client(port, reads) }))
  },
  {
    name: "Copas's server in memory",
    cuts: true,
    serve: (app) =>
      Effect.map(
        ours(NetMemory.layer, app),
        ({ context, port }) => ({ port, connect: (reads) => Effect.provide(memoryClient(port, reads), context) })
      )
  },
  {
    name: "@effect/platform-node's server",
    cuts: false,
    serve: (app) =>
      Effect.gen(function*() {
        const context = yield* Layer.build(
          PlatformServer.layer(() => Http.createServer(), { host: "127.0.0.1", port: 0 })
        )
        yield* HttpServer.serveEffect(app).pipe(Effect.provide(context))
        const port = portOf(yield* HttpServer.HttpServer.pipe(Effect.provide(context)))
        return { port, connect: (reads: boolean) => client(port, reads) }
      }).pipe(Effect.orDie)
  }
]

/** Waits until it is so. */
export const until = (isSo: () => boolean): Effect.Effect<void> => Turns.until(Effect.sync(isSo))

/** Runs the effect while the clock goes on, a second each turn. */
export const passing = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    while ((yield* Fiber.poll(fiber))._tag === "None") {
      yield* Turns.turn
      yield* TestClock.adjust("1 second")
    }
    return yield* Fiber.join(fiber)
  })

/** A connection of the client's: bytes in Latin-1. */
export interface Client {
  readonly send: (text: string) => void
  /** What has come so far. */
  readonly received: () => string
  /** Waits for the end, and gives all. */
  readonly whole: Effect.Effect<string>
  /** Leaves without a word. */
  readonly leave: Effect.Effect<void>
}

/** Over Node's own socket. */
const client = (port: number, reads: boolean): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Client>((resume) => {
      const socket = NodeNetwork.connect(port, "127.0.0.1")
      let all = ""
      const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()))
      socket.setEncoding("latin1")
      if (reads) {
        socket.on("data", (text: string) => {
          all += text
        })
      }
      socket.on("error", () => {})
      const one: Client = {
        send: (text) => void socket.write(text, "latin1"),
        received: () => all,
        whole: Effect.map(Effect.promise(() => closed), () => all),
        leave: Effect.zipRight(Effect.sync(() => socket.destroy()), Effect.promise(() => closed))
      }
      socket.on("connect", () => resume(Effect.succeed(one)))
    }),
    ({ leave }) => leave
  )

/** Over a socket of this library. */
const memoryClient = (port: number, reads: boolean): Effect.Effect<Client, never, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const socket = yield* Net.connect({ host: "127.0.0.1", port, linger: 0 }).pipe(Scope.extend(scope), Effect.orDie)
    let all = ""
    const ended = yield* Deferred.make<void>()
    const reading = socket.forEachChunk((bytes) => Effect.sync(() => all += Buffer.from(bytes).toString("latin1")))
    if (reads) {
      yield* Effect.forkIn(Effect.ensuring(Effect.ignore(reading), Deferred.succeed(ended, undefined)), scope)
    }
    const sending = yield* Queue.unbounded<string>()
    yield* Effect.forkIn(
      Effect.ignore(
        Effect.forever(Effect.flatMap(Queue.take(sending), (text) => socket.send(Buffer.from(text, "latin1"))))
      ),
      scope
    )
    return {
      send: (text) => void Queue.unsafeOffer(sending, text),
      received: () => all,
      whole: Effect.map(Deferred.await(ended), () => all),
      leave: Scope.close(scope, Exit.void)
    }
  })

/** Sends a request that asks for the end of the connection, and gives the whole answer. */
export const ask = (
  site: Site,
  target: string,
  options: { readonly method?: string; readonly fields?: ReadonlyArray<string>; readonly body?: string } = {}
): Effect.Effect<Answer> =>
  Effect.scoped(Effect.gen(function*() {
    const one = yield* site.connect(true)
    const { body = "", fields = [], method = "GET" } = options
    const head = [`${method} ${target} HTTP/1.1`, "Host: cgi.test:8080", "Connection: close", ...fields]
    one.send(`${head.join("\r\n")}\r\n\r\n${body}`)
    return answerOf(yield* one.whole)
  }))

/** An answer, read. */
export interface Answer {
  readonly status: number
  readonly head: string
  readonly body: string
  readonly field: (name: string) => string | undefined
}

const unchunked = (text: string): string => {
  let body = ""
  let rest = text
  while (rest !== "") {
    const end = rest.indexOf("\r\n")
    const size = Number.parseInt(rest.slice(0, end), 16)
    if (!(size > 0)) break
    body += rest.slice(end + 2, end + 2 + size)
    rest = rest.slice(end + 4 + size)
  }
  return body
}

export const answerOf = (text: string): Answer => {
  const end = text.indexOf("\r\n\r\n")
  const head = text.slice(0, end)
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "im").exec(head)?.[1]
  const body = text.slice(end + 4)
  return {
    status: Number(text.slice(9, 12)),
    head,
    field,
    body: field("transfer-encoding") === "chunked" ? unchunked(body) : body
  }
}

/** The processes whose working folder is this one: scripts, and what they have started. Zombies are nobody's any more. */
export const processesIn = (root: string): ReadonlyArray<number> =>
  Fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return Fs.readlinkSync(`/proc/${pid}/cwd`).startsWith(root)
        && !/^\d+ \(.*\) Z/.test(Fs.readFileSync(`/proc/${pid}/stat`, "utf8"))
    } catch {
      return false
    }
  })
