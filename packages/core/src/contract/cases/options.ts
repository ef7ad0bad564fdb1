/** What options a connection and a listener take, and what refuses a wrong one. */
import * as Effect from "effect/Effect"
import * as Net from "../../Net.js"
import * as NetAddress from "../../NetAddress.js"
import type * as SocketOptions from "../../SocketOptions.js"
import { type Case, connected, failure, mentions, same, test, to } from "./support.js"

/** The cases. */
export const cases: ReadonlyArray<Case> = [
  test(
    "S01 a wrong option of connect is InvalidOption: it says which, what it is, and what it must be",
    Effect.gen(function*() {
      const wrong: ReadonlyArray<readonly [string, Net.ConnectOptions, string]> = [
        ["port", { port: -1 }, "from 1 to 65535"],
        ["port", { port: 0 }, "from 1 to 65535"],
        ["port", { port: 65536 }, "65536"],
        ["port", { port: 1.5 }, "1.5"],
        ["port", { port: Number.NaN }, "NaN"],
        ["port", { port: "80" as unknown as number }, "\"80\""],
        ["host", { host: "", port: 1 }, "\"\""],
        ["host", { host: "two words", port: 1 }, "two words"],
        ["host", { host: "nul\0", port: 1 }, "host name"],
        ["path", { path: "" }, "path"],
        ["family", { port: 1, family: "IPv5" as "IPv4" }, "IPv6"],
        ["localAddress", { port: 1, localAddress: "localhost" }, "numeric"],
        ["localPort", { port: 1, localPort: 65536 }, "65536"],
        ["highWaterMark", { port: 1, highWaterMark: 0 }, "at least 1"],
        ["sendHighWaterMark", { port: 1, sendHighWaterMark: -1 }, "at least 0"],
        ["linger", { port: 1, linger: -1 }, "not negative"],
        ["timeouts.connect", { port: 1, timeouts: { connect: "-1 seconds" } }, "-1 seconds"],
        ["timeouts.send", { port: 1, timeouts: { send: -5 } }, "-5"],
        ["timeouts.receive", { port: 1, timeouts: { receive: Number.NaN } }, "NaN"],
        ["permit", { port: 1, permit: true as never }, "a function"],
        ["permit", { port: 1, permit: (() => Promise.resolve(true)) as never }, "true or false"],
        ["keepAlive", { port: 1, keepAlive: "10 millis" }, "second"],
        ["keepAlive", { port: 1, keepAlive: "soon" as "1 seconds" }, "soon"]
      ]
      for (const [option, options, shownPart] of wrong) {
        const error = yield* failure(
          Effect.scoped(Net.connect({ host: "127.0.0.1", ...options } as Net.ConnectOptions)),
          "InvalidOption"
        )
        same(error.option, option, "the option")
        mentions(error.message, `\`${option}\``, "must be", shownPart)
      }
    })
  ),
  test(
    "S01 a wrong option of listen is InvalidOption: it says which, what it is, and what it must be",
    Effect.gen(function*() {
      const wrong: ReadonlyArray<readonly [string, Net.ListenOptions, string]> = [
        ["port", { port: -1 }, "from 0 to 65535"],
        ["port", { port: 65536 }, "65536"],
        ["backlog", { port: 0, backlog: 0 }, "at least 1"],
        ["backlog", { port: 0, backlog: 1.5 }, "1.5"],
        ["host", { host: "", port: 0 }, "\"\""],
        ["highWaterMark", { port: 0, highWaterMark: Infinity }, "Infinity"],
        ["timeouts.receive", { port: 0, timeouts: { receive: -1 } }, "-1"],
        ["keepAlive", { port: 0, keepAlive: "10 millis" }, "second"]
      ]
      for (const [option, options, shownPart] of wrong) {
        const error = yield* failure(Effect.scoped(Net.listen(options)), "InvalidOption")
        same(error.option, option, "the option")
        mentions(error.message, `\`${option}\``, "must be", shownPart)
      }
    })
  ),
  test(
    "S04 an option that the platform has is set and read back, and one that it has not is UnsupportedOption",
    Effect.gen(function*() {
      const { client, listener } = yield* connected()
      const options: ReadonlyArray<
        readonly [
          keyof SocketOptions.SocketOptions,
          NonNullable<SocketOptions.SocketOptions[keyof SocketOptions.SocketOptions]>
        ]
      > = [
        ["noDelay", false],
        ["noDelay", true],
        ["keepAlive", true],
        ["keepAlive", "30 seconds"],
        ["keepAliveInterval", "5 seconds"],
        ["keepAliveCount", 3],
        ["sendBufferSize", 65536],
        ["receiveBufferSize", 65536]
      ]
      for (const [name, value] of options) {
        const live = yield* Effect.either(Effect.zipRight(client.setOption(name, value), client.getOption(name)))
        const made = yield* Effect.either(Effect.scoped(Net.connect({ ...to(listener.port), [name]: value })))
        same(live._tag, made._tag, `${name} on a live socket and on a new one`)
        if (live._tag === "Right") same(live.right, value, name)
        else {
          const error = live.left
          if (error._tag !== "UnsupportedOption") throw error
          same(error.option, name, "the option")
          mentions(error.message, error.platform, name)
        }
      }
    })
  ),
  test(
    "S04 keep-alive probes more often than once a second are refused on a live socket too",
    Effect.gen(function*() {
      const { client } = yield* connected()
      const error = yield* failure(client.setOption("keepAlive", "10 millis"), "InvalidOption")
      same(error.option, "keepAlive", "the option")
      same(yield* client.getOption("keepAlive"), false, "the option")
    })
  ),
  test(
    "C33 lookup gives the addresses that connect would try, of which `permit` permits each",
    Effect.gen(function*() {
      const { lookup } = yield* Net.Net
      const hosts = (found: ReadonlyArray<NetAddress.InetAddress>) => found.map(NetAddress.format).sort().join(" ")
      const options = { host: "localhost", port: 25 }
      same(hosts(yield* lookup(options)), "127.0.0.1:25 [::1]:25", "both families")
      same(hosts(yield* lookup({ ...options, family: "IPv4" })), "127.0.0.1:25", "one family")
      same(hosts(yield* lookup({ ...options, host: "::1" })), "[::1]:25", "a numeric address")
      const permit = (address: NetAddress.NetAddress) => NetAddress.format(address).startsWith("[")
      same(hosts(yield* lookup({ ...options, permit })), "[::1]:25", "the permitted one")
      const refused = yield* failure(lookup({ ...options, family: "IPv4", permit }), "ConnectError")
      same(refused.reason, "NotPermitted", "the reason")
      same(refused.attempts, [{ address: "127.0.0.1:25", reason: "NotPermitted" }], "what was refused")
      const unknown = yield* failure(lookup({ ...options, host: "nowhere.invalid" }), "ConnectError")
      same(`${unknown.reason} ${unknown.target}`, "HostNotFound nowhere.invalid:25", "a name that does not exist")
      same((yield* failure(lookup({ ...options, port: 0 }), "InvalidOption")).option, "port", "the option")
    })
  )
]
