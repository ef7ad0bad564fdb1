/** The load of datagram workloads: clients that wait for each echo. */
import * as dgram from "node:dgram"
import type { LoadContext } from "../model.js"
import type { EchoLoop } from "./echo-loop.js"

/** Nothing promises that a datagram arrives: a client that waits for so long sends again, in milliseconds. */
const patience = 250

/** Each client sends a datagram of `length` bytes, waits for it to come back, and sends the next. */
export const datagramLoop = (context: LoadContext, clients: number, length: number): EchoLoop => {
  let done = 0
  let stopped = false
  let fault: string | undefined
  const sockets = Array.from({ length: clients }, (_, client) => {
    const request = Buffer.alloc(length, `client ${client} `)
    const socket = dgram.createSocket("udp4")
    let round = 0
    let at = performance.now()
    const send = () => {
      round++
      request.writeUInt32BE(round)
      at = performance.now()
      socket.send(request)
    }
    socket.on("message", (reply) => {
      // A late reply to a round that was given up is not this one's.
      if (reply.length === length && reply.readUInt32BE() !== round) return
      if (request.compare(reply) !== 0) fault ??= "wrong bytes echoed"
      done++
      if (!stopped) send()
    })
    socket.on("error", (error) => {
      if (!stopped) fault ??= `client ${client}: ${error.message}`
    })
    socket.connect(context.port, context.host, send)
    return { socket, retry: (now: number) => now - at > patience && send() }
  })
  const watch = setInterval(() => {
    const now = performance.now()
    for (const { retry } of sockets) retry(now)
  }, patience)
  return {
    done: () => done,
    fault: () => fault,
    stop: () => {
      stopped = true
      clearInterval(watch)
      for (const { socket } of sockets) socket.close()
    }
  }
}
