/** SOCKS: where names are looked up, which addresses are permitted, SOCKS4 and SOCKS4A, on both networks; and its grammars. */
import { Net, NetAddress, type Socket } from "@copas/core"
import { NetMemory, Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit, type Scope } from "effect"
import * as FC from "effect/FastCheck"
import { Proxy } from "../src/index.js"
import * as Wire from "../src/internal/proxy.js"
import { networks, text, until } from "./ftp/networks.js"
import { bytes } from "./ftp/support.js"
import { fuzz } from "./fuzz.js"
import { proxied, relay, request, type Talk } from "./proxies.js"

/** A SOCKS5 proxy without a log-in, which gives the code for a target and greets for it; `asked` keeps the targets. */
const socks5Proxy = (asked: Array<string>, code: (host: string) => number): Talk => (socket) =>
  Effect.gen(function*() {
    yield* socket.receiveExactly(3)
    yield* socket.send(Uint8Array.of(5, 0))
    const [, , , kind] = yield* socket.receiveExactly(4)
    const length = kind === 3 ? (yield* socket.receiveExactly(1))[0]! : kind === 1 ? 4 : 16
    const host = yield* socket.receiveExactly(length)
    yield* socket.receiveExactly(2)
    const shown = kind === 3 ? text(host) : host.join(".")
    asked.push(shown)
    yield* socket.send(Uint8Array.from([5, code(shown), 0, 1, 0, 0, 0, 0, 0, 0, ...bytes(`220 ${shown}\r\n`)]))
    return yield* Effect.forever(socket.receive())
  })

/** A SOCKS4 proxy; `asked` keeps what it was sent. */
const socks4Proxy = (asked: Array<string>, code = 90): Talk => (socket) =>
  Effect.gen(function*() {
    const head = yield* socket.receiveExactly(8)
    const user = text(yield* socket.receiveUntil("\0")).replace("\0", "")
    const isName = head[4] === 0 && head[5] === 0 && head[6] === 0 && head[7] !== 0
    const host = isName
      ? text(yield* socket.receiveUntil("\0")).replace("\0", "")
      : head.subarray(4).join(".")
    const port = head[2]! * 256 + head[3]!
    asked.push(`${head[0]} ${head[1]} ${user} ${host}`)
    if (code !== 90) {
      yield* socket.send(Uint8Array.of(0, code, 0, 0, 0, 0, 0, 0))
      return yield* Effect.forever(socket.receive())
    }
    const { run } = yield* relay(socket, host === "localhost" ? "127.0.0.1" : host, port)
    yield* socket.send(Uint8Array.of(0, 90, 1, 2, 3, 4, 5, 6))
    return yield* run
  })

const shown = NetAddress.format

describe.each(networks)("SOCKS, %s", (_name, network) => {
  const scoped = <E>(title: string, use: Effect.Effect<void, E, Net.Net | Scope.Scope>): void =>
    it.live(title, () => use.pipe(Effect.scoped, Effect.provide(network)))

  scoped(
    "C33 with socks5: the name is looked up here, and the proxy is asked for its addresses until it reaches one",
    Effect.gen(function*() {
      const asked: Array<string> = []
      const { port, seen } = yield* proxied(socks5Proxy(asked, () => asked.length === 1 ? 5 : 0))
      const socket = yield* Proxy.socks5(`socks5://127.0.0.1:${port}`)(request(25, "localhost"))
      expect(new Set(asked)).toEqual(new Set(["127.0.0.1", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1"]))
      expect(yield* socket.receiveLine()).toBe(`220 ${asked[1]}`)
      // What it did not reach is closed, though the caller's scope is open.
      yield* until(Effect.sync(() => seen.connections === 2 && seen.open === 1))
    })
  )

  scoped(
    "C33 with socks5h: the proxy gets the name, and so it does by default",
    Effect.gen(function*() {
      const asked: Array<string> = []
      const { port } = yield* proxied(socks5Proxy(asked, () => 0))
      const host = "127.0.0.1"
      for (const proxy of [`socks5h://${host}:${port}`, { host, port }, { host, port, lookup: "proxy" } as const]) {
        yield* Proxy.socks5(proxy)(request(25, "localhost"))
      }
      yield* Proxy.socks5({ host, port, lookup: "here" })(request(25, "localhost"))
      expect(asked.map((one) => one === "localhost")).toEqual([true, true, true, false])
    })
  )

  scoped(
    "C33 a proxy that reaches none of the addresses, or refuses one for another reason, is the error",
    Effect.gen(function*() {
      for (const [code, reason, count] of [[4, "TargetUnreachable", 2], [2, "Forbidden", 1]] as const) {
        const asked: Array<string> = []
        const { port, seen } = yield* proxied(socks5Proxy(asked, () => code))
        const error = yield* Effect.flip(Proxy.socks5(`socks5://127.0.0.1:${port}`)(request(25, "localhost")))
        expect(error).toMatchObject({ _tag: "ProxyError", reason, code })
        expect(asked).toHaveLength(count)
        yield* until(Effect.sync(() => seen.open === 0))
      }
    })
  )

  scoped(
    "C33 a name that does not exist is a ConnectError, and no proxy is asked",
    Effect.gen(function*() {
      const { port, seen } = yield* proxied(() => Effect.void)
      for (
        const connector of [Proxy.socks5(`socks5://127.0.0.1:${port}`), Proxy.socks4(`socks4://127.0.0.1:${port}`)]
      ) {
        expect(yield* Effect.flip(connector(request(25, "nowhere.invalid")))).toMatchObject({
          _tag: "ConnectError",
          reason: "HostNotFound",
          target: "nowhere.invalid:25"
        })
      }
      expect(seen.connections).toBe(0)
    })
  )

  scoped(
    "C33 `permit` is asked about the target's addresses where they are known here, and only permitted ones are used",
    Effect.gen(function*() {
      const asked: Array<string> = []
      const { port } = yield* proxied(socks5Proxy(asked, () => 0))
      const proxy = `127.0.0.1:${port}`
      const about: Array<string> = []
      const permitting = (host: string, ...refused: ReadonlyArray<string>) => ({
        ...request(25, host),
        permit: (address: NetAddress.NetAddress) => {
          about.push(shown(address))
          return !refused.includes(shown(address))
        }
      })
      yield* Proxy.socks5(`socks5://${proxy}`)(permitting("localhost", "127.0.0.1:25"))
      expect([asked, about.sort()]).toEqual([
        ["0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1"],
        [proxy, "127.0.0.1:25", "[::1]:25"].sort()
      ])
      const none = [["localhost", "127.0.0.1:25", "[::1]:25"], ["10.0.0.1", "10.0.0.1:25"]] as const
      for (const [host, ...refused] of none) {
        const error = yield* Effect.flip(Proxy.socks5(`socks5://${proxy}`)(permitting(host, ...refused)))
        expect(error).toMatchObject({ _tag: "ConnectError", reason: "NotPermitted", target: `${host}:25` })
        expect(error._tag === "ConnectError" && error.attempts.map(({ address }) => address).sort()).toEqual(refused)
      }
      // An address is one to every kind of proxy; of a name, the proxy's own address is all that is known.
      for (
        const connector of [
          Proxy.http(`http://${proxy}`),
          Proxy.socks5(`socks5h://${proxy}`),
          Proxy.socks4(`socks4a://${proxy}`)
        ]
      ) {
        expect(yield* Effect.flip(connector(permitting("10.0.0.1", "10.0.0.1:25")))).toMatchObject({
          reason: "NotPermitted"
        })
      }
      about.length = 0
      yield* Proxy.socks5(`socks5h://${proxy}`)(permitting("localhost", "127.0.0.1:25", "[::1]:25"))
      expect([asked.length, about]).toEqual([2, [proxy]])
    })
  )

  scoped(
    "C33 what `permit` throws is a defect, and a result that is no boolean an InvalidOption",
    Effect.gen(function*() {
      const connector = Proxy.socks5("socks5://127.0.0.1:1")
      const thrown = new Error("no list of addresses")
      const exit = yield* Effect.exit(connector({
        ...request(25, "127.0.0.1"),
        permit: () => {
          throw thrown
        }
      }))
      expect(exit).toEqual(Exit.die(thrown))
      const error = yield* Effect.flip(connector({ ...request(25, "127.0.0.1"), permit: () => "no" as never }))
      expect(error).toMatchObject({ _tag: "InvalidOption", option: "permit" })
    })
  )

  scoped(
    "C33 SOCKS4 reaches addresses of IPv4, and SOCKS4A names, with a user",
    Effect.gen(function*() {
      const asked: Array<string> = []
      const { port } = yield* proxied(socks4Proxy(asked))
      const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
      yield* Effect.forkScoped(
        Effect.forever(Effect.flatMap(listener.accept, (socket) => socket.send("220 Hello\r\n")))
      )
      const cases = [
        [`socks4://me@127.0.0.1:${port}`, "localhost"],
        [`socks4a://m%C3%A9@127.0.0.1:${port}`, "localhost"],
        [`socks4a://127.0.0.1:${port}`, "127.0.0.1"]
      ] as const
      for (const [proxy, host] of cases) {
        const socket = yield* Proxy.socks4(proxy)(request(listener.port, host))
        expect(yield* socket.receiveLine()).toBe("220 Hello")
      }
      expect(asked).toEqual(["4 1 me 127.0.0.1", "4 1 mé localhost", "4 1  127.0.0.1"])
    })
  )

  scoped(
    "C33 a SOCKS4 proxy that does not connect is a ProxyError, and its connection is closed",
    Effect.gen(function*() {
      const cases = [
        [91, "Refused"],
        [92, "AuthenticationRequired"],
        [93, "AuthenticationRequired"],
        [94, "BadReply"],
        [0, "BadReply"]
      ] as const
      for (const [code, reason] of cases) {
        const { port, seen } = yield* proxied(socks4Proxy([], code))
        const error = yield* Effect.flip(Proxy.socks4(`socks4a://127.0.0.1:${port}`)(request(25)))
        expect(error).toMatchObject({ _tag: "ProxyError", reason, proxy: `127.0.0.1:${port}` })
        yield* until(Effect.sync(() => seen.open === 0))
      }
    })
  )

  scoped(
    "C33 a look-up and a proxy that say nothing cost the connect time-out together, and leave nothing open",
    Effect.gen(function*() {
      const { port, seen } = yield* proxied((socket) => Effect.forever(socket.receive()))
      const connector = Proxy.socks5(`socks5://127.0.0.1:${port}`)
      const error = yield* Effect.flip(connector({ ...request(25, "localhost"), connectTimeout: 5 }))
      expect(error).toMatchObject({ _tag: "ConnectError", reason: "TimedOut", target: "localhost:25" })
      yield* until(Effect.sync(() => seen.open === 0))
    })
  )
})

describe("what proxies answer", () => {
  /** A socket with these bytes and then the end, for the calls that the grammars make. */
  const holding = (input: Uint8Array) => {
    const state = { at: 0, sent: [] as Array<number> }
    const take = (length: number) =>
      Effect.suspend(() => {
        if (state.at + length > input.length) return Effect.fail({ _tag: "UnexpectedEnd" } as never)
        state.at += length
        return Effect.succeed(input.subarray(state.at - length, state.at))
      })
    const socket = {
      send: (data: string | Uint8Array) =>
        Effect.sync(() => {
          state.sent.push(...(typeof data === "string" ? bytes(data) : data))
        }),
      receiveExactly: take,
      receiveUntil: (end: string, { maxLength }: { maxLength: number }) =>
        Effect.suspend(() => {
          const found = Buffer.from(input).indexOf(end, state.at, "latin1")
          return found < 0 || found - state.at > maxLength
            ? Effect.fail(
              { _tag: found < 0 && input.length - state.at <= maxLength ? "UnexpectedEnd" : "LineTooLong" } as never
            )
            // The pattern itself is left out.
            : Effect.tap(take(found + end.length - state.at), Effect.void).pipe(
              Effect.map((all) => all.subarray(0, -end.length))
            )
        })
    } as unknown as Socket.Socket
    return { socket, state }
  }

  /** Success and the bytes that were read, or the tag of the failure. A defect is neither. */
  const outcome = (talk: Wire.Talk, input: Uint8Array, login: boolean): number | string => {
    const { socket, state } = holding(input)
    const told = talk(socket, { host: "target.example", port: 25 }, login ? { user: "u", password: "p" } : undefined)
    const either = Effect.runSync(Effect.either(told))
    if (Either.isRight(either)) return state.at
    return either.left._tag === "ProxyFailure" ? either.left.reason : either.left._tag
  }

  /** What the RFCs say of it, written another way: by position, and by one regular expression. */
  const socks5Model = (input: Uint8Array, login: boolean): number | string => {
    const end = "UnexpectedEnd"
    if (input.length < 2) return end
    if (input[0] !== 5) return "BadReply"
    if (input[1] === 255) return "AuthenticationRequired"
    if (input[1] !== 0 && !(input[1] === 2 && login)) return "BadReply"
    const at = input[1] === 2 ? 4 : 2
    if (input.length < at) return end
    if (at === 4 && input[3] !== 0) return "AuthenticationRequired"
    if (input.length < at + 4) return end
    if (input[at] !== 5) return "BadReply"
    const code = input[at + 1]!
    if (code === 2) return "Forbidden"
    if (code >= 3 && code <= 6) return "TargetUnreachable"
    if (code !== 0) return "Refused"
    const kind = input[at + 3]
    if (kind !== 1 && kind !== 3 && kind !== 4) return "BadReply"
    if (kind === 3 && input.length < at + 5) return end
    const whole = at + 6 + (kind === 1 ? 4 : kind === 4 ? 16 : 1 + input[at + 4]!)
    return input.length < whole ? end : whole
  }

  const socks4Model = (input: Uint8Array): number | string =>
    input.length < 8
      ? "UnexpectedEnd"
      : input[0] !== 0
      ? "BadReply"
      : ({ 90: 8, 91: "Refused", 92: "AuthenticationRequired", 93: "AuthenticationRequired" } as const)[input[1]!] ??
        "BadReply"

  /** Each blank line ends a head. */
  const headModel = (input: Uint8Array): number | string => {
    let length = 0
    for (const head of Buffer.from(input).toString("latin1").split("\r\n\r\n").slice(0, -1)) {
      length += head.length + 4
      const [version = "", code = ""] = head.replace(/\r\n[^]*/, "").split(" ")
      if (!/^HTTP\/1\.[01]$/.test(version) || !/^[0-9]{3}$/.test(code)) return "BadReply"
      if (code.startsWith("1") && code !== "101") continue
      if (code.startsWith("2")) return length
      if (code === "407") return "AuthenticationRequired"
      if (code === "401" || code === "403") return "Forbidden"
      return ["502", "503", "504"].includes(code) ? "TargetUnreachable" : "Refused"
    }
    return "UnexpectedEnd"
  }

  const byte = FC.constantFrom(0, 0, 1, 2, 3, 4, 5, 5, 8, 90, 91, 92, 93, 255)
  const raw = FC.oneof(
    FC.array(FC.oneof(byte, FC.nat(255)), { maxLength: 40 }),
    FC.array(byte, { minLength: 8, maxLength: 40 })
  )
  const reply = FC.oneof(
    raw,
    FC.tuple(FC.constantFrom([5, 0], [5, 2, 1, 0]), FC.constantFrom(1, 3, 4), raw).map((
      [before, kind, after]
    ) => [...before, 5, 0, 0, kind, ...after]),
    raw.map((after) => [0, 90, ...after])
  ).map((all) => Uint8Array.from(all))

  const seen = { successes: 0 }
  const agree = (given: number | string, wanted: number | string): boolean => {
    if (typeof given === "number") seen.successes += 1
    return given === wanted
  }
  const enough = (): void => {
    expect(seen.successes).toBeGreaterThan(Sampling.isRepeat() ? -1 : 20)
    seen.successes = 0
  }

  it("C33 whatever a SOCKS5 proxy sends, what is made of it is what RFC 1928 and 1929 say, and no byte after it is read", async () => {
    await fuzz(
      FC.property(
        reply,
        FC.boolean(),
        (input, login) => agree(outcome(Wire.socks5, input, login), socks5Model(input, login))
      ),
      { short: 3000, long: 1_000_000 }
    )
    enough()
  })

  it("C33 whatever a SOCKS4 proxy sends, what is made of it is what its memo says, and no byte after it is read", async () => {
    await fuzz(FC.property(reply, (input) => agree(outcome(Wire.socks4, input, false), socks4Model(input))), {
      short: 3000,
      long: 1_000_000
    })
    enough()
  })

  const token = FC.constantFrom(
    "HTTP/1.1 ",
    "HTTP/1.0 ",
    "HTTP/2 ",
    "200",
    "101",
    "103",
    "407",
    "403",
    "502",
    "599",
    "20",
    " ",
    "\r\n",
    "\r\n\r\n",
    "\r",
    "\n",
    "a: b",
    "\0",
    "\xff",
    "<html>"
  )
  const head = FC.oneof(
    FC.array(token, { maxLength: 12 }).map((all) => all.join("")),
    FC.tuple(
      FC.constantFrom("100", "103", "200", "204", "299", "300", "401", "407", "503", "600"),
      FC.array(token, { maxLength: 8 })
    )
      .map(([code, rest]) => `HTTP/1.1 ${code} ${rest.join("")}\r\n\r\nHTTP/1.0 200\r\n\r\n`)
  ).map((all) => Uint8Array.from(Buffer.from(all, "latin1")))

  it("C33 whatever an HTTP proxy sends, its head is read to its end and no further, and only a 2xx connects", async () => {
    await fuzz(FC.property(head, (input) => agree(outcome(Wire.connect, input, true), headModel(input))), {
      short: 3000,
      long: 1_000_000
    })
    enough()
  })

  it("C33 whatever the target and the login, CONNECT is one request of three lines at most", async () => {
    const part = FC.string({ unit: "binary", maxLength: 20 })
    await fuzz(
      FC.property(part, part, part, (name, user, password) => {
        const host = Wire.wireHost(name)
        if (host === undefined) return true
        const { socket, state } = holding(new Uint8Array())
        Effect.runSync(Effect.ignore(Wire.connect(socket, { host, port: 25 }, { user, password })))
        const lines = Buffer.from(state.sent).toString("latin1").split("\r\n")
        return lines.length === 5 && /^CONNECT \S+:25 HTTP\/1\.1$/.test(lines[0]!) &&
          /^Host: \S+:25$/.test(lines[1]!) &&
          /^Proxy-Authorization: Basic [A-Za-z0-9+/]+=*$/.test(lines[2]!) && lines[3] === "" && lines[4] === ""
      }),
      { short: 2000, long: 200_000 }
    )
  })
})

it.effect("C33 a name that has one address that is permitted and one that is not reaches the first through the proxy", () =>
  Effect.gen(function*() {
    const network = yield* NetMemory.make()
    const client = yield* network.addHost("client")
    const proxy = yield* network.addHost("proxy")
    yield* network.addHost("both.example", { addresses: ["10.0.0.9", "93.184.216.34"] })
    const asked: Array<string> = []
    const { port } = yield* proxied(socks5Proxy(asked, () => 0), "0.0.0.0").pipe(Effect.provide(proxy.layer))
    const connector = Proxy.socks5(`socks5://proxy:${port}`)
    const permit = (address: NetAddress.NetAddress) => !shown(address).startsWith("10.0.0.9")
    yield* connector({ ...request(25, "both.example"), permit }).pipe(Effect.provide(client.layer))
    expect(asked).toEqual(["93.184.216.34"])
  }).pipe(Effect.scoped, Effect.provide(NetMemory.layer)))
