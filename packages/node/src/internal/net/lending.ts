/** Lends a socket of this library to a library of Node's: the very socket of `node:net`, or a stream over it. */
import { lend as lendTo } from "@copas/core/Net"
import type * as CopasSocket from "@copas/core/Socket"
import type { SocketClosed } from "@copas/core/SocketError"
import type { Borrower, LentCounts, Loan } from "@copas/core/Transport"
import type * as Effect from "effect/Effect"
import type * as NodeNet from "node:net"
import type { Duplex } from "node:stream"
import { SocketDuplex } from "./duplex.js"
import { NodeTransport } from "./transport.js"

/** A lent socket, as the borrower of its bytes. */
export interface Borrowed extends Borrower {
  readonly stream: Duplex
  readonly isNative: boolean
  /** The bytes of the connection, whoever counts them. */
  readonly look: () => LentCounts
}

/** Decides whether a lent stream that is read from awaits bytes, so that the time-out `receive` counts. */
export type Awaits = (stream: Duplex, unsent: number) => boolean

/** What had come is read, and more may come. */
const reads = (stream: Duplex): boolean => stream.readableLength === 0 && !stream.readableEnded

/** What libuv has still to write: Node has no documented name for it, and looks there for its own time-outs. */
interface WithQueue {
  readonly _handle?: { readonly writeQueueSize?: number } | null
}

const countsOf = (stream: NodeNet.Socket): LentCounts => {
  const { bytesRead, bytesWritten, writableLength } = stream
  const sent = Math.max(0, bytesWritten - writableLength)
  const queued = (stream as unknown as WithQueue)._handle?.writeQueueSize ?? 0
  return { received: bytesRead, sent, unsent: writableLength, progress: sent - queued }
}

/** Ends the stream with this error when the transport destroys it: a reset takes none. */
const destroyWith = (stream: NodeNet.Socket, error: Error): void => {
  if (stream.destroyed) return
  const { destroy } = stream
  stream.destroy = (given) => {
    stream.destroy = destroy
    return stream.destroy(given ?? error)
  }
}

/** undici gets no answer over a lent socket of Deno's (2.9), and gets it over the duplex. */
const isDeno = "deno" in process.versions

const nativeOf = ({ early, hasEnded, isInitiator, transport }: Loan): NodeNet.Socket | undefined =>
  transport instanceof NodeTransport && !hasEnded && !isDeno ? transport.lend(early, isInitiator) : undefined

export const lend = (socket: CopasSocket.Socket, awaits: Awaits = () => true): Effect.Effect<Borrowed, SocketClosed> =>
  lendTo(socket, (loan): Borrowed => {
    const native = nativeOf(loan)
    const stream = native ?? new SocketDuplex(loan)
    const asked = {
      stream,
      isNative: native !== undefined,
      look: native === undefined ? () => loan.counts : () => countsOf(native),
      isReading: ({ unsent }: LentCounts) => reads(stream) && awaits(stream, unsent)
    }
    if (native === undefined) return { ...asked, ...(stream as SocketDuplex).reports }
    for (const chunk of loan.takeUnsent()) native.write(chunk)
    return {
      ...asked,
      counts: asked.look,
      fail: (error) => void native.destroy(error),
      cut: (error) => destroyWith(native, error)
    }
  })
