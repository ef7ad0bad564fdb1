/** Connectors through proxies: HTTP's CONNECT and SOCKS5, on both networks, with proxies that the tests write. */
import { type Net, NetAddress, Tls } from "@copas/core"
import { NetMemory, TlsMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Option, Redacted, type Scope } from "effect"
import { Connector, Ftp, Proxy } from "../src/index.js"
import { FtpServer } from "../src/testing/index.js"
import { networks, pattern, text, until } from "./ftp/networks.js"
import { bytes } from "./ftp/support.js"
import { proxied, relay, request, type Talk } from "./proxies.js"

/** An HTTP proxy; `heads` keeps what it was asked. */
const connectProxy = (heads: Array<string>): Talk => (socket) =>
  Effect.gen(function*() {
    const head = text(yield* socket.receiveUntil("\r\n\r\n"))
    heads.push(head)
    const [, host, port] = /^CONNECT (\S+):(\d+) HTTP\/1\.1\r\nHost: \S+/.exec(head)!
    const { run } = yield* relay(socket, host!, Number(port))
    yield* socket.send("HTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.0 200 Established\r\nContent-Length: 5\r\n\r\n")
    yield* run
  })

/** A SOCKS5 proxy; `asked` keeps logins and addresses. */
const socksProxy = (asked: Array<string>, login: boolean): Talk => (socket) =>
  Effect.gen(function*() {
    const some = (length: number) => socket.receiveExactly(length)
    const short = Effect.flatMap(some(1), ([length]) => Effect.map(some(length!), text))
    const [, count] = yield* some(2)
    yield* some(count!)
    yield* socket.send(Uint8Array.of(5, login ? 2 : 0))
    if (login) {
      yield* some(1)
      asked.push(`${yield* short}:${yield* short}`)
      yield* socket.send(Uint8Array.of(1, 0))
    }
    const [, , , kind] = yield* some(4)
    const host = kind === 3 ? yield* short : (yield* some(kind === 1 ? 4 : 16)).join(".")
    const [high, low] = yield* some(2)
    asked.push(`${kind} ${host}`)
    const { run } = yield* relay(socket, host === "localhost" ? "127.0.0.1" : host, high! * 256 + low!)
    // The address that it is bound to: a name, which has to be read to its end.
    yield* socket.send(Uint8Array.of(5, 0, 0, 3, 2, 120, 121, 0, 0))
    yield* run
  })

const hangUp = "hang up"

describe.each(networks)("a proxy, %s", (_name, network) => {
  const scoped = <E>(title: string, use: Effect.Effect<void, E, Net.Net | Scope.Scope>): void =>
    it.live(title, () => use.pipe(Effect.scoped, Effect.provide(network)))

  scoped(
    "C33 `permit` of a request is asked about the target's address, and through a proxy about the proxy's",
    Effect.gen(function*() {
      const { port, seen } = yield* proxied(() => Effect.void)
      for (const connector of [Connector.direct, Proxy.http({ host: "127.0.0.1", port })]) {
        const asked: Array<string> = []
        const permit = (address: NetAddress.NetAddress): boolean => {
          asked.push(NetAddress.format(address))
          return false
        }
        const error = yield* Effect.flip(connector({ ...request(port, "127.0.0.1"), permit }))
        expect([asked, error]).toMatchObject([[`127.0.0.1:${port}`], { _tag: "ConnectError", reason: "NotPermitted" }])
      }
      expect(seen.connections).toBe(0)
    })
  )

  const session = (connector: Connector.Connector) =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* FtpServer.make({ files: { "/a": pattern(200_000) } })
      const ftp = yield* Ftp.make({ host: server.host, port: server.port, connector })
      const ftpSession = yield* ftp.connect()
      expect(yield* ftpSession.get("/a")).toEqual(pattern(200_000))
      yield* ftpSession.put("/b", pattern(50_000))
      expect(Option.getOrThrow(yield* server.read("/b"))).toEqual(pattern(50_000))
    }))

  scoped(
    "C34 FTP's control and data connections go through an HTTP proxy, with user and password for it alone",
    Effect.gen(function*() {
      const heads: Array<string> = []
      const { port, seen } = yield* proxied(connectProxy(heads))
      yield* session(Proxy.http(`http://me:s%C3%A9cret@127.0.0.1:${port}`))
      // The session, and a data connection for each of the two transfers.
      expect(seen.connections).toBe(3)
      expect(new Set(heads.map((head) => head.split("\r\n")[2]))).toEqual(
        new Set([`Proxy-Authorization: Basic ${Buffer.from("me:sécret").toString("base64")}`])
      )
    })
  )

  scoped(
    "C34 FTP's connections go through a SOCKS5 proxy, with a login where it wants one",
    Effect.gen(function*() {
      const asked: Array<string> = []
      const { port } = yield* proxied(socksProxy(asked, true))
      yield* session(Proxy.socks5({ host: "127.0.0.1", port, user: "me", password: Redacted.make("secret") }))
      expect(new Set(asked)).toEqual(new Set(["me:secret", "1 127.0.0.1"]))
    })
  )

  scoped(
    "C34 a proxy gets names as names, and IPv6 as sixteen bytes without its zone",
    Effect.gen(function*() {
      const asked: Array<string> = []
      const { port } = yield* proxied(socksProxy(asked, false))
      const connector = Proxy.socks5(`socks5h://127.0.0.1:${port}`)
      for (const host of ["localhost", "::1", "fe80::1:2%lo", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8"]) {
        yield* Effect.exit(Effect.scoped(connector({ ...request(1, host), connectTimeout: "2 seconds" })))
      }
      expect(asked).toEqual([
        "3 localhost",
        "4 0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1",
        "4 254.128.0.0.0.0.0.0.0.0.0.0.0.1.0.2",
        "4 0.0.0.0.0.0.0.0.0.0.255.255.1.2.3.4",
        "4 0.1.0.2.0.3.0.4.0.5.0.6.0.7.0.8"
      ])
    })
  )

  scoped(
    "C34 what the target says at once, in one packet with the proxy's answer, is not lost",
    Effect.gen(function*() {
      const http = yield* proxied((socket) =>
        Effect.zipRight(socket.receiveUntil("\r\n\r\n"), socket.send("HTTP/1.1 200 Ok\r\n\r\n220 Hello\r\n"))
      )
      const socks = yield* proxied((socket) =>
        Effect.gen(function*() {
          yield* socket.receiveExactly(3)
          yield* socket.send(Uint8Array.of(5, 0))
          yield* socket.receiveExactly(5 + 14 + 2)
          yield* socket.send(Uint8Array.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...bytes("220 Hello\r\n")]))
        })
      )
      for (
        const connector of [
          Proxy.http(`http://127.0.0.1:${http.port}`),
          Proxy.socks5(`socks5h://127.0.0.1:${socks.port}`)
        ]
      ) {
        const timeouts = { receive: "7 seconds", send: "8 seconds" } as const
        const socket = yield* Effect.uninterruptible(
          connector({ ...request(25), timeouts, connectTimeout: "1 hours" })
        )
        const millis = (one: Duration.DurationInput | undefined) => Duration.toMillis(Duration.decode(one ?? Infinity))
        expect([millis(socket.timeouts.receive), millis(socket.timeouts.send)]).toEqual([7000, 8000])
        expect(yield* socket.receiveLine()).toBe("220 Hello")
      }
    })
  )

  it.live.each<readonly [string, "http" | "socks5", ReadonlyArray<string | ReadonlyArray<number>>, object]>([
    ["407", "http", ["HTTP/1.1 407 Who?\r\nX: y\r\n\r\nbody"], { reason: "AuthenticationRequired", code: 407 }],
    ["403", "http", ["HTTP/1.1 403 No\r\n\r\n"], { reason: "Forbidden", code: 403, detail: "HTTP/1.1 403 No" }],
    ["502", "http", ["HTTP/1.1 502\r\n\r\n"], { reason: "TargetUnreachable", code: 502 }],
    ["another status", "http", ["HTTP/1.1 400 Bad\r\n\r\n"], { reason: "Refused", code: 400 }],
    ["HTML", "http", ["<html>\r\n\r\n"], { reason: "BadReply", detail: "<html>" }],
    ["a head without end", "http", ["HTTP/1.1 200 Ok\r\n" + "X: y\r\n".repeat(20_000)], { reason: "BadReply" }],
    ["a close", "http", [hangUp], { reason: "BadReply" }],
    ["no SOCKS", "socks5", ["HT"], { reason: "BadReply" }],
    ["no method", "socks5", [[5, 255]], { reason: "AuthenticationRequired", code: 255 }],
    ["a method that was not offered", "socks5", [[5, 1]], { reason: "BadReply" }],
    ["a login that was not offered", "socks5", [[5, 2]], { reason: "BadReply" }],
    ["a rule", "socks5", [[5, 0], [5, 2, 0, 1]], { reason: "Forbidden", code: 2 }],
    ["an unreachable target", "socks5", [[5, 0], [5, 5, 0, 1]], { reason: "TargetUnreachable", code: 5 }],
    ["an unknown code", "socks5", [[5, 0], [5, 99, 0, 1]], { reason: "Refused", code: 99 }],
    ["an unknown kind of address", "socks5", [[5, 0], [5, 0, 0, 9]], { reason: "BadReply" }],
    ["a close amid its reply", "socks5", [[5, 0], [5, 0, 0, 1, 0], hangUp], { reason: "BadReply" }]
  ])(
    "C34 a proxy that does not connect is a ProxyError, and its connection is closed: %s",
    ([_what, kind, says, expected]) =>
      Effect.gen(function*() {
        const { port, seen } = yield* proxied((socket) =>
          Effect.gen(function*() {
            for (const part of says) {
              if (part === hangUp) return
              yield* socket.receive()
              yield* socket.send(typeof part === "string" ? part : Uint8Array.from(part))
            }
            return yield* Effect.forever(socket.receive())
          })
        )
        const connector = kind === "http"
          ? Proxy.http(`http://me:hunter2@127.0.0.1:${port}`)
          : Proxy.socks5(`socks5h://127.0.0.1:${port}`)
        const error = yield* Effect.flip(connector(request(25)))
        expect(error).toMatchObject({ _tag: "ProxyError", proxy: `127.0.0.1:${port}`, ...expected })
        expect(`${error.message} ${JSON.stringify(error)}`).not.toContain("hunter2")
        // Its connection is closed though the caller's scope is still open.
        yield* until(Effect.sync(() => seen.open === 0))
      }).pipe(Effect.scoped, Effect.provide(network))
  )

  scoped(
    "C34 a proxy that says nothing costs the connect time-out, and one that is interrupted leaves nothing open",
    Effect.gen(function*() {
      const { port, seen } = yield* proxied((socket) => Effect.forever(socket.receive()))
      for (const connector of [Proxy.http(`http://127.0.0.1:${port}`), Proxy.socks5(`socks5h://127.0.0.1:${port}`)]) {
        const error = yield* Effect.flip(connector({ ...request(25), connectTimeout: 5 }))
        expect(error).toMatchObject({ _tag: "ConnectError", reason: "TimedOut", target: "target.example:25" })
        const held = yield* Effect.flip(Effect.uninterruptible(connector({ ...request(25), connectTimeout: 5 })))
        expect(held).toMatchObject({ _tag: "ConnectError", reason: "TimedOut" })
        const fiber = yield* Effect.fork(Effect.scoped(connector(request(25))))
        yield* until(Effect.sync(() => seen.open === 1))
        yield* Fiber.interrupt(fiber)
        yield* until(Effect.sync(() => seen.open === 0))
      }
    })
  )

  it.live.each<readonly [string, Connector.Connector, string, number]>([
    ["a host with a line end", Proxy.http("http://127.0.0.1:1"), "a\r\nX: y", 25],
    ["a host with a blank", Proxy.socks5("socks5h://127.0.0.1:1"), "a b", 25],
    ["a host that is not in ASCII", Proxy.http("http://127.0.0.1:1"), "bücher.example", 25],
    ["a port that does not exist", Proxy.socks5("socks5h://127.0.0.1:1"), "a", 65_536],
    ["a URL that is none", Proxy.http("hunter2"), "a", 25],
    ["a URL with a bad percent sign", Proxy.http("http://%hunter2@a"), "a", 25],
    ["a scheme of another kind", Proxy.http("socks5://hunter2@a"), "a", 25],
    ["a user with a colon", Proxy.http("http://hunter2%3Ab@a"), "a", 25],
    ["a user with a line end", Proxy.http("http://me%0d%0aX:hunter2@a"), "a", 25],
    ["a password with a line end", Proxy.http("http://me:hunter2%0d%0aX@a"), "a", 25],
    ["a user with a NUL", Proxy.socks4({ host: "a", user: "me\0hunter2" }), "a", 25],
    ["a proxy's host with a line end", Proxy.http({ host: "a\r\nX: y", port: 1 }), "a", 25],
    ["a password for SOCKS4", Proxy.socks4("socks4a://me:hunter2@a"), "a", 25],
    ["IPv6 by SOCKS4", Proxy.socks4("socks4://a"), "::1", 25],
    ["a password that SOCKS cannot write", Proxy.socks5(`socks5://a:${"hunter2".repeat(40)}@a`), "a", 25],
    ["a port of the proxy that does not exist", Proxy.http({ host: "a", port: 0 }), "a", 25]
  ])("C34 nothing is sent for %s: it is an InvalidOption", ([_what, connector, host, port]) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(connector(request(port, host)))
      const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      expect(error).toMatchObject({ _tag: "InvalidOption" })
      expect(JSON.stringify(error)).not.toContain("hunter2")
    }).pipe(Effect.scoped, Effect.provide(network)))
})

describe("a proxy under TLS, in memory", () => {
  it.live.each([true, false])(
    "C34 FTPS runs within the TLS of the proxy, implicit %s",
    (implicit) =>
      Effect.gen(function*() {
        const heads: Array<string> = []
        const [outer, inner] = [TlsMemory.identity(), TlsMemory.identity()]
        const context = yield* Tls.server({ identity: outer.identity })
        const { port, seen } = yield* proxied((socket) =>
          Effect.zipRight(Tls.upgrade(socket, context), connectProxy(heads)(socket))
        )
        const server = yield* FtpServer.make({
          implicit,
          tls: yield* Tls.server({ identity: inner.identity }),
          files: { "/a": pattern(100_000) }
        })
        const ftp = yield* Ftp.make({
          host: server.host,
          port: server.port,
          tls: implicit ? "implicit" : "explicit",
          tlsContext: { ca: inner.ca },
          serverName: "localhost",
          connector: Proxy.http({ host: "localhost", port, tls: { ca: outer.ca } })
        })
        const session = yield* ftp.connect()
        expect(session.isSecure).toBe(true)
        expect(yield* session.get("/a")).toEqual(pattern(100_000))
        expect(seen.connections).toBe(2)
        // The proxy is verified, too.
        const unknown = Proxy.http(`https://localhost:${port}`)
        expect(yield* Effect.flip(unknown(request(1)))).toMatchObject({ _tag: "TlsError" })
      }).pipe(Effect.scoped, Effect.provide(NetMemory.layer))
  )
})
