/** The load of the HTTP server's workloads: HTTP/1.1 by hand, in clear and over TLS, and HTTP/2 by node:http2. */
import * as http2 from "node:http2"
import * as net from "node:net"
import * as tls from "node:tls"
import type { LoadContext } from "../model.js"

export interface HttpLoop {
  /** Sends so many requests more, over all connections, and returns when all are answered. */
  readonly run: (requests: number) => Promise<void>
  readonly done: () => number
  readonly stop: () => void
}

export interface HttpLoopOptions {
  readonly connections: number
  readonly target: string
  /** The body of each answer, which is compared. */
  readonly body: Buffer
  /** Requests on a connection, which then makes place for a new one. Default: no limit. */
  readonly perConnection?: number
  readonly secure?: boolean
}

/** One context for all: making one costs more than a handshake. */
const secureContext = tls.createSecureContext({ minVersion: "TLSv1.3" })

/** Reads answers of one length: that of the first one, whose head it looks at. */
class Answers {
  private head = ""
  /** Of a whole answer; 0 until the first one's head is complete. */
  private length = 0
  private at = 0
  private readonly body: Buffer

  constructor(body: Buffer) {
    this.body = body
  }

  /** True if these bytes complete an answer; throws what is wrong with it. */
  take(bytes: Uint8Array, count: number): boolean {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, count)
    if (this.length === 0) {
      this.head += chunk.toString("latin1")
      const end = this.head.indexOf("\r\n\r\n")
      if (end === -1) return false
      if (!this.head.startsWith("HTTP/1.1 200 ")) throw new Error(`no 200: ${this.head.slice(0, 200)}`)
      const length = /^content-length: (\d+)/im.exec(this.head)?.[1]
      if (Number(length) !== this.body.length) throw new Error(`the Content-Length is ${length}`)
      this.length = end + 4 + this.body.length
      this.at = this.head.length
    } else {
      if (this.at === 0 && chunk.toString("latin1", 0, 12) !== "HTTP/1.1 200") throw new Error("no 200")
      this.at += count
    }
    if (this.at > this.length) throw new Error("more bytes than an answer has")
    if (this.at < this.length) return false
    const tail = Math.min(count, this.body.length)
    if (chunk.compare(this.body, this.body.length - tail, this.body.length, count - tail, count) !== 0) {
      throw new Error("another body")
    }
    this.at = 0
    return true
  }
}

/**
 * Each connection sends its next request when the answer to the last one is whole. Connections read into one buffer, as
 * those of `echoLoop` do, except over TLS.
 */
export const httpLoop = (context: LoadContext, options: HttpLoopOptions): HttpLoop => {
  const { body, connections, perConnection = Number.POSITIVE_INFINITY, secure = false, target } = options
  const landing = Buffer.allocUnsafeSlow(1 << 16)
  // Xavante keeps a connection only for clients that ask for it, as HTTP/1.0 has it.
  const connection = perConnection === 1 ? "close" : "keep-alive"
  const request = Buffer.from(`GET ${target} HTTP/1.1\r\nHost: bench.test\r\nConnection: ${connection}\r\n\r\n`)
  const open = new Set<net.Socket>()
  const idle: Array<() => void> = []
  let [left, running, done] = [0, 0, 0]
  let stopped = false
  let finish: (() => void) | undefined
  let fail: ((error: Error) => void) | undefined

  const connect = (): void => {
    const answers = new Answers(body)
    let sent = 0
    const broken = (error: Error) => {
      if (!stopped) fail?.(error)
      socket.destroy()
    }
    const next = () => {
      if (left === 0) {
        idle.push(next)
        if (--running === 0) finish?.()
        return
      }
      left--
      sent++
      socket.write(request)
    }
    const take = (bytes: Uint8Array, count: number) => {
      try {
        if (!answers.take(bytes, count)) return
      } catch (error) {
        return broken(error as Error)
      }
      done++
      if (sent < perConnection) next()
      // Of a single request the server ends the connection, which counts for it.
      else if (perConnection > 1) socket.destroy()
    }
    const where = { host: context.host, port: context.port }
    const socket: net.Socket = secure
      // The certificate was made a moment ago; what it is worth is not what is measured.
      ? tls.connect({ ...where, secureContext, servername: "localhost", rejectUnauthorized: false })
      : net.connect({
        ...where,
        noDelay: true,
        onread: {
          buffer: landing,
          callback: (count, bytes) => {
            take(bytes, count)
            return true
          }
        }
      })
    open.add(socket)
    if (secure) socket.on("data", (chunk: Buffer) => take(chunk, chunk.length))
    socket.on("error", broken)
    socket.on(secure ? "secureConnect" : "connect", next)
    socket.on("close", () => {
      open.delete(socket)
      if (stopped) return
      if (sent < perConnection) broken(new Error("the server closed a connection"))
      else connect()
    })
  }

  return {
    run: (requests) =>
      new Promise((resolve, reject) => {
        const isFirst = running === 0 && idle.length === 0
        left += requests
        finish = resolve
        fail = reject
        running = connections
        if (isFirst) { for (let one = 0; one < connections; one++) connect() }
        else for (const next of idle.splice(0)) next()
      }),
    done: () => done,
    stop: () => {
      stopped = true
      // A reset leaves no TIME_WAIT behind; Node cannot reset what TLS is on.
      for (const socket of open) {
        if (secure) socket.destroy()
        else socket.resetAndDestroy()
      }
    }
  }
}

/** The same over HTTP/2: few sessions, with many streams each at once. */
export const http2Loop = async (
  context: LoadContext,
  options: HttpLoopOptions & { readonly sessions: number }
): Promise<HttpLoop> => {
  const { body, connections, sessions, target } = options
  const all = await Promise.all(
    Array.from({ length: sessions }, () =>
      new Promise<http2.ClientHttp2Session>((resolve, reject) => {
        const session = http2.connect(`https://${context.host}:${context.port}`, {
          secureContext,
          servername: "localhost",
          rejectUnauthorized: false
        }, () => resolve(session))
        session.on("error", reject)
      }))
  )
  let done = 0
  const ask = (session: http2.ClientHttp2Session) =>
    new Promise<void>((resolve, reject) => {
      const stream = session.request({ ":path": target })
      const chunks: Array<Buffer> = []
      let status: number | undefined
      stream.on("response", (head) => {
        status = head[":status"]
      })
      stream.on("data", (chunk: Buffer) => chunks.push(chunk))
      stream.on("error", reject)
      stream.on("end", () => {
        if (status !== 200 || !Buffer.concat(chunks).equals(body)) {
          return reject(new Error(`${status}, or another body`))
        }
        done++
        resolve()
      })
      stream.end()
    })
  return {
    run: async (requests) => {
      let left = requests
      await Promise.all(Array.from({ length: connections }, async (_, one) => {
        while (left-- > 0) await ask(all[one % sessions]!)
      }))
    },
    done: () => done,
    stop: () => {
      for (const session of all) session.destroy()
    }
  }
}
