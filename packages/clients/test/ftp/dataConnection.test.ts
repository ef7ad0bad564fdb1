/** Data connections: passive and active ones, their order, refusals and addresses. */
import { Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { Ftp } from "../../src/index.js"
import { answering, calm, inMemory, inTime } from "./hostileServer.js"
import { connected, pattern, same, text, until } from "./networks.js"
import { against } from "./scripted.js"

/** A port on which no server listens. */
const deadPort = Effect.scoped(Effect.gen(function*() {
  const net = yield* Net.Net
  const listener = yield* net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
  return listener.port
}))

const arrangements = (commands: ReadonlyArray<string>): ReadonlyArray<string> =>
  commands.filter((line) => /^(?:EPSV|PASV|EPRT|PORT)/.test(line)).map((line) => line.slice(0, 4))

describe("passive data connections", () => {
  it.effect.each(
    [
      ["500 What?"],
      ["501 Not here"],
      ["502 Not yet"],
      ["522 Protocol not supported, use (1)"],
      ["425 No port"],
      ["450 Later"],
      ["530 Log in"],
      ["550 No"],
      ["229 a reply without a port"],
      ["200 Ok"],
      ["350 Go on"]
    ] as const
  )(
    "C34 EPSV that is answered by %j is followed by PASV, once: what worked is remembered",
    ([said]) =>
      inMemory(Effect.gen(function*() {
        const { server, session } = yield* connected({ files: { "/a": "aaa" }, quirks: { replies: { EPSV: said } } })
        for (const _ of [1, 2, 3]) expect(text(yield* session.get("a"))).toBe("aaa")
        expect(arrangements(yield* server.commands)).toEqual(["EPSV", "PASV", "PASV", "PASV"])
      }))
  )

  it.effect("C34 EPSV to a port that nobody listens on is followed by PASV, and that is remembered", () =>
    inMemory(Effect.gen(function*() {
      const port = yield* deadPort
      const { server, session } = yield* connected({
        files: { "/a": "aaa" },
        quirks: { replies: { EPSV: `229 Extended (|||${port}|)` } }
      })
      for (const _ of [1, 2]) expect(text(yield* session.get("a"))).toBe("aaa")
      expect(arrangements(yield* server.commands)).toEqual(["EPSV", "PASV", "PASV"])
    })))

  it.effect("C34 what was remembered and fails later gives way to the others again", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": "aaa" }, quirks: { unknown: ["EPSV"] } })
      yield* session.get("a")
      yield* server.setQuirks({ unknown: ["PASV"] })
      for (const _ of [1, 2]) expect(text(yield* session.get("a"))).toBe("aaa")
      expect(arrangements(yield* server.commands)).toEqual(["EPSV", "PASV", "PASV", "EPSV", "EPSV"])
    })))

  it.effect("C34 421 to EPSV ends the session: nothing else is tried", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({
        files: { "/a": "aaa" },
        quirks: { replies: { EPSV: "421 Bye" } }
      })
      expect(yield* Effect.flip(session.get("a"))).toMatchObject({ _tag: "ServiceUnavailable" })
      expect(arrangements(yield* server.commands)).toEqual(["EPSV"])
    })))

  it.effect("C34 when every way is refused the error names each, in order, with the command; nothing was sent for it", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected(
        { files: { "/a": "aaa" }, quirks: { replies: { EPSV: "500 No", PASV: "227 nonsense", EPRT: "501 x" } } },
        { data: ["EPSV", "PASV", "EPRT"] }
      )
      const error = yield* Effect.flip(session.get("a"))
      expect(error).toMatchObject({
        _tag: "DataConnectionFailed",
        command: "RETR a",
        attempts: [{ mode: "EPSV", why: "500 No" }, { mode: "PASV" }, { mode: "EPRT", why: "501 x" }]
      })
      expect((yield* server.commands).some((line) => line.startsWith("RETR"))).toBe(false)
      yield* session.noop
    })))

  it.effect.each(
    [
      ["0.0.0.0 is nobody's address, even when it is trusted", "0.0.0.0", true],
      ["0.0.0.0", "0.0.0.0", false],
      ["a private address of another network", "192.168.77.1", false],
      ["another machine of the peer's", "10.0.0.99", false]
    ] as const
  )(
    "C34 the data connection goes to the control connection's host: PASV says %s",
    ([, passiveHost, trust]) =>
      inMemory(Effect.gen(function*() {
        const { session } = yield* connected(
          { files: { "/a": "aaa" }, quirks: { unknown: ["EPSV"], passiveHost } },
          { trustPassiveHost: trust }
        )
        expect(text(yield* session.get("a"))).toBe("aaa")
        expect((yield* session.list()).map(({ name }) => name)).toEqual(["a"])
      }))
  )

  it.effect.each(
    [
      ["no connection is made to the host that a hostile PASV names", false, undefined],
      ["0.0.0.0 is no host, even where PASV's is believed", true, "0.0.0.0"]
    ] as const
  )("C34 a bounce: %s", ([, trustPassiveHost, named]) =>
    Effect.scoped(Effect.gen(function*() {
      const network = yield* NetMemory.make()
      const [server, client, victim] = yield* Effect.all([
        network.addHost("server"),
        network.addHost("client"),
        network.addHost("victim")
      ])
      const inside = yield* victim.net.listen({ host: victim.addresses[0]!, port: 22, linger: 0 })
      let touched = 0
      yield* Effect.forkScoped(Effect.forever(Effect.scoped(Effect.tap(
        inside.accept,
        () =>
          Effect.sync(() => {
            touched += 1
          })
      ))))
      const listener = yield* server.net.listen({ host: server.addresses[0]!, port: 21, linger: 0 })
      const data = yield* server.net.listen({ host: server.addresses[0]!, port: 22, linger: 0 })
      yield* Effect.forkScoped(Effect.gen(function*() {
        const socket = yield* listener.accept
        const say = (line: string) => socket.send(`${line}\r\n`)
        yield* say("220 Hi")
        for (;;) {
          const line = yield* socket.receiveLine()
          if (line.startsWith("USER")) yield* say("230 Hi")
          else if (line === "PASV") yield* say(`227 (${(named ?? victim.addresses[0]!).replaceAll(".", ",")},0,22)`)
          else if (line.startsWith("RETR")) {
            yield* say("150 Here")
            const connection = yield* data.accept
            yield* connection.send("1234")
            yield* connection.shutdown("send")
            yield* say("226 Done")
          } else if (line.startsWith("TYPE")) yield* say("200 Ok")
          else if (line === "QUIT") return yield* socket.close
          else yield* say("500 What?")
        }
      }))
      const ftp = yield* Effect.provideService(Ftp.make({ host: "server", trustPassiveHost }), Net.Net, client.net)
      expect(text(yield* ftp.get({ path: "a" }))).toBe("1234")
      expect(touched).toBe(0)
    })))

  it.effect("C34 425 to the transfer's command is DataConnectionFailed, before and behind a 150", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected({ files: { "/a": "aaa" } })
      yield* server.setQuirks({ replies: { RETR: "425 Can't open data connection" } })
      expect(yield* Effect.flip(session.get("a"))).toMatchObject({ _tag: "DataConnectionFailed" })
      yield* server.setQuirks({ replies: {}, endDownloadAfter: 0, final: "425 Can't open data connection" })
      expect(yield* Effect.flip(session.get("a"))).toMatchObject({ _tag: "DataConnectionFailed", command: "RETR a" })
      yield* session.noop
    })))

  it.effect("C34 a refused transfer leaves no data connection behind", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected()
      for (const _ of [1, 2, 3]) yield* Effect.flip(session.get("nope", { size: 1 }))
      const net = yield* Net.Net
      // The control connection alone, both its ends.
      yield* until(Effect.map(net.sockets, (sockets) => sockets.length === 2))
      expect((yield* server.connections).data).toBe(0)
      yield* session.noop
    })))

  it.effect("C34 a proxy that cannot reach the data port is told in the error, and the session continues", () =>
    inMemory(Effect.gen(function*() {
      const port = yield* deadPort
      const asked: Array<number> = []
      const { session } = yield* connected({ files: { "/a": "aaa" } }, {
        connector: (request) => {
          asked.push(request.port)
          return Net.connect({ host: request.host, port: request.purpose === "data" ? port : request.port })
        }
      })
      expect(yield* Effect.flip(session.get("a"))).toMatchObject({
        _tag: "DataConnectionFailed",
        attempts: [{ mode: "EPSV" }, { mode: "PASV" }]
      })
      expect(asked).toHaveLength(3)
      yield* session.noop
    })))

  it.effect("C34 a connector's connections have the session's time-outs, too", () =>
    inMemory(Effect.gen(function*() {
      const session = yield* against((peer) =>
        Effect.gen(function*() {
          yield* peer.welcome
          yield* peer.transfer("213 100")
          yield* answering(peer, calm)
        }), {
        connector: ({ host, port }) => Net.connect({ host, port }),
        timeouts: { data: "3 seconds" }
      })
      const { millis, value } = yield* inTime(Effect.flip(session.get("a")))
      expect(value).toMatchObject({ _tag: "TransferIncomplete", moved: 0 })
      expect(millis).toBeLessThan(20_000)
      yield* session.noop
    })))
})

describe("active data connections", () => {
  it.effect("C34 EPRT that is refused is followed by PORT, once", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected(
        { files: { "/a": "aaa" }, quirks: { replies: { EPRT: "500 What?" } } },
        { data: "active" }
      )
      for (const _ of [1, 2]) expect(text(yield* session.get("a"))).toBe("aaa")
      expect(arrangements(yield* server.commands)).toEqual(["EPRT", "PORT", "PORT"])
    })))

  it.effect("C34 the address and the ports of a machine behind a NAT are what is told and listened on", () =>
    inMemory(Effect.gen(function*() {
      const { server, session } = yield* connected(
        { files: { "/a": "aaa" } },
        { data: "active", activeAddress: "127.0.0.1", activePorts: [50_100, 50_101] }
      )
      const net = yield* Net.Net
      expect(text(yield* session.get("a"))).toBe("aaa")
      yield* net.listen({ host: "127.0.0.1", port: 50_100, linger: 0 })
      expect(text(yield* session.get("a"))).toBe("aaa")
      expect((yield* server.commands).filter((line) => line.startsWith("EPRT"))).toEqual([
        "EPRT |1|127.0.0.1|50100|",
        "EPRT |1|127.0.0.1|50101|"
      ])
      yield* net.listen({ host: "127.0.0.1", port: 50_101, linger: 0 })
      expect(yield* Effect.flip(session.get("a"))).toMatchObject({ _tag: "DataConnectionFailed" })
      yield* session.noop
    })))

  const region = <A, E>(held: boolean, use: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    held ? Effect.uninterruptible(use) : use

  it.effect.each([false, true])(
    "C34 a server that never connects is given up after timeouts.connect, and the session continues; in an uninterruptible region: %s",
    (held) =>
      inMemory(Effect.gen(function*() {
        const session = yield* against((peer) =>
          Effect.gen(function*() {
            yield* peer.welcome
            yield* answering(peer, {
              ...calm,
              SIZE: "213 3",
              EPRT: "200 Ok",
              RETR: "150 Here",
              ABOR: "426 Cut\n226 Aborted"
            })
          }), { data: "active", timeouts: { connect: "4 seconds" } })
        const { millis, value } = yield* inTime(Effect.flip(region(held, session.get("a"))))
        expect(value).toMatchObject({ _tag: "DataConnectionFailed", command: "RETR a", attempts: [{ mode: "EPRT" }] })
        expect(millis).toBeGreaterThanOrEqual(4000)
        expect(millis).toBeLessThan(15_000)
        yield* session.noop
        const net = yield* Net.Net
        yield* until(Effect.map(net.sockets, (sockets) => sockets.length === 2))
      }))
  )

  it.effect.each([false, true])(
    "C34 large files move both ways in active mode, and no listener is left; in an uninterruptible region: %s",
    (held) =>
      inMemory(Effect.gen(function*() {
        const { session } = yield* connected({ files: { "/a": pattern(2_000_000) } }, { data: ["PORT"] })
        expect(same(yield* region(held, session.get("a")), pattern(2_000_000))).toBe(true)
        expect(yield* region(held, session.put("b", pattern(2_000_000)))).toMatchObject({ verified: true })
        const net = yield* Net.Net
        yield* until(Effect.map(net.sockets, (sockets) => sockets.length === 2))
      }))
  )

  it.scoped("C34 strangers without end are given up, with PORT as with EPRT", () =>
    Effect.gen(function*() {
      const network = yield* NetMemory.make()
      const [serverHost, clientHost, stranger] = yield* Effect.all([
        network.addHost("server"),
        network.addHost("client"),
        network.addHost("stranger")
      ])
      const listener = yield* serverHost.net.listen({ host: serverHost.addresses[0]!, port: 21, linger: 0 })
      yield* Effect.forkScoped(Effect.gen(function*() {
        const socket = yield* listener.accept
        const say = (line: string) => socket.send(`${line}\r\n`)
        let where = { host: "", port: 0 }
        yield* say("220 Hi")
        for (;;) {
          const line = yield* socket.receiveLine()
          if (line.startsWith("USER")) yield* say("230 Hi")
          else if (line.startsWith("PORT")) {
            const numbers = line.slice(5).split(",")
            where = { host: numbers.slice(0, 4).join("."), port: Number(numbers[4]) * 256 + Number(numbers[5]) }
            yield* say("200 Ok")
          } else if (line.startsWith("RETR")) {
            yield* say("150 Here")
            yield* Effect.forkScoped(Effect.ignore(Effect.forever(Effect.scoped(Effect.flatMap(
              stranger.net.connect({ ...where, linger: 0 }),
              (evil) => Effect.zipRight(Effect.ignore(evil.send("evil")), Effect.ignore(evil.receive()))
            )))))
          } else if (line === "ABOR") yield* say("226 Aborted")
          else if (line === "PWD") yield* say("257 \"/\"")
          else if (line === "NOOP" || line.startsWith("TYPE")) yield* say("200 Ok")
          else if (line === "QUIT") return yield* socket.close
          else yield* say("500 What?")
        }
      }))
      const ftp = yield* Effect.provideService(Ftp.make({ host: "server", data: ["PORT"] }), Net.Net, clientHost.net)
      const session = yield* ftp.connect()
      const error = yield* Effect.flip(session.get("a"))
      expect(error).toMatchObject({ _tag: "DataConnectionFailed" })
      expect(error.message).toContain("other hosts")
      yield* session.noop
    }))
})
