/** Requests that ask for an upgrade: Node's parser has let go of the connection, and this continues on it. */
import * as Http from "node:http"
import type * as NodeNet from "node:net"
import type { Duplex } from "node:stream"

const takesBodies = Number(process.versions.node.split(".", 1)[0]) >= 25

/** A request for an upgrade, which waits for its turn. */
export class Detached {
  readonly source: Http.IncomingMessage
  /** Bytes that came after its head. */
  readonly head: Buffer

  constructor(source: Http.IncomingMessage, head: Buffer) {
    this.source = source
    this.head = head
  }

  /**
   * The same request without `Upgrade`, and what came after it, as they came: a server may ignore the field (RFC 9110,
   * section 7.8), and Node's parser then frames the body as that of any request.
   */
  get ordinary(): Buffer {
    const { httpVersion, method, rawHeaders, url } = this.source
    let text = `${method} ${url} HTTP/${httpVersion}\r\n`
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      if (rawHeaders[at]!.toLowerCase() !== "upgrade") text += `${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`
    }
    return Buffer.concat([Buffer.from(`${text}\r\n`, "latin1"), this.head])
  }

  /**
   * Node has taken the body, or some of it, off `head`, so that nobody can tell where the request ends: newer ones do that
   * (26.12; those before 25 leave it).
   */
  get isCut(): boolean {
    const { headers } = this.source
    const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0
    return hasBody && takesBodies
  }

  /** An answer over HTTP, after which the connection ends; `answered` is called when it was sent. */
  respondOver(stream: Duplex, answered: () => void): Http.ServerResponse {
    const response = new Http.ServerResponse(this.source)
    response.shouldKeepAlive = false
    response.assignSocket(stream as NodeNet.Socket)
    const drained = (): void => void response.emit("drain")
    stream.on("drain", drained)
    response.once("finish", () => {
      release(response, stream)
      answered()
    })
    response.once(released, () => stream.removeListener("drain", drained))
    return response
  }
}

const released = Symbol("the response lets go of its stream")

/** The response gives the stream back. */
export const release = (response: Http.ServerResponse, stream: Duplex): void => {
  response.emit(released)
  response.removeAllListeners("finish")
  if (response.socket !== null) response.detachSocket(stream as NodeNet.Socket)
}
