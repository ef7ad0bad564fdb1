/**
 * How the bytes of a file go over the data connection: as they are, or coded (MODE Z).
 */
import type { Socket } from "@copas/core/Socket"
import { isEndOfConversation, type ReceiveError, type SendError } from "@copas/core/SocketError"
import * as Effect from "effect/Effect"
import { type CodingFault, Deflating, Inflating } from "../deflate.js"

export interface Wire {
  /** The next bytes of the file. It fails at the end of the data, and then each time. */
  readonly receive: Effect.Effect<Uint8Array, ReceiveError | CodingFault>
  readonly send: (bytes: Uint8Array) => Effect.Effect<void, SendError>
  /** Ends what is sent. */
  readonly end: Effect.Effect<void, SendError>
  readonly release: Effect.Effect<void>
}

/** What is taken at a time of the records of TLS that have arrived. */
const most = 512 * 1024

/** A step of the program for each record of TLS costs more than to copy them together. With `reuses` always to the same memory. */
const receive = (data: Socket, isProtected: boolean, reuses: boolean): Wire["receive"] => {
  if (!isProtected) return data.receive()
  return data.receive(reuses ? { joined: true, into: new Uint8Array(most) } : { joined: true, maxBytes: most })
}

export const plain = (data: Socket, isProtected: boolean, reuses: boolean): Wire => ({
  receive: receive(data, isProtected, reuses),
  send: (bytes) => data.send(bytes),
  end: data.shutdown("send"),
  release: Effect.void
})

const never: Effect.Effect<never> = Effect.dieMessage("the other direction")

export const coded = (data: Socket, direction: "download" | "upload", ratio: number): Wire => {
  if (direction === "download") {
    const inflating = new Inflating(
      data.receive(),
      ratio,
      (error: ReceiveError) => error._tag === "SocketTimeout" ? "pause" : isEndOfConversation(error) ? "end" : "break"
    )
    return { receive: inflating.receive, send: () => never, end: never, release: inflating.release }
  }
  const deflating = new Deflating((bytes) => data.send(bytes))
  return {
    receive: never,
    send: (bytes) => deflating.send(bytes),
    end: Effect.zipRight(deflating.finish, data.shutdown("send")),
    release: deflating.release
  }
}
