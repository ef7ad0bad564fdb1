/** What is asked of a request, whatever server it came by. */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Stream from "effect/Stream"
import { CgiRefused } from "../../CgiError.js"
import type { HttpConnection } from "../../HttpConnection.js"
import * as Path from "../static/path.js"

/** What `source` is with Node's servers: a part of `http.IncomingMessage` and of its kin of HTTP/2. */
interface Source {
  readonly httpVersion?: string
  readonly socket?: { readonly localPort?: number; readonly encrypted?: boolean } | null
  readonly stream?: { readonly endAfterHeaders?: boolean }
}

const sourceOf = (request: HttpServerRequest.HttpServerRequest): Source => (request.source ?? {}) as Source

/** Where the handler is mounted, and what was asked of it. */
export interface Target {
  /** As it came, without a slash at its end. */
  readonly mount: string
  /** As it came; empty if the request is for the mount itself. */
  readonly path: string
  readonly query: string
}

/** A router cuts the path that it mounts at from `url`, and leaves it in `originalUrl`. */
export const targetOf = (request: HttpServerRequest.HttpServerRequest): Target => {
  const own = Path.targetOf(request.url)
  const whole = Path.targetOf(request.originalUrl).path
  const query = own.query.slice(1)
  // For the mount itself routers give `/`, or nothing.
  if ((own.path === "/" || own.path === "") && !whole.endsWith("/")) return { mount: whole, path: "", query }
  return { mount: whole.endsWith(own.path) ? whole.slice(0, -own.path.length) : "", path: own.path, query }
}

/** The server that the client asked for. */
export interface Authority {
  readonly name: string
  readonly port: string
  readonly isTls: boolean
  readonly protocol: string
}

export const authorityOf = (
  request: HttpServerRequest.HttpServerRequest,
  connection: HttpConnection | undefined,
  serverName: string | undefined
): Authority | CgiRefused => {
  const { httpVersion, socket } = sourceOf(request)
  const absolute = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)/i.exec(
    request.source instanceof Request ? request.source.url : request.originalUrl
  )
  const isTls = connection === undefined
    ? socket?.encrypted === true || (socket === undefined && absolute?.[1]?.toLowerCase() === "https")
    // There it says what is known to be true, of proxies that are trusted.
    : request.headers["x-forwarded-proto"] === "https"
  // The target's authority counts more than `Host` (RFC 9112, 3.2.2).
  const host = absolute?.[2] ?? request.headers["host"] ?? request.headers[":authority"] ?? ""
  const parts = /^(\[[\da-f:.]+\]|[\w.~-]*)(?::(\d{1,5})?)?$/i.exec(host)
  if (parts === null) return new CgiRefused({ status: 400, why: "the Host is no host" })
  const here = connection?.localAddress
  const port = here?._tag === "InetAddress" ? here.port : socket?.localPort
  return {
    name: serverName ?? (parts[1] || "localhost"),
    port: String(port ?? (parts[2] || (isTls ? 443 : 80))),
    isTls,
    protocol: `HTTP/${httpVersion ?? "1.1"}`
  }
}

/** How long a body is: none, so many bytes, or not told. */
export const lengthOf = (request: HttpServerRequest.HttpServerRequest): number | "none" | "unknown" | CgiRefused => {
  const told = request.headers["content-length"]
  if (request.headers["transfer-encoding"] !== undefined) return "unknown"
  if (told !== undefined) {
    return /^\d{1,15}$/.test(told)
      ? Number(told)
      : new CgiRefused({ status: 400, why: "the Content-Length is no number" })
  }
  if (request.source instanceof Request) return request.source.body === null ? "none" : "unknown"
  const { httpVersion, stream } = sourceOf(request)
  return httpVersion?.startsWith("2") === true && stream?.endAfterHeaders !== true ? "unknown" : "none"
}

/** The same client's request for another target, as by GET or HEAD: a local redirect has no body (RFC 3875, 6.2.2). */
export const redirected = (
  request: HttpServerRequest.HttpServerRequest,
  target: string
): HttpServerRequest.HttpServerRequest => {
  const { "content-length": _, "content-type": __, "transfer-encoding": ___, ...headers } = request.headers
  const over = (
    under: HttpServerRequest.HttpServerRequest,
    changes: { readonly url?: string; readonly headers?: object; readonly remoteAddress?: string }
  ): HttpServerRequest.HttpServerRequest => {
    const changed: HttpServerRequest.HttpServerRequest = Object.create(
      changes.remoteAddress === undefined ? under : under.modify({ remoteAddress: changes.remoteAddress })
    )
    const own = {
      method: request.method === "HEAD" ? "HEAD" : "GET",
      originalUrl: target,
      url: changes.url ?? target,
      headers: changes.headers ?? headers,
      stream: Stream.empty,
      modify: (more: typeof changes) => over(under, { ...changes, ...more })
    }
    for (const [name, value] of Object.entries(own)) Object.defineProperty(changed, name, { value })
    return changed
  }
  return over(request, {})
}
