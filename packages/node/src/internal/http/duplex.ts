/** A Copas socket as the `Duplex` stream that undici takes. */
import * as NetAddress from "@copas/core/NetAddress"
import type { Socket } from "@copas/core/Socket"
import { isEndOfConversation } from "@copas/core/SocketError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { Duplex } from "node:stream"
import * as Causes from "../effect/causes.js"
import { type AnyFiber, type Env, onExit, start } from "../effect/fibers.js"
import type { Stillness } from "./stillness.js"

type Done = (error?: Error | null) => void

/** The error itself if there is one: readers of the stream distinguish failures by it. */
const toError = (cause: Cause.Cause<unknown>): Error => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error : new Error(String(error))
}

/**
 * A socket as a stream of Node, for libraries that require one. It reads only when it is read from, and a write is
 * complete when the socket accepted it, so backpressure works in both directions.
 */
export class SocketDuplex extends Duplex {
  private readonly socket: Socket
  private readonly runtime: Env
  private readonly release: (exit: Exit.Exit<void, unknown>) => Effect.Effect<void>
  private readonly stillness: Stillness
  private reading: AnyFiber | undefined = undefined

  /** `release` closes the socket; it runs once, at the end of the stream. */
  constructor(
    socket: Socket,
    runtime: Env,
    stillness: Stillness,
    release: (exit: Exit.Exit<void, unknown>) => Effect.Effect<void>
  ) {
    super({ allowHalfOpen: true, autoDestroy: true })
    this.socket = socket
    this.runtime = runtime
    this.stillness = stillness
    this.release = release
  }

  // undici shows these in its errors.
  get remoteAddress(): string | undefined {
    const { remoteAddress } = this.socket
    return remoteAddress._tag === "InetAddress" ? remoteAddress.host : remoteAddress.path
  }

  get remotePort(): number | undefined {
    return NetAddress.portOf(this.socket.remoteAddress)
  }

  // undici calls these as it does with Node's own sockets: a connection without a request is not to keep Node alive.
  ref(): this {
    this.stillness.busy(true)
    return this
  }

  unref(): this {
    this.stillness.busy(false)
    return this
  }

  /** The body of a request is being sent, or it is whole. */
  uploading(isUploading: boolean): void {
    this.stillness.uploading(isUploading)
  }

  override _read(): void {
    if (this.reading !== undefined) return
    this.stillness.readBegins()
    const fiber = start(this.runtime, this.socket.receive())
    this.reading = fiber
    onExit(fiber, (exit) => {
      this.reading = undefined
      this.stillness.readEnds()
      if (this.destroyed) return
      if (Exit.isSuccess(exit)) {
        this.push(exit.value)
        return
      }
      // Only the peer's end ends the stream: a socket that was closed here must not look the same.
      if (isEndOfConversation(Causes.failureOf(exit.cause))) this.push(null)
      else this.destroy(toError(exit.cause))
    })
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    this.settle(this.socket.send(chunk), done)
  }

  override _writev(chunks: ReadonlyArray<{ readonly chunk: Uint8Array }>, done: Done): void {
    this.settle(Effect.forEach(chunks, ({ chunk }) => this.socket.send(chunk), { discard: true }), done)
  }

  override _final(done: Done): void {
    this.settle(this.socket.shutdown("send"), done)
  }

  private settle(effect: Effect.Effect<void, unknown>, done: Done): void {
    this.stillness.writeBegins()
    onExit(start(this.runtime, effect), (exit) => {
      this.stillness.writeEnds()
      done(Exit.isSuccess(exit) ? null : toError(exit.cause))
    })
  }

  override _destroy(error: Error | null, done: Done): void {
    const { reading } = this
    const interrupted = reading === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(reading))
    const isWhole = error === null && this.readableEnded && this.writableFinished
    const released = this.release(isWhole ? Exit.void : Exit.fail(error))
    onExit(start(this.runtime, Effect.zipRight(interrupted, released)), () => done(error))
  }
}
