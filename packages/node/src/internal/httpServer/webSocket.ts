/** WebSockets (RFC 6455) of the `ws` package, over a connection that Node's parser has let go of. */
import { suspendCancellable, type Timekeeper } from "@copas/core/Transport"
import type { RequestError } from "@effect/platform/HttpServerError"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as PlatformSocket from "@effect/platform/Socket"
import * as Effect from "effect/Effect"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import WebSocket, { WebSocketServer } from "ws"
import type { Settings } from "./options.js"
import type { Request } from "./request.js"

/** A handshake that `ws` takes: RFC 6455, section 4.1. Any other request for an upgrade is an ordinary one. */
export const isHandshake = ({ headers, httpVersion, method }: IncomingMessage): boolean =>
  method === "GET" && httpVersion === "1.1" && headers.upgrade?.toLowerCase() === "websocket" &&
  headers["sec-websocket-version"] === "13" && /^[+/\da-z]{22}==$/i.test(headers["sec-websocket-key"] ?? "") &&
  headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0

/** The handlers of messages that have not ended hold these bytes, and messages, at most, before no more is read. */
const enoughBytes = 64 * 1024
const enoughMessages = 64
/** A write waits while more than these bytes wait to go out. */
const enoughUnsent = 64 * 1024
/** How long the peer has to answer the close. */
const closeMillis = 2000

export type Origins = Settings["webSocket"]["origins"]

/** Whether a page of this origin may open a socket here; a client that is no browser sends none. */
export const isAllowed = (origins: Origins, origin: string | undefined, host: string | undefined): boolean => {
  if (origin === undefined || origins === "any") return true
  if (origins !== "same") return origins.includes(origin)
  if (host === undefined || !URL.canParse(origin)) return false
  const given = new URL(origin)
  const own = `${given.protocol}//${host}`
  return given.host !== "" && URL.canParse(own) && new URL(own).host === given.host
}

/** What an upgrade needs of its connection. */
export interface Ground {
  readonly source: IncomingMessage
  readonly stream: Duplex
  /** Bytes that came after the request. */
  readonly head: Buffer
  readonly settings: Settings
  readonly time: Timekeeper
  /** No further answer can be given over HTTP: false if one was given already. */
  readonly begin: () => boolean
  readonly isDraining: () => boolean
}

const servers = new WeakMap<Settings, WebSocketServer>()

const serverOf = (settings: Settings): WebSocketServer => {
  const found = servers.get(settings)
  if (found !== undefined) return found
  const { deflate, maxPayload } = settings.webSocket
  const made = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: maxPayload === Infinity ? 0 : maxPayload,
    perMessageDeflate: deflate
  })
  servers.set(settings, made)
  return made
}

/** One socket: what its peer may make pile up, and whether it is there still. */
class Connected {
  readonly socket: WebSocket
  private readonly ground: Ground
  private bytes = 0
  private messages = 0
  private isHeard = true
  private cancel: (() => void) | undefined = undefined

  constructor(socket: WebSocket, ground: Ground) {
    this.socket = socket
    this.ground = ground
    // What goes wrong after the program has let go of it ends it, and nothing else.
    socket.on("error", () => {})
    const hear = (): void => {
      this.isHeard = true
    }
    for (const event of ["pong", "ping", "message"]) socket.on(event, hear)
    socket.once("close", () => this.cancel?.())
    // Until the program listens nothing is read: the first messages may come while its fiber has yielded.
    socket.pause()
    const listened = (event: string | symbol): void => {
      if (event !== "message") return
      socket.removeListener("newListener", listened)
      process.nextTick(() => socket.resume())
    }
    socket.on("newListener", listened)
    this.await()
  }

  private await(): void {
    const { ping } = this.ground.settings.webSocket
    if (ping !== Infinity) this.cancel = this.ground.time.after(ping, () => this.ping())
  }

  /** A peer that has said nothing since the last ping has gone, unless it was not listened to. */
  private ping(): void {
    const { socket } = this
    if (socket.readyState !== WebSocket.OPEN) return
    if (!this.isHeard && !socket.isPaused) {
      socket.terminate()
      return
    }
    this.isHeard = false
    socket.ping()
    this.await()
  }

  close(): void {
    const { socket } = this
    if (socket.readyState === WebSocket.CLOSED) return
    if (this.ground.isDraining()) socket.close(1001)
    else socket.close()
    this.cancel?.()
    // A message that is not read any more must not keep the peer's close from being seen.
    socket.resume()
    this.cancel = this.ground.time.after(closeMillis, () => socket.terminate())
  }

  began(size: number): void {
    this.bytes += size
    this.messages += 1
    if (this.bytes > enoughBytes || this.messages > enoughMessages) this.socket.pause()
  }

  ended(size: number): void {
    this.bytes -= size
    this.messages -= 1
    if (this.socket.isPaused && this.bytes <= enoughBytes && this.messages <= enoughMessages) this.socket.resume()
  }

  /** Waits until the peer has taken most of what was written, or has gone. */
  readonly drained: Effect.Effect<void> = suspendCancellable((resume) => {
    const { socket, ground: { stream } } = this
    const told = (): void => {
      stream.removeListener("drain", told)
      stream.removeListener("close", told)
      resume(Effect.void)
    }
    if (socket.bufferedAmount <= enoughUnsent || stream.destroyed) return told()
    stream.on("drain", told)
    stream.on("close", told)
    return Effect.sync(told)
  })
}

const sizeOf = (data: string | Uint8Array): number => data.length * (typeof data === "string" ? 2 : 1)

/**
 * The socket of a request: the handshake is made when it is run. As `Socket.fromWebSocket`, but messages are read no faster
 * than their handlers end, by and large, and writes wait for the peer.
 */
export const open = (ground: Ground, request: Request): Effect.Effect<PlatformSocket.Socket, RequestError> =>
  Effect.suspend(() => {
    const { settings, source } = ground
    if (!isAllowed(settings.webSocket.origins, source.headers.origin, request.headers["host"])) {
      return Effect.die(HttpServerResponse.empty({ status: 403 }))
    }
    let connected: Connected | undefined
    const handshake = Effect.suspend(() => {
      if (!ground.begin()) {
        return Effect.fail(
          new PlatformSocket.SocketGenericError({
            reason: "Open",
            cause: "the request was answered, or upgraded, before"
          })
        )
      }
      serverOf(settings).handleUpgrade(source, ground.stream, ground.head, (socket) => {
        connected = new Connected(socket, ground)
      })
      return connected === undefined
        ? Effect.fail(new PlatformSocket.SocketGenericError({ reason: "Open", cause: "the client has gone" }))
        : Effect.succeed(connected)
    })
    const acquire = Effect.map(
      Effect.acquireRelease(handshake, (connected) => Effect.sync(() => connected.close())),
      ({ socket }) => socket as unknown as globalThis.WebSocket
    )
    return Effect.map(PlatformSocket.fromWebSocket(acquire), (inner) => {
      const runRaw: PlatformSocket.Socket["runRaw"] = (handler, options) =>
        inner.runRaw((data) => {
          const handled = handler(data)
          if (!Effect.isEffect(handled)) return handled
          const size = sizeOf(data)
          connected!.began(size)
          return Effect.ensuring(handled, Effect.sync(() => connected!.ended(size)))
        }, options)
      return PlatformSocket.Socket.of({
        [PlatformSocket.TypeId]: PlatformSocket.TypeId,
        run: (handler, options) =>
          runRaw((data) => handler(typeof data === "string" ? Buffer.from(data) : data), options),
        runRaw,
        writer: Effect.map(
          inner.writer,
          (write) => (chunk) => Effect.zipRight(write(chunk), Effect.suspend(() => connected!.drained))
        )
      })
    })
  })
