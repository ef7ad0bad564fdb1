/** Type tests of what stream and datagram sockets have in common. */
import type { DatagramSocket, Listener, Socket } from "@copas/core"
import type { Effect } from "effect"
import { describe, expect, it } from "tstyche"

type Form<T> = T extends (...args: ReadonlyArray<any>) => unknown ? "function"
  : T extends Effect.Effect<any, any, any> ? "value"
  : "field"

/** The names of the functions that can never be given anything. */
type Nullary<T> = {
  [K in keyof T]: T[K] extends (...args: infer Args) => unknown ? Args extends readonly [] ? K : never : never
}[keyof T]

type Shared = Exclude<keyof Socket.Socket & keyof DatagramSocket.DatagramSocket, symbol>

describe("what the sockets have in common", () => {
  it("S07 an operation has the same form on stream and datagram sockets", () => {
    expect<{ [K in Shared]: Form<Socket.Socket[K]> }>().type.toBe<
      { [K in Shared]: Form<DatagramSocket.DatagramSocket[K]> }
    >()
    expect<Parameters<Socket.Socket["receive"]>>().type.toBe<
      Parameters<DatagramSocket.DatagramSocket["receive"]>
    >()
  })

  it("S07 an operation that takes nothing is a value", () => {
    expect<Nullary<Socket.Socket>>().type.toBe<never>()
    expect<Nullary<DatagramSocket.DatagramSocket>>().type.toBe<never>()
    expect<Nullary<Listener.Listener>>().type.toBe<never>()
  })
})
