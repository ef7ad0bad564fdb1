/** The load of TLS workloads: ping-pong and handshakes. */
import * as tls from "node:tls"
import type { LoadContext } from "../model.js"
import { lineRequest } from "./echo-loop.js"

export interface TlsLoop {
  readonly done: () => number
  readonly fault: () => string | undefined
  readonly stop: () => void
}

/** One context for all: making one costs more than a handshake. */
const secureContext = tls.createSecureContext({ minVersion: "TLSv1.3" })

const connect = (context: LoadContext): tls.TLSSocket =>
  tls.connect({
    host: context.host,
    port: context.port,
    secureContext,
    servername: "localhost",
    // The certificate was made a moment ago; what it is worth is not what is measured.
    rejectUnauthorized: false
  })

/** Each connection sends its line again as soon as it has come back. Resolves when all are running. */
export const tlsEcho = (context: LoadContext, connections: number, length: number): Promise<TlsLoop> =>
  new Promise((resolve, reject) => {
    let done = 0
    let fault: string | undefined
    let running = 0
    let stopped = false
    const sockets: Array<tls.TLSSocket> = []
    const fail = (message: string): void => {
      if (stopped) return
      fault ??= message
      reject(new Error(message))
    }
    const stop = (): void => {
      stopped = true
      for (const socket of sockets) socket.destroy()
    }
    for (let index = 0; index < connections; index++) {
      const request = lineRequest(index, length, 1)
      const socket = connect(context)
      let at = 0
      sockets.push(socket)
      socket.on("secureConnect", () => {
        socket.write(request)
        if (++running === connections) resolve({ done: () => done, fault: () => fault, stop })
      })
      socket.on("data", (chunk: Buffer) => {
        if (at + chunk.length > length || request.compare(chunk, 0, chunk.length, at, at + chunk.length) !== 0) {
          fail("wrong bytes echoed")
          return
        }
        at += chunk.length
        if (at < length) return
        at = 0
        done++
        if (!stopped) socket.write(request)
      })
      socket.on("error", (error) => fail(`connection ${index}: ${error.message}`))
      socket.on("close", () => fail(`the server closed connection ${index}`))
    }
  })

/** Clients that connect, shake hands in full, send a line, get it back, and hang up. */
export const tlsHandshakes = (context: LoadContext, clients: number): TlsLoop => {
  const line = lineRequest(0, 64, 1)
  let done = 0
  let fault: string | undefined
  let stopped = false
  const again = (): void => {
    if (stopped || fault !== undefined) return
    const socket = connect(context)
    let answer = ""
    socket.on("secureConnect", () => socket.write(line))
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1")
      if (answer.length >= line.length) socket.destroy()
    })
    socket.on("error", (error) => {
      fault ??= error.message
    })
    socket.on("close", () => {
      if (answer === line.toString("latin1")) done++
      else if (!stopped) fault ??= "the server closed before it had answered"
      again()
    })
  }
  for (let index = 0; index < clients; index++) again()
  return {
    done: () => done,
    fault: () => fault,
    stop: () => {
      stopped = true
    }
  }
}
