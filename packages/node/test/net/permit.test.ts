/** `permit` and the spellings of addresses: what is asked about is what the system would connect to. */
import { Net, NetAddress } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import { Effect } from "effect"

/** A host as a URL or a user may write it, and the address that `permit` is asked about. */
const spellings: ReadonlyArray<readonly [host: string, address: string]> = [
  ["127.0.0.1", "127.0.0.1:80"],
  ["0x7f.1", "127.0.0.1:80"],
  ["2130706433", "127.0.0.1:80"],
  ["017700000001", "127.0.0.1:80"],
  ["0.0.0.0", "0.0.0.0:80"],
  ["169.254.169.254", "169.254.169.254:80"],
  ["100.64.0.1", "100.64.0.1:80"],
  ["[::]", "[::]:80"],
  ["[::1]", "[::1]:80"],
  ["[::ffff:a9fe:a9fe]", "[::ffff:a9fe:a9fe]:80"],
  ["[64:ff9b::7f00:1]", "[64:ff9b::7f00:1]:80"]
]

layer(NodeNet.layer, { excludeTestServices: true })((it) => {
  it.effect("C33 of any spelling of an address `permit` is asked about the address itself, and nothing is tried", () =>
    Effect.gen(function*() {
      const answers = yield* Effect.forEach(spellings, ([host]) =>
        Effect.gen(function*() {
          const asked: Array<string> = []
          const error = yield* Effect.flip(Effect.scoped(Net.connect({
            host,
            port: 80,
            permit: (address) => {
              asked.push(NetAddress.format(address))
              return false
            }
          })))
          return [host, asked, error._tag === "ConnectError" && error.reason]
        }))
      expect(answers).toEqual(spellings.map(([host, address]) => [host, [address], "NotPermitted"]))
    }))
})
