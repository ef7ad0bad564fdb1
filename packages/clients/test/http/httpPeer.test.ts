/** The HTTP peer for tests: what it says, what it keeps, and its bounds, on both networks. */
import { Net, Tls } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Context, Effect, Fiber, Option, TestClock } from "effect"
import { HttpPeer } from "../../src/testing/index.js"
import { leavesNothing, networks, pattern, same, text, until } from "../ftp/networks.js"
import { identity } from "./identities.js"

const get = (target: string, more = ""): string => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n${more}\r\n`

/** A connection to the peer. */
const connected = (peer: HttpPeer.HttpPeer) => Net.connect({ host: peer.host, port: peer.port, linger: 0 })

/** All that the peer says to this until it closes. */
const said = (peer: HttpPeer.HttpPeer, request: string | Uint8Array) =>
  Effect.scoped(Effect.gen(function*() {
    const socket = yield* connected(peer)
    yield* socket.send(request)
    return text(yield* socket.receiveAll())
  }))

const close = "Connection: close\r\n"

class Greeting extends Context.Tag("test/Greeting")<Greeting, string>() {}

describe.each(networks)("the HTTP peer, %s", (name, network) => {
  it.scoped("C33 answers by its handler, which may be a value or an effect with services", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        handler: ({ method, target }) =>
          target === "/effect"
            ? Effect.map(Greeting, (body) => ({ body }))
            : { status: 404, fields: { "X-A": ["1", "2"], "x-b": 3 }, body: `${method} ${target}` }
      })
      expect(yield* said(peer, get("/effect", close))).toBe("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
      expect(yield* said(peer, get("/x?y", close))).toBe(
        "HTTP/1.1 404 Not Found\r\nX-A: 1\r\nX-A: 2\r\nx-b: 3\r\nContent-Length: 8\r\n\r\nGET /x?y"
      )
    }).pipe(Effect.provideService(Greeting, "hello"), Effect.provide(network)))

  it.scoped("C33 keeps requests as they came: head, order and case of fields, body, connection", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make()
      const body = pattern(300_000)
      const socket = yield* connected(peer)
      const head = "PUT /a HTTP/1.1\r\nhOST: a.test\r\nX: \xe9\r\nx:  b \r\nContent-Length: 300000"
      yield* socket.send(Buffer.from(`${head}\r\n\r\n`, "latin1"))
      yield* socket.send(body)
      yield* socket.send(
        "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n"
      )
      yield* peer.awaitRequests(2)
      yield* said(peer, get("/c", close))
      const [put, post, last] = yield* peer.awaitRequests(3)
      expect(put).toMatchObject({
        connection: 1,
        number: 1,
        method: "PUT",
        target: "/a",
        version: "HTTP/1.1",
        head,
        fields: [["hOST", "a.test"], ["X", "\xe9"], ["x", "b"], ["Content-Length", "300000"]],
        size: 300_000,
        isWhole: true,
        tls: Option.none()
      })
      expect(same(put!.body, body)).toBe(true)
      expect(put!.header("x")).toBe("\xe9, b")
      expect(put!.header("y")).toBeUndefined()
      expect(post).toMatchObject({ connection: 1, number: 2, trailers: [["T", "u"]], size: 5, isWhole: true })
      expect(text(post!.body)).toBe("abcde")
      expect(last).toMatchObject({ connection: 2, number: 1 })
      expect(yield* peer.connections).toMatchObject({ total: 2, most: 2 })
    }).pipe(Effect.provide(network)))

  it.scoped("C33 answers HEAD, 204, 304 and a CONNECT of 200 without a body, and frames the rest as asked", () =>
    Effect.gen(function*() {
      const answers: Record<string, HttpPeer.Reply> = {
        "/204": { status: 204, body: "no", ending: "close" },
        "/304": { status: 304, body: "no", ending: "close" },
        "/chunks": { body: ["ab", "", Buffer.from("c")], trailers: { T: "u" }, ending: "close" },
        "/given": { fields: [["content-length", "9"]], body: "abc", ending: "close" },
        "/bare": { isFramed: false, body: "abc" },
        "/old": { version: "HTTP/1.0", statusText: "Fine", body: "abc", ending: "close" },
        "/raw": "HTTP/1.1 200\r\n\r\nabc",
        "a.test:1": { ending: "close" }
      }
      const peer = yield* HttpPeer.make({ handler: ({ target }) => answers[target] ?? { body: "abc" } })
      expect(yield* said(peer, get("/", close).replace("GET", "HEAD"))).toBe(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
      )
      expect(yield* said(peer, get("/204"))).toBe("HTTP/1.1 204 No Content\r\n\r\n")
      expect(yield* said(peer, get("/304"))).toBe("HTTP/1.1 304 Not Modified\r\n\r\n")
      expect(yield* said(peer, get("a.test:1").replace("GET", "CONNECT"))).toBe("HTTP/1.1 200 OK\r\n\r\n")
      expect(yield* said(peer, get("/chunks"))).toBe(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n"
      )
      expect(yield* said(peer, get("/given"))).toBe("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")
      expect(yield* said(peer, get("/bare"))).toBe("HTTP/1.1 200 OK\r\n\r\nabc")
      expect(yield* said(peer, get("/old"))).toBe("HTTP/1.0 200 Fine\r\nContent-Length: 3\r\n\r\nabc")
      expect(yield* peer.failures).toEqual([])
    }).pipe(Effect.provide(network)))

  it.scoped("C33 cuts an answer anywhere, and ends as asked: in order, by half, by a reset, or not at all", () =>
    Effect.gen(function*() {
      const whole = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
      const answers: Record<string, HttpPeer.Answer> = {
        "/cut": { cut: -2 },
        "/head": { cut: 5 },
        "/half": { ending: "halfClose" },
        "/reset": { cut: -1, ending: "reset" },
        "/silence": { cut: -1, ending: "silence" },
        "/deaf": { cut: 0, ending: "deaf" }
      }
      const peer = yield* HttpPeer.make({ handler: ({ target }) => ({ body: "abc", ...answers[target] }) })
      expect(yield* said(peer, get("/cut"))).toBe(whole.slice(0, -2))
      expect(yield* said(peer, get("/head"))).toBe("HTTP/")

      const half = yield* connected(peer)
      yield* half.send(get("/half"))
      expect(text(yield* half.receiveAll())).toBe(whole)
      yield* half.send("more, which it reads")
      expect((yield* peer.connections).open).toBe(1)
      yield* half.close

      const reset = yield* connected(peer)
      yield* reset.send(get("/reset"))
      expect(text(yield* reset.receiveExactly(whole.length - 1))).toBe(whole.slice(0, -1))
      expect((yield* Effect.flip(reset.receive()))._tag).toBe("SocketBroken")

      const silent = yield* connected(peer)
      yield* silent.send(get("/silence"))
      expect(text(yield* silent.receiveExactly(whole.length - 1))).toBe(whole.slice(0, -1))
      yield* silent.send(get("/"))
      yield* silent.shutdown("send")
      // It ends with its client, and has said nothing more.
      expect(text(yield* silent.receiveAll())).toBe("")

      const deaf = yield* connected(peer)
      yield* deaf.send(get("/deaf"))
      yield* peer.awaitRequests(6)
      yield* peer.awaitOpen(1)
    }).pipe(Effect.provide(network)))

  it.scoped("C33 runs a script a connection, the last one for all further ones", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        handler: () => ({ body: "served", ending: "close" }),
        script: [
          (connection) => connection.send("hello before any request"),
          (connection) =>
            Effect.gen(function*() {
              const head = yield* connection.head
              yield* connection.answer({ status: 103, fields: { Link: "</x>" } })
              const first = yield* connection.read
              yield* connection.answer({ body: `${head.method} ${first?.length}` })
              return yield* connection.end("halfClose")
            }),
          (connection) => connection.serve
        ]
      })
      expect(yield* said(peer, "")).toBe("hello before any request")
      const early = yield* connected(peer)
      yield* early.send("PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabcd")
      expect(text(yield* early.receiveAll())).toBe(
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPUT 4"
      )
      yield* early.close
      for (let count = 0; count < 2; count++) expect(yield* said(peer, get("/"))).toMatch(/served$/)
      const [unfinished] = yield* peer.requests
      expect(unfinished).toMatchObject({ isWhole: false, size: 4, connection: 2 })
    }).pipe(Effect.provide(network)))

  it.scoped("C33 passes bytes on, as a proxy does, and speaks TLS", () =>
    Effect.gen(function*() {
      const { ca, tls } = yield* identity(name)
      const secure = yield* HttpPeer.make({
        tls,
        handler: () => ({ body: "secret", ending: "close" })
      })
      expect(secure.url).toBe(`https://127.0.0.1:${secure.port}`)
      const proxy = yield* HttpPeer.make({
        script: (connection) =>
          Effect.gen(function*() {
            const { target } = yield* connection.request
            yield* connection.answer({})
            const [host, port] = target.split(":")
            yield* connection.tunnel(host!, Number(port))
          })
      })
      const socket = yield* connected(proxy)
      yield* socket.send(`CONNECT 127.0.0.1:${secure.port} HTTP/1.1\r\n\r\n`)
      yield* socket.receiveUntil("\r\n\r\n")
      yield* Tls.upgrade(socket, yield* Tls.client({ ca }), { serverName: "localhost" })
      yield* socket.send(get("/"))
      expect(text(yield* socket.receiveAll())).toMatch(/secret$/)
      const [request] = yield* secure.requests
      expect(Option.isSome(request!.tls)).toBe(true)
    }).pipe(Effect.provide(network)))

  it.scoped("C33 a request that is none, or is too large, gets its status, and is among the failures", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({ maxBody: 10, maxHead: 200 })
      const cases: ReadonlyArray<readonly [request: string, status: number, why: RegExp]> = [
        ["SSH-2.0-x\r\n\r\n", 400, /request line/],
        ["GET / HTTP/1.1\r\nA : b\r\n\r\n", 400, /malformed fields/],
        ["GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400, /malformed fields/],
        ["PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400, /framed/],
        ["PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na", 400, /framed/],
        ["PUT / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", 400, /framed/],
        ["PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\na", 400, /framed/],
        ["PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", 400, /chunk size/],
        ["PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400, /line end after a chunk/],
        ["PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno field\r\n\r\n", 400, /trailers/],
        [`PUT / HTTP/1.1\r\nContent-Length: 11\r\n\r\n${"a".repeat(11)}`, 413, /more than 10 bytes/],
        [get("/", `A: ${"b".repeat(300)}\r\n`), 431, /more than 200 bytes/]
      ]
      for (const [request, status, why] of cases) {
        const answer = yield* said(peer, request)
        expect(answer).toContain(`HTTP/1.1 ${status} `)
        expect(answer).toMatch(why)
      }
      const failures = yield* peer.failures
      expect(failures.map((cause) => Chunk.toReadonlyArray(Cause.failures(cause)).map((fault) => [fault]))).toEqual(
        cases.map(([, status]) => [[expect.objectContaining({ _tag: "RequestFault", status })]])
      )
    }).pipe(Effect.provide(network)))

  it.scoped("C33 what a handler or a script throws is among the failures, and its client does not wait", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({
        handler: ({ target }) => {
          if (target === "/throws") throw new Error("a mistake")
          return Effect.fail("no")
        }
      })
      for (const target of ["/throws", "/fails"]) {
        const socket = yield* connected(peer)
        yield* socket.send(get(target))
        expect((yield* Effect.flip(socket.receive()))._tag).toBe("SocketBroken")
      }
      expect((yield* peer.failures).map(Cause.squash)).toEqual([new Error("a mistake"), "no"])
    }).pipe(Effect.provide(network)))

  it.scoped("C33 keeps no more than its memory, and counts bodies that it does not keep", () =>
    Effect.gen(function*() {
      const peer = yield* HttpPeer.make({ memory: 10_000 })
      for (let count = 0; count < 50; count++) yield* said(peer, get(`/${count}`, close))
      const kept = yield* peer.requests
      expect(kept.length).toBeLessThan(20)
      expect(kept.at(-1)?.target).toBe("/49")
      const counting = yield* HttpPeer.make({ maxBody: 10, keepsBodies: false })
      const large = `PUT / HTTP/1.1\r\n${close}Content-Length: 1000000\r\n\r\n${"a".repeat(1_000_000)}`
      expect(yield* said(counting, large)).toContain("200 OK")
      const [request] = yield* counting.requests
      expect(request).toMatchObject({ size: 1_000_000, body: new Uint8Array(0), isWhole: true })
    }).pipe(Effect.provide(network)))

  it.scoped("C33 resets connections past its number, and leaves nothing open at its end", () =>
    leavesNothing(Effect.gen(function*() {
      const peer = yield* HttpPeer.make({ maxConnections: 1, handler: () => Effect.never })
      const first = yield* connected(peer)
      yield* first.send(get("/"))
      yield* peer.awaitRequests(1)
      // The reset may come while it connects.
      const error = yield* Effect.flip(Effect.flatMap(connected(peer), (second) => second.receive()))
      expect(["SocketBroken", "ConnectError"]).toContain(error._tag)
    })).pipe(Effect.provide(network)))
})

it.scoped("C33 a peer's delays and pauses follow the clock", () =>
  Effect.gen(function*() {
    const peer = yield* HttpPeer.make({
      handler: () => ({ body: "abcd", fields: { "Content-Length": 4 }, delay: "10 seconds", split: 41, pause: 1000 })
    })
    const socket = yield* connected(peer)
    yield* socket.send(get("/"))
    const fiber = yield* Effect.fork(socket.receiveExactly(41))
    yield* peer.awaitRequests(1)
    yield* TestClock.adjust("9 seconds")
    expect(yield* Effect.map(socket.stats, (stats) => stats.bytesReceived)).toBe(0)
    yield* TestClock.adjust("1 seconds")
    expect(text(yield* Fiber.join(fiber))).toBe("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc")
    yield* TestClock.adjust(1000)
    expect(text(yield* socket.receive())).toBe("d")
    yield* until(Effect.map(peer.connections, ({ open }) => open === 1))
  }).pipe(Effect.provide(NetMemory.layer)))
