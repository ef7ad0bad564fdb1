/** How connections are made, listened for and accepted. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Net from "../../Net.js"
import * as NetAddress from "../../NetAddress.js"
import * as Udp from "../../Udp.js"
import {
  begin,
  type Case,
  connected,
  defect,
  failure,
  failureOf,
  holds,
  listening,
  mentions,
  outcome,
  same,
  test,
  to,
  turn,
  until
} from "./support.js"

/** A port that nothing listens on. */
const freePort = Effect.scoped(Effect.map(listening(), ({ port }) => port))

/** Not every machine has IPv6. */
const hasIpv6 = Effect.isSuccess(Effect.scoped(Net.listen({ host: "::1", port: 0, linger: 0 })))

const sockets = Effect.flatMap(Net.Net, (net) => net.sockets)

/** Waits until no socket is open. */
const allGone = until(Effect.map(sockets, (open) => open.length === 0))

const shown = (address: NetAddress.NetAddress): string => NetAddress.format(address)

/** The cases. */
export const cases: ReadonlyArray<Case> = [
  test(
    "S01 port 0 is a port that the system chooses, and a client that connects to it is accepted",
    Effect.gen(function*() {
      const listener = yield* listening()
      holds(listener.port > 0, "the port is known")
      const client = yield* Net.connect(to(listener.port))
      const server = yield* listener.accept
      yield* client.send("hello\n")
      same(yield* server.receiveLine(), "hello", "the line")
    })
  ),
  test(
    "S03 both ends tell the same two addresses, with their family, and keep them after the end",
    Effect.gen(function*() {
      const { client, listener, server } = yield* connected()
      const addresses = (): ReadonlyArray<string> => [
        shown(client.localAddress),
        shown(client.remoteAddress),
        shown(server.remoteAddress),
        shown(server.localAddress)
      ]
      const before = addresses()
      same(before.slice(0, 2), [before[2], before[3]], "the client's addresses")
      same(shown(client.remoteAddress), shown(listener.address), "the peer's address")
      same(client.remoteAddress.family, "IPv4", "the family")
      same(client.name, shown(client.remoteAddress), "the name")
      const { name } = server
      yield* client.abort
      yield* failure(server.receive(), "SocketBroken")
      yield* allGone
      same(server.name, name, "the server's name")
      same([shown(client.remoteAddress), shown(server.remoteAddress)], [before[1], before[2]], "the remote addresses")
    })
  ),
  test(
    "S03 a listener and both ends of its connections have their ports, and keep them after the end",
    Effect.gen(function*() {
      const { client, listener, server } = yield* connected()
      const ports = (): ReadonlyArray<number> => [
        listener.port,
        server.localPort,
        client.remotePort,
        client.localPort,
        server.remotePort
      ]
      const before = ports()
      const { port } = client.localAddress
      same(before, [listener.address.port, listener.port, listener.port, port, port], "the ports")
      holds(listener.port > 0 && port > 0 && port !== listener.port, "both are ports that the system chose")
      yield* Effect.all([client.close, server.close, listener.close], { concurrency: "unbounded" })
      same(ports(), before, "the ports after the end")
    })
  ),
  test(
    "C12 a socket has the name that it was given, in its errors too",
    Effect.gen(function*() {
      const { client, server } = yield* connected({ client: { name: "first" } })
      same(client.name, "first", "the name")
      yield* client.setName("second")
      same(client.name, "second", "the name")
      yield* server.close
      const error = yield* failure(client.receive(), "SocketClosed")
      same(error.socket, "second", "the name in the error")
      mentions(error.message, "second", "peer")
    })
  ),
  test(
    "S01 a client connects from the local address and port that it asks for",
    Effect.gen(function*() {
      const localPort = yield* freePort
      const listener = yield* listening()
      const client = yield* Net.connect({ ...to(listener.port), localAddress: "127.0.0.1", localPort })
      const server = yield* listener.accept
      same(shown(client.localAddress), `127.0.0.1:${localPort}`, "the local address")
      same(shown(server.remoteAddress), `127.0.0.1:${localPort}`, "the address as the peer sees it")
    })
  ),
  test(
    "S01 a name connects and listens like the address that it stands for",
    Effect.gen(function*() {
      const listener = yield* Net.listen({ host: "localhost", family: "IPv4", port: 0, linger: 0 })
      same(listener.address.host, "127.0.0.1", "the address")
      const client = yield* Net.connect({ ...to(listener.port), host: "localhost" })
      const server = yield* listener.accept
      yield* server.send("hello\n")
      same(yield* client.receiveLine(), "hello", "the line")
    })
  ),
  test(
    "S01 an IPv6 listener is reached by its address, with brackets or without, where there is IPv6",
    Effect.gen(function*() {
      const listener = yield* Net.listen({ host: "::1", port: 0, linger: 0 })
      same(listener.address.family, "IPv6", "the family")
      for (const host of ["::1", "[::1]"]) {
        const client = yield* Net.connect({ ...to(listener.port), host })
        const server = yield* listener.accept
        same(client.name, `[::1]:${listener.port}`, "the name")
        yield* client.send("hello\n")
        same(yield* server.receiveLine(), "hello", "the line")
      }
    }).pipe(Effect.catchIf(
      (error) => error._tag === "BindError" && error.reason === "AddressNotAvailable",
      () => Effect.void
    ))
  ),
  test(
    "S01 a refused connection is ConnectError with reason Refused, and says where and what to do",
    Effect.gen(function*() {
      const port = yield* freePort
      const error = yield* failure(Net.connect(to(port)), "ConnectError")
      same([error.reason, error.target], ["Refused", `127.0.0.1:${port}`], "the error")
      same(error.attempts, [{ address: `127.0.0.1:${port}`, reason: "Refused" }], "the attempts")
      mentions(error.message, "Could not connect", `127.0.0.1:${port}`, "Refused", "start the server")
      yield* allGone
    })
  ),
  test(
    "S10 a path that is not there is ConnectError with reason PathNotFound, and its advice speaks of the path",
    Effect.gen(function*() {
      const path = "/no-such-folder-of-the-contract/x.sock"
      const error = yield* failure(Net.connect({ path }), "ConnectError")
      same([error.reason, error.target, error.transport], ["PathNotFound", path, "unix"], "the error")
      same(error.attempts, [{ address: path, reason: "PathNotFound" }], "the attempts")
      mentions(error.message, "Could not connect", path, "PathNotFound", "path")
      holds(!/\bports?\b/.test(error.message), "a path has no port")
      yield* allGone
    })
  ),
  test(
    "S01 a link-local address without its zone is ZoneMissing, to connect to, to listen on and to send to",
    Effect.gen(function*() {
      const reasons: Array<string> = []
      for (const host of ["fe80::1", "[fe80::a:b]"]) {
        const error = yield* failure(Net.connect({ host, port: 9 }), "ConnectError")
        mentions(error.message, "fe80::", "interface", "zone")
        const bind = yield* failure(Effect.scoped(Net.listen({ host, port: 0 })), "BindError")
        mentions(bind.message, "fe80::", "interface", "zone")
        const udp = yield* failure(Effect.scoped(Udp.connect({ host, port: 9 })), "ConnectError")
        const bound = yield* failure(Effect.scoped(Udp.bind({ host })), "BindError")
        reasons.push(error.reason, bind.reason, udp.reason, bound.reason)
      }
      same(Array.from(new Set(reasons)), ["ZoneMissing"], "the reasons")
      yield* allGone
    }).pipe(Effect.unlessEffect(Effect.map(hasIpv6, (has) => !has)))
  ),
  test(
    "S01 a host that does not resolve is ConnectError or BindError, and says which name",
    Effect.gen(function*() {
      const host = "no-such-host.invalid"
      const error = yield* failure(Net.connect({ host, port: 80 }), "ConnectError")
      holds(error.reason === "HostNotFound" || error.reason === "LookupFailed", `${error.reason} tells of the look-up`)
      mentions(error.message, "no-such-host.invalid:80", "name")
      const bind = yield* failure(Net.listen({ host, port: 0 }), "BindError")
      mentions(bind.message, "Could not listen", "no-such-host.invalid:0")
    })
  ),
  test(
    "S01 an address of the other family than the one asked for is HostNotFound",
    Effect.gen(function*() {
      const error = yield* failure(Net.connect({ host: "127.0.0.1", port: 80, family: "IPv6" }), "ConnectError")
      same(error.reason, "HostNotFound", "the reason")
      const bind = yield* failure(Net.listen({ host: "::1", port: 0, family: "IPv4" }), "BindError")
      same(bind.reason, "HostNotFound", "the reason")
    })
  ),
  test(
    "S01 an address in use is BindError with reason AddressInUse, and says what to do",
    Effect.gen(function*() {
      const listener = yield* listening()
      const error = yield* failure(Net.listen({ host: "127.0.0.1", port: listener.port }), "BindError")
      same([error.reason, error.target], ["AddressInUse", shown(listener.address)], "the error")
      mentions(error.message, "Could not listen", shown(listener.address), "another socket listens there", "port")
      // The one that was there is not touched.
      const client = yield* Net.connect(to(listener.port))
      holds((yield* listener.accept).id !== client.id, "it still accepts")
    })
  ),
  test(
    "S01 an address that is not this machine's is BindError with reason AddressNotAvailable",
    Effect.gen(function*() {
      // RFC 5737: an address for documentation.
      const error = yield* failure(Net.listen({ host: "192.0.2.1", port: 0 }), "BindError")
      same(error.reason, "AddressNotAvailable", "the reason")
      mentions(error.message, "192.0.2.1:0", "not one of this machine's")
    })
  ),
  test(
    "S01 connections that nobody accepts wait, no more than the backlog; the rest are cut and counted",
    Effect.gen(function*() {
      const listener = yield* listening({ backlog: 3 })
      const clients = yield* Effect.forEach(
        [1, 2, 3, 4, 5],
        (index) => Effect.either(Net.connect({ ...to(listener.port), name: `client ${index}` }))
      )
      yield* until(Effect.map(listener.stats, ({ pending }) => pending === 3))
      const open = clients.filter((client) => client._tag === "Right")
      holds(open.length >= 3, "as many as the backlog are connected")
      for (let index = 0; index < 3; index += 1) {
        const server = yield* listener.accept
        yield* server.send("welcome\n")
      }
      const { accepted, pending } = yield* listener.stats
      same([accepted, pending], [3, 0], "what was accepted, and what waits")
    })
  ),
  test(
    "S01 an interrupted accept loses no connection",
    Effect.gen(function*() {
      const listener = yield* listening()
      let accepted = 0
      for (let round = 0; round < 20; round += 1) {
        const accepting = yield* begin(Effect.scoped(Effect.zipRight(listener.accept, Effect.never)))
        const client = yield* Net.connect(to(listener.port))
        for (let yielded = 0; yielded < round % 5; yielded += 1) yield* round % 2 === 0 ? turn : Effect.yieldNow()
        yield* Fiber.interrupt(accepting)
        accepted = (yield* listener.stats).accepted
        if (accepted < round + 1) {
          yield* Effect.scoped(listener.accept)
          same((yield* listener.stats).accepted, round + 1, "the number of accepted connections")
        }
        yield* client.abort
      }
    })
  ),
  test(
    "S01 several that accept get a connection each",
    Effect.gen(function*() {
      const listener = yield* listening()
      const accepting = yield* Effect.replicateEffect(begin(listener.accept), 3)
      yield* Effect.replicateEffect(Net.connect(to(listener.port)), 3)
      const accepted = yield* Effect.forEach(accepting, Fiber.join)
      same(new Set(accepted.map((socket) => socket.id)).size, 3, "the number of sockets")
    })
  ),
  test(
    "C39 closing a listener fails a pending accept and a later one with ListenerClosed; closing twice too",
    Effect.gen(function*() {
      const { listener } = yield* connected()
      const address = shown(listener.address)
      const accepting = yield* begin(listener.accept)
      yield* listener.close
      const error = yield* failureOf(yield* outcome(accepting), "ListenerClosed")
      same(error.address, address, "the address")
      mentions(error.message, address, "closed", "Net.listen")
      yield* failure(listener.accept, "ListenerClosed")
      yield* failure(listener.close, "ListenerClosed")
      const refused = yield* failure(
        Net.connect({ host: "127.0.0.1", port: Number(address.split(":")[1]) }),
        "ConnectError"
      )
      same(refused.reason, "Refused", "the reason")
    })
  ),
  test(
    "S01 closing a listener leaves what it accepted, and cuts what waits",
    Effect.gen(function*() {
      const { client, listener, server } = yield* connected()
      const waiting = yield* Net.connect(to(listener.port))
      yield* until(Effect.map(listener.stats, ({ pending }) => pending === 1))
      yield* listener.close
      yield* client.send("still\n")
      same(yield* server.receiveLine(), "still", "the line")
      const end = yield* Effect.flip(Effect.asVoid(waiting.receive()))
      holds(end._tag === "SocketClosed" || end._tag === "SocketBroken", "who waited is told")
    })
  ),
  test(
    "S01 leaving the scope closes the listener, and its port can be listened on at once",
    Effect.gen(function*() {
      const port = yield* freePort
      for (let round = 0; round < 3; round += 1) {
        yield* Effect.scoped(Effect.gen(function*() {
          const listener = yield* Net.listen(to(port))
          yield* Net.connect(to(port))
          yield* listener.accept
        }))
      }
      yield* allGone
    })
  ),
  test(
    "C33 `permit` is asked about every address before it is tried: one looked up, a numeric one, a path",
    Effect.gen(function*() {
      const listener = yield* listening()
      const asked: Array<string> = []
      const permit = (isPermitted: boolean) => (address: NetAddress.NetAddress): boolean => {
        asked.push(shown(address))
        return isPermitted
      }
      const target = `127.0.0.1:${listener.port}`
      const { port } = listener
      const refused = (options: Net.ConnectOptions) =>
        Effect.map(
          failure(Effect.scoped(Net.connect({ ...options, permit: permit(false) })), "ConnectError"),
          (error) => {
            same(error.reason, "NotPermitted", "the reason")
            mentions(error.message, "NotPermitted", "`permit` refused every address")
            return error.attempts.map(({ address, reason }) => `${address} ${reason}`)
          }
        )
      same(yield* refused(to(port)), [`${target} NotPermitted`], "a numeric address")
      same(yield* refused({ ...to(port), host: "localhost", family: "IPv4" }), [`${target} NotPermitted`], "a name")
      same(yield* refused({ path: "/nothing/there" }), ["/nothing/there NotPermitted"], "a path")
      same(asked, [target, target, "/nothing/there"], "what was asked")
      same((yield* listener.stats).accepted + (yield* listener.stats).pending, 0, "the connections that came")
      const client = yield* Net.connect({ ...to(port), host: "localhost", family: "IPv4", permit: permit(true) })
      same(shown(client.remoteAddress), asked[3], "the address")
    })
  ),
  test(
    "C33 what `permit` throws is a defect of that connect alone",
    Effect.gen(function*() {
      const { port } = yield* listening()
      const thrown = new Error("no list of addresses")
      const permit = (): boolean => {
        throw thrown
      }
      same(yield* defect(Effect.scoped(Net.connect({ ...to(port), permit }))), thrown, "the defect")
      yield* Net.connect(to(port))
    })
  ),
  test(
    "S01 interrupting connect, however early, leaves no socket",
    Effect.gen(function*() {
      const listener = yield* listening()
      for (let round = 0; round < 30; round += 1) {
        const scope = yield* Scope.make()
        const connecting = yield* Effect.fork(Scope.extend(Net.connect(to(listener.port)), scope))
        for (let step = 0; step < round % 10; step += 1) yield* round < 10 ? Effect.yieldNow() : turn
        const exit = yield* Fiber.interrupt(connecting)
        yield* Scope.close(scope, Exit.isSuccess(exit) ? Exit.void : exit)
        const open = yield* sockets
        same(open.filter((socket) => shown(socket.remoteAddress) === shown(listener.address)), [], "what is left")
      }
    })
  ),
  test(
    "S01 interrupting listen, however early, leaves no listener",
    Effect.gen(function*() {
      const port = yield* freePort
      for (let round = 0; round < 20; round += 1) {
        const scope = yield* Scope.make()
        const binding = yield* Effect.fork(Scope.extend(Net.listen(to(port)), scope))
        for (let step = 0; step < round % 7; step += 1) yield* Effect.yieldNow()
        const exit = yield* Fiber.interrupt(binding)
        yield* Scope.close(scope, Exit.isSuccess(exit) ? Exit.void : exit)
        same((yield* failure(Net.connect(to(port)), "ConnectError")).reason, "Refused", "the answer")
      }
      yield* Net.listen(to(port))
    })
  )
]
