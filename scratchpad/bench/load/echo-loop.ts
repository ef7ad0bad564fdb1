/** The load of echo workloads: connections that send when the answer to the last request has come. */
import * as net from "node:net"
import type { LoadContext } from "../model.js"

const digits = Buffer.from("0123456789abcdef")

/**
 * Every connection reads into this one buffer: with `onread` Node hands it over as it stands, with no allocation and no
 * stream event, which is what keeps the load generator cheaper than the servers it measures.
 */
const landing = Buffer.allocUnsafeSlow(1 << 16)

export interface EchoLoop {
  readonly done: () => number
  /** Set once a reply differed from what was sent, or a connection ended. */
  readonly fault: () => string | undefined
  readonly stop: () => void
}

interface Options {
  /** What each connection sends, waits for, and sends again; one of `units` things. */
  readonly request: (connection: number) => Buffer
  readonly units: number
  readonly connections: number
  /** Milliseconds from the call of connect to each connection's first reply. */
  readonly onFirstReply?: (milliseconds: number) => void
}

/** A request of `lines` lines of `length` bytes that names its connection, so that crossed replies are seen. */
export const lineRequest = (connection: number, length: number, lines: number): Buffer =>
  Buffer.from(
    Array.from({ length: lines }, (_, i) => `0000 ${connection} ${i} `.padEnd(length - 1, "abcdefghij") + "\n").join("")
  )

/**
 * Each connection sends its request as soon as the reply to the one before is whole. Resolves when every connection is
 * open and running.
 */
export const echoLoop = (context: LoadContext, options: Options): Promise<EchoLoop> =>
  new Promise((resolve, reject) => {
    let done = 0
    let fault: string | undefined
    let opened = 0
    let stopped = false
    const sockets: Array<net.Socket> = []
    const fail = (message: string) => {
      if (stopped) return
      fault ??= message
      reject(new Error(message))
    }
    const open = (index: number) => {
      const request = options.request(index)
      const started = performance.now()
      let at = 0
      let round = 0
      const send = () => {
        // A reply of the round before must not pass for this one's.
        round++
        request[0] = digits[round & 15]!
        request[1] = digits[(round >> 4) & 15]!
        request[2] = digits[(round >> 8) & 15]!
        socket.write(request)
      }
      const socket = net.connect({
        host: context.host,
        port: context.port,
        noDelay: true,
        onread: {
          buffer: landing,
          callback: (count, data) => {
            if (at + count > request.length || request.compare(data, 0, count, at, at + count) !== 0) {
              fail("wrong bytes echoed")
              socket.destroy()
              return false
            }
            at += count
            if (at === request.length) {
              at = 0
              if (round === 1) options.onFirstReply?.(performance.now() - started)
              done += options.units
              if (!stopped) send()
            }
            return true
          }
        }
      })
      sockets.push(socket)
      socket.on("connect", () => {
        opened++
        send()
        if (opened === options.connections) resolve({ done: () => done, fault: () => fault, stop })
      })
      socket.on("error", (error) => fail(`connection ${index}: ${error.message}`))
      socket.on("close", () => fail(`the server closed connection ${index}`))
    }
    const stop = () => {
      stopped = true
      // A reset leaves no TIME_WAIT behind: thousands of those would slow the next run's connects.
      for (const socket of sockets) socket.resetAndDestroy()
    }
    // In slices, so that the connections that are open already keep the server busy meanwhile.
    const openFrom = (first: number) => {
      for (let i = first; i < Math.min(first + 25, options.connections); i++) open(i)
      if (first + 25 < options.connections) setImmediate(openFrom, first + 25)
    }
    openFrom(0)
  })
