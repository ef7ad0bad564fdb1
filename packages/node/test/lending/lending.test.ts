/** Sockets that are lent, on Node's network and on the one in memory. */
import { Net, type Socket } from "@copas/core"
import { NodeNet, NodeSocket } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { pattern } from "../pattern.js"
import * as Fixture from "../tls/fixture.js"
import { turn, until } from "../turns.js"
import { closed, collect, errorOf, networks, pair, received, shown } from "./streams.js"

const lent = { _tag: "SocketClosed", by: "lent" }

for (const [name, network, isNative] of networks) {
  describe(name, () => {
    const test = <E>(title: string, effect: Effect.Effect<void, E, Net.Net | Fixture.TestPki | Scope.Scope>) =>
      it.scoped(title, () => Effect.provide(effect, network))

    test(
      "C33 a lent socket is the platform's own, and what came before is the first that it reads",
      Effect.gen(function*() {
        const { client, server } = yield* pair()
        yield* client.send("a line\nand the rest")
        expect(yield* server.receiveLine()).toBe("a line")
        yield* received(server, 19)
        const borrowed = yield* NodeSocket.lend(server)
        expect(borrowed.isNative).toBe(isNative)
        const got = collect(borrowed.stream)
        yield* client.send(", and more")
        expect((yield* got.bytes(22)).toString()).toBe("and the rest, and more")
        borrowed.stream.write("back")
        expect(new TextDecoder().decode(yield* client.receiveExactly(4))).toBe("back")
      })
    )

    test(
      "C33 a reader of \"readable\" gets what came before, too",
      Effect.gen(function*() {
        const { client, server } = yield* pair()
        yield* client.send("early")
        yield* received(server, 5)
        const { stream } = yield* NodeSocket.lend(server)
        let text = ""
        stream.on("readable", () => {
          for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null) {
            text += chunk.toString()
          }
        })
        yield* until(Effect.sync(() => text === "early"))
        yield* client.send(" and late")
        yield* until(Effect.sync(() => text === "early and late"))
      })
    )

    test(
      "C33 what was sent before goes out before what the stream writes, however much it is",
      Effect.gen(function*() {
        const { client, server } = yield* pair()
        // More than the buffers of any system.
        const whole = pattern(20_000_000)
        const sending = yield* Effect.fork(server.send(whole))
        yield* turn
        const { stream } = yield* NodeSocket.lend(server)
        expect(yield* Effect.flip(Fiber.join(sending))).toMatchObject({ ...lent, operation: "send" })
        stream.end("tail")
        const got = yield* client.receiveAll({ maxBytes: 30_000_000 })
        expect(Buffer.from(got.subarray(whole.length)).toString()).toBe("tail")
        expect(Buffer.from(got.subarray(0, whole.length)).equals(whole)).toBe(true)
        yield* client.shutdown("send")
        yield* closed(stream.resume())
      })
    )

    test(
      "C33 from then on every call that reads or writes is SocketClosed by \"lent\", and says what to use",
      Effect.gen(function*() {
        const { server } = yield* pair()
        const waiting = yield* Effect.fork(server.receive())
        yield* turn
        yield* NodeSocket.lend(server)
        const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          Fiber.join(waiting),
          server.receive(),
          server.receiveLine(),
          server.forEachChunk(() => Effect.void),
          server.send("x"),
          server.offer("x"),
          server.flush,
          server.shutdown("send"),
          server.shutdown("receive"),
          NodeSocket.lend(server)
        ]
        for (const call of calls) {
          const error = yield* Effect.flip(call)
          expect(error).toMatchObject(lent)
          expect((error as Error).message).toContain("the stream that `lend` gave")
        }
      })
    )

    test(
      "C33 a socket that was closed, broken or shut down for sending cannot be lent",
      Effect.gen(function*() {
        const shut = (yield* pair()).server
        yield* shut.shutdown("send")
        const gone = (yield* pair()).server
        yield* gone.close
        const broken = yield* pair()
        yield* broken.client.abort
        yield* until(Effect.map(Effect.flatMap(Net.Net, (net) => net.sockets), (open) => !open.includes(broken.server)))
        const by = (socket: Socket.Socket) => Effect.map(Effect.flip(NodeSocket.lend(socket)), (error) => error.by)
        expect([yield* by(shut), yield* by(gone), yield* by(broken.server)]).toEqual(["here", "here", "peer"])
      })
    )

    test(
      "C33 a peer that had finished before is at its end for the borrower as well, after what it sent",
      Effect.gen(function*() {
        const { client, server } = yield* pair()
        yield* client.send("all")
        yield* client.shutdown("send")
        yield* received(server, 3)
        for (let turns = 0; turns < 5; turns += 1) yield* turn
        const { stream } = yield* NodeSocket.lend(server)
        const got = collect(stream)
        yield* got.ended
        expect(got.whole().toString()).toBe("all")
        stream.end("answer")
        expect(new TextDecoder().decode(yield* client.receiveAll())).toBe("answer")
        yield* closed(stream)
      })
    )

    test(
      "C33 name, addresses, numbers and the trace of the end stay the socket's",
      Effect.gen(function*() {
        const net = yield* Net.Net
        const { client, server } = yield* pair()
        const events: Array<string> = []
        yield* server.setName("lent one")
        yield* server.trace(({ event, socket }) => events.push(`${socket} ${event}`))
        yield* client.send("before")
        yield* received(server, 6)
        const before = yield* net.bytes
        const { stream } = yield* NodeSocket.lend(server)
        const own = stream as unknown as Record<"localAddress" | "localPort" | "remoteAddress" | "remotePort", unknown>
        expect([own.localAddress, own.localPort]).toEqual(shown(server.localAddress))
        expect([own.remoteAddress, own.remotePort]).toEqual(shown(server.remoteAddress))
        const got = collect(stream)
        yield* client.send("after")
        yield* got.bytes(11)
        stream.write("twelve bytes")
        yield* client.receiveExactly(12)
        yield* until(Effect.map(server.stats, ({ bytesSent }) => bytesSent === 12))
        expect(yield* server.stats).toMatchObject({ bytesReceived: 11, bytesSent: 12, sendBuffered: 0 })
        const { bytesRead, bytesWritten } = stream as unknown as Record<"bytesRead" | "bytesWritten", number>
        expect([bytesRead, bytesWritten]).toEqual([11, 12])
        yield* client.shutdown("send")
        yield* got.ended
        stream.end()
        yield* closed(stream)
        yield* until(Effect.map(net.sockets, (open) => !open.includes(server)))
        expect(events.at(-1)).toBe("lent one closed")
        expect(events).toContain("lent one ended")
        expect(events).not.toContain("lent one broken")
        expect(yield* server.stats).toMatchObject({ bytesReceived: 11, bytesSent: 12 })
        const after = yield* net.bytes
        // What went to and fro counts on both ends.
        expect(after.bytesReceived - before.bytesReceived).toBe(5 + 12)
        expect(after.bytesSent - before.bytesSent).toBe(5 + 12)
      })
    )

    test(
      "C18 `receive` ends a stream that awaits bytes while nothing moves, on the clock of the test, and never early",
      Effect.gen(function*() {
        const { client, server } = yield* pair({ server: { timeouts: { receive: "1 seconds" } } })
        const { stream } = yield* NodeSocket.lend(server)
        const error = errorOf(stream)
        const got = collect(stream)
        for (let count = 1; count <= 5; count += 1) {
          yield* TestClock.adjust("900 millis")
          yield* client.send("x")
          yield* got.bytes(count)
        }
        expect(stream.destroyed).toBe(false)
        yield* TestClock.adjust("999 millis")
        expect(stream.destroyed).toBe(false)
        yield* TestClock.adjust("251 millis")
        expect(yield* error).toMatchObject({ _tag: "SocketTimeout", operation: "receive", afterMillis: 1000 })
        expect(yield* Effect.flip(server.receive())).toMatchObject({ _tag: "SocketClosed" })
      })
    )

    test(
      "C18 a silence from the start is over exactly at the time-out, and `receive` does not count while nobody reads",
      Effect.gen(function*() {
        const silent = yield* pair({ server: { timeouts: { receive: "10 millis" } } })
        const first = yield* NodeSocket.lend(silent.server)
        const error = errorOf(first.stream)
        yield* TestClock.adjust("9 millis")
        expect(first.stream.destroyed).toBe(false)
        yield* TestClock.adjust("1 millis")
        expect(yield* error).toMatchObject({ _tag: "SocketTimeout", afterMillis: 10 })
        const unread = yield* pair({ server: { timeouts: { receive: "1 seconds" } } })
        yield* unread.client.send("unread")
        yield* received(unread.server, 6)
        const second = yield* NodeSocket.lend(unread.server)
        yield* TestClock.adjust("1 minutes")
        expect(second.stream.destroyed).toBe(false)
        const got = collect(second.stream)
        expect((yield* got.bytes(6)).toString()).toBe("unread")
      })
    )

    test(
      "C18 `send` ends a stream whose peer takes nothing; `setTimeouts` changes the time-outs of a lent socket",
      Effect.gen(function*() {
        const { server } = yield* pair()
        const { stream } = yield* NodeSocket.lend(server)
        const error = errorOf(stream)
        stream.write(pattern(16_000_000))
        for (let turns = 0; turns < 20; turns += 1) yield* turn
        yield* TestClock.adjust("1 minutes")
        expect(stream.destroyed).toBe(false)
        yield* server.setTimeouts({ send: "2 seconds" })
        yield* TestClock.adjust("1 seconds")
        expect(stream.destroyed).toBe(false)
        yield* TestClock.adjust("1500 millis")
        expect(yield* error).toMatchObject({ _tag: "SocketTimeout", operation: "send", afterMillis: 2000 })
      })
    )

    test(
      "C39 aborting a lent socket ends its stream with an error, and resets its peer",
      Effect.gen(function*() {
        const { client, server } = yield* pair()
        const { stream } = yield* NodeSocket.lend(server)
        const events: Array<string> = []
        yield* server.trace(({ event }) => events.push(event))
        const error = errorOf(stream)
        const got = collect(stream)
        yield* client.send("x")
        yield* got.bytes(1)
        yield* server.abort
        expect(yield* error).toMatchObject({ _tag: "SocketClosed", by: "here" })
        expect(yield* Effect.flip(client.receive())).toMatchObject({ _tag: "SocketBroken", reason: "Reset" })
        expect(events).toEqual(expect.arrayContaining(["closing", "closed"]))
        expect(events).not.toContain("broken")
      })
    )

    test(
      "C33 a reset of the peer is an error of the stream, and the socket is closed",
      Effect.gen(function*() {
        const net = yield* Net.Net
        const { client, server } = yield* pair()
        const { stream } = yield* NodeSocket.lend(server)
        const error = errorOf(stream.resume())
        yield* client.abort
        expect(yield* error).toBeInstanceOf(Error)
        yield* until(Effect.map(net.sockets, (open) => !open.includes(server)))
      })
    )

    test(
      "C39 leaving the scope flushes what the stream wrote; after a failure it cuts, with an error for the borrower",
      Effect.gen(function*() {
        const net = yield* Net.Net
        const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
        for (const isWhole of [true, false]) {
          const scope = yield* Scope.make()
          const client = yield* Scope.extend(Net.connect({ host: "127.0.0.1", port: listener.port }), scope)
          const server = yield* listener.accept
          const { stream } = yield* NodeSocket.lend(client)
          const error = errorOf(stream)
          const whole = pattern(2_000_000)
          if (isWhole) stream.write(whole)
          const closing = yield* Effect.fork(Scope.close(scope, isWhole ? Exit.void : Exit.fail("mistake")))
          if (isWhole) {
            expect(Buffer.from(yield* server.receiveAll()).equals(whole)).toBe(true)
            yield* server.close
          }
          yield* Fiber.join(closing)
          if (isWhole) expect(yield* error).toBeUndefined()
          else expect(yield* error).toMatchObject({ _tag: "SocketClosed", by: "here" })
          expect(yield* net.sockets).not.toContain(client)
        }
      })
    )

    test(
      "C33 destroying a stream calls back the write under way, and fails those behind it and the end, as Node's sockets do",
      Effect.gen(function*() {
        const { server } = yield* pair()
        const { stream } = yield* NodeSocket.lend(server)
        const told: Array<string> = []
        const tell = (what: string) => (error?: Error | null) =>
          void told.push(`${what} ${error instanceof Error ? "failed" : "done"}`)
        // More than the buffers of any system.
        stream.write(pattern(20_000_000), tell("first"))
        stream.write("second", tell("second"))
        stream.end(tell("end"))
        yield* turn
        stream.destroy()
        yield* until(Effect.sync(() => told.length === 3))
        expect(told.sort()).toEqual(["end failed", "first done", "second failed"])
      })
    )

    test(
      "C33 a lent connected socket ends with its peer, an accepted one stays half-open",
      Effect.gen(function*() {
        const one = yield* pair()
        const { stream: connected } = yield* NodeSocket.lend(one.client)
        connected.resume()
        yield* one.server.shutdown("send")
        yield* closed(connected)
        const other = yield* pair()
        const { stream: accepted } = yield* NodeSocket.lend(other.server)
        const got = collect(accepted)
        yield* other.client.shutdown("send")
        yield* got.ended
        for (let turns = 0; turns < 5; turns += 1) yield* turn
        expect(accepted.writable).toBe(true)
        accepted.end("still there")
        expect(new TextDecoder().decode(yield* other.client.receiveAll())).toBe("still there")
      })
    )

    test(
      "T11 a lent TLS socket carries both ways, knows its protocol, and counts the bytes of the program",
      Effect.gen(function*() {
        // The certificates are of today.
        yield* TestClock.setTime(Date.now())
        const { client, server } = yield* Fixture.pair({
          client: { alpn: ["x/1"] },
          server: { alpn: ["x/1"] }
        })
        yield* client.send("early")
        yield* received(server, 5)
        const ends = [yield* NodeSocket.lend(server), yield* NodeSocket.lend(client)] as const
        const [above, below] = [collect(ends[0].stream), collect(ends[1].stream)]
        for (const { isNative: native, stream } of ends) {
          expect(native).toBe(isNative)
          expect(stream).toMatchObject({ encrypted: true, alpnProtocol: "x/1" })
          expect((stream as { secureConnecting?: boolean }).secureConnecting ?? false).toBe(false)
        }
        const whole = pattern(300_000)
        ends[0].stream.write(whole)
        ends[1].stream.write(" and late")
        expect((yield* below.bytes(whole.length)).equals(whole)).toBe(true)
        expect((yield* above.bytes(14)).toString()).toBe("early and late")
        expect((yield* server.stats).bytesReceived).toBe(14)
        expect((yield* client.stats).bytesReceived).toBe(whole.length)
        yield* until(Effect.map(server.stats, ({ bytesSent }) => bytesSent === whole.length))
      })
    )
  })
}

it.scoped("C33 a socket that reads into buffers of its own is lent as a stream over it, with nothing lost", () =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
    const client = yield* Net.connect({ host: "127.0.0.1", port: listener.port, readSize: 65536, linger: 0 })
    const server = yield* listener.accept
    const whole = pattern(1_000_000)
    yield* server.send(whole.subarray(0, 1000))
    yield* received(client, 1000)
    const { isNative, stream } = yield* NodeSocket.lend(client)
    expect(isNative).toBe(false)
    const got = collect(stream)
    yield* server.send(whole.subarray(1000))
    expect((yield* got.bytes(whole.length)).equals(whole)).toBe(true)
  }).pipe(Effect.provide(NodeNet.layer)))
