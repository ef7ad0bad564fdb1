/** FTP over TLS with servers that require resumption, cut connections, or send bytes in clear. */
import { Net, type Socket, Tls } from "@copas/core"
import { NodeNet } from "@copas/node"
import { FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Option, Redacted, type Scope, Stream } from "effect"
import { Ftp, type FtpSession } from "../../src/index.js"
import { FtpServer } from "../../src/testing/index.js"
import { answering, calm } from "./hostileServer.js"
import { leavesNothing, pattern, same, text } from "./networks.js"
import { type Peer, scripted } from "./scripted.js"
import { selfSigned } from "./selfSigned.js"

const secured = Effect.map(
  Effect.flatMap(selfSigned, (files) =>
    Effect.map(
      Tls.server({ identity: { certificate: { path: files.cert }, key: { path: files.key } } }),
      (tls) => ({ ...files, tls })
    )),
  (all) => all
)

const served = (options: FtpServer.Options = {}, client: Ftp.Defaults = {}) =>
  Effect.gen(function*() {
    const { cert, tls } = yield* secured
    const server = yield* FtpServer.make({ tls, ...options })
    const ftp = yield* Ftp.make({
      host: server.host,
      port: server.port,
      tls: options.implicit === true ? "implicit" : "explicit",
      tlsContext: { ca: { path: cert } },
      serverName: "localhost",
      ...client
    })
    return { cert, ftp, server }
  })

const onNode = <A, E, R>(use: Effect.Effect<A, E, R | Net.Net | Scope.Scope>): Effect.Effect<A, E> =>
  Effect.provide(leavesNothing(use), Layer.merge(NodeNet.layer, NodeContext.layer)) as Effect.Effect<A, E>

/** A connector that keeps the data connections it made, to be looked at. */
const watching = (seen: Array<Socket.Socket>): FtpSession.Connector => ({ connectTimeout, host, port, purpose }) =>
  Effect.tap(
    Net.connect({ host, port, timeouts: { connect: connectTimeout }, linger: "1 seconds" }),
    (socket) =>
      Effect.sync(() => {
        if (purpose === "data") seen.push(socket)
      })
  )

/** A peer that speaks TLS on the control connection, log-in and PROT P done. */
const tlsPeer = (
  talk: (peer: Peer, tls: Tls.ServerContext) => Effect.Effect<unknown, unknown, Net.Net | Scope.Scope>
) =>
  Effect.gen(function*() {
    const { cert, tls } = yield* secured
    const where = yield* scripted((peer) =>
      Effect.gen(function*() {
        yield* peer.say("220 Hello\r\n")
        yield* peer.expect(/^AUTH TLS$/)
        yield* peer.say("234 Go\r\n")
        yield* Tls.upgrade(peer.socket, tls)
        yield* peer.expect(/^PBSZ 0$/)
        yield* peer.say("200 Ok\r\n")
        yield* peer.expect(/^PROT P$/)
        yield* peer.say("200 Ok\r\n")
        yield* peer.expect(/^USER /)
        yield* peer.say("230 Welcome\r\n")
        yield* peer.expect(/^FEAT$/)
        yield* peer.say("500 What?\r\n")
        yield* talk(peer, tls)
      })
    )
    return { ...where, tls: "explicit" as const, tlsContext: { ca: { path: cert } }, serverName: "localhost" }
  })

describe("TLS", () => {
  it.live.each(["TLSv1.2", "TLSv1.3"] as const)(
    "C34 every data connection resumes the control connection's session, one after another, with %s",
    (version) =>
      onNode(Effect.gen(function*() {
        const seen: Array<Socket.Socket> = []
        const resumed: Array<boolean> = []
        const { cert, ftp } = yield* served({ files: { "/a": pattern(100_000) } }, { connector: watching(seen) })
        const session = yield* ftp.connect({
          tlsContext: { ca: { path: cert }, minVersion: version, maxVersion: version }
        })
        for (const index of [1, 2, 3, 4, 5, 6]) {
          if (index % 3 === 0) yield* session.put("b", pattern(1000))
          else if (index % 3 === 1) expect(yield* session.get("a")).toHaveLength(100_000)
          else yield* session.list()
          resumed.push(Option.exists(seen.at(-1)!.tls, (tls) => tls.isResumed))
        }
        expect(seen).toHaveLength(6)
        expect(resumed).toEqual([true, true, true, true, true, true])
      }))
  )

  it.live.each(
    [
      ["522 SSL connection failed; session reuse required"],
      ["425 Unable to build data connection: Operation not permitted"]
    ] as const
  )(
    "C34 a data connection that did not resume the session, refused by %s, is TlsResumptionRequired",
    ([final]) =>
      onNode(Effect.gen(function*() {
        const { cert, ftp, server } = yield* served({ files: { "/a": "aaa" }, quirks: { final } })
        const fresh = yield* ftp.connect({ tlsContext: { ca: { path: cert }, sessions: 0 } })
        for (const call of [fresh.get("a"), fresh.put("b", "x"), fresh.list()]) {
          expect(yield* Effect.flip(call as Effect.Effect<unknown, unknown>)).toMatchObject({
            _tag: "TlsResumptionRequired",
            code: Number(final.slice(0, 3))
          })
        }
        // One that resumed was refused for another reason.
        const resumed = yield* ftp.connect()
        expect(yield* Effect.flip(resumed.get("a"))).toMatchObject({ _tag: "DataConnectionFailed" })
        yield* server.setQuirks({ final: undefined })
        expect(text(yield* resumed.get("a"))).toBe("aaa")
      }))
  )

  it.live("C34 a server that requires resumption (vsftpd) takes the session's data connections, and no fresh ones", () =>
    onNode(Effect.gen(function*() {
      const { cert, ftp } = yield* served({ files: { "/a": "aaa" }, quirks: { requireResumption: true } })
      const session = yield* ftp.connect()
      for (const _ of [1, 2, 3]) expect(text(yield* session.get("a"))).toBe("aaa")
      yield* session.put("b", "bbb")
      const fresh = yield* ftp.connect({ tlsContext: { ca: { path: cert }, sessions: 0 } })
      for (const call of [fresh.get("a"), fresh.list()]) {
        expect(yield* Effect.flip(call as Effect.Effect<unknown, unknown>)).toMatchObject({
          _tag: "TlsResumptionRequired",
          code: 522
        })
      }
      // An upload fails while it is sent; it was refused all the same.
      expect((yield* Effect.flip(fresh.put("c", "ccc")))._tag).toBe("TlsResumptionRequired")
    })))

  it.live("C34 large files move to and from the disk under TLS without a byte changed", () =>
    onNode(Effect.gen(function*() {
      const disk = yield* FileSystem.FileSystem
      const paths = yield* Path.Path
      const where = yield* disk.makeTempDirectoryScoped()
      const content = pattern(6_000_000)
      const { ftp, server } = yield* served({ files: { "/a": content } })
      const session = yield* ftp.connect()
      const file = paths.join(where, "a")
      yield* session.downloadFile("a", file)
      expect(same(yield* disk.readFile(file), content)).toBe(true)
      expect(yield* session.uploadFile(file, "b")).toEqual({ path: "b", bytes: 6_000_000, verified: true })
      expect(same(Option.getOrThrow(yield* server.read("/b")), content)).toBe(true)
      const clear = yield* ftp.connect({ protectData: false })
      yield* clear.downloadFile("b", file)
      expect(same(yield* disk.readFile(file), content)).toBe(true)
    })))

  it.live("C34 a server that never answers close_notify does not hold an upload up", () =>
    onNode(Effect.gen(function*() {
      const options = yield* tlsPeer((peer, tls) =>
        Effect.gen(function*() {
          const data = yield* peer.transfer("")
          yield* Tls.upgrade(data, tls)
          const all = yield* data.receiveExactly(4)
          yield* peer.say(`226 ${all.length} bytes\r\n`)
          yield* answering(peer, { ...calm, SIZE: "213 4" })
        })
      )
      const ftp = yield* Ftp.make(options)
      const session = yield* ftp.connect()
      expect(yield* Effect.timeout(session.put("a", "1234"), "10 seconds")).toEqual({
        path: "a",
        bytes: 4,
        verified: true
      })
      yield* session.noop
    })))

  it.live("C34 a server that refuses in words, and never shakes hands on the data connection, is told by its reply", () =>
    onNode(Effect.gen(function*() {
      const options = yield* tlsPeer((peer) =>
        Effect.gen(function*() {
          yield* peer.transfer("")
          yield* peer.say("522 Session reuse required\r\n")
          yield* answering(peer, calm)
        })
      )
      const ftp = yield* Ftp.make({
        ...options,
        verify: false,
        timeouts: { connect: "500 millis", abort: "3 seconds" }
      })
      const session = yield* ftp.connect()
      expect(yield* Effect.flip(session.get("a"))).toMatchObject({ _tag: "TlsResumptionRequired", code: 522 })
      yield* session.noop
    })))

  it.live("C34 a data connection that is cut amid the handshake is a TlsError, and the session continues", () =>
    onNode(Effect.gen(function*() {
      const options = yield* tlsPeer((peer) =>
        Effect.gen(function*() {
          const data = yield* peer.transfer("")
          yield* data.receive()
          yield* data.abort
          yield* answering(peer, { ...calm, ABOR: "426 Broken\n226 Aborted" })
        })
      )
      const ftp = yield* Ftp.make({ ...options, verify: false })
      const session = yield* ftp.connect()
      expect(yield* Effect.flip(session.get("a"))).toMatchObject({ _tag: "TlsError" })
      yield* session.noop
    })))

  it.live("C34 words in clear inside TLS (500 OOPS) end the session with a typed error", () =>
    onNode(Effect.gen(function*() {
      const net = yield* Net.Net
      const { ftp, server } = yield* served({ files: { "/a": "aaa" } })
      const cue = yield* Deferred.make<void>()
      // An attacker in between, who passes all bytes on and adds some.
      const between = yield* net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
      yield* Effect.forkScoped(Effect.gen(function*() {
        const near = yield* between.accept
        const far = yield* net.connect({ host: server.host, port: server.port, linger: 0 })
        yield* Effect.forkScoped(Effect.ignore(Effect.forever(Effect.flatMap(near.receive(), (it) => far.send(it)))))
        yield* Effect.forkScoped(Effect.ignore(Effect.forever(Effect.flatMap(far.receive(), (it) => near.send(it)))))
        yield* Deferred.await(cue)
        yield* near.send("500 OOPS: vsf_sysutil_recv_peek: no data\r\n")
      }))
      const port = between.port
      const session = yield* ftp.connect({ port })
      yield* session.noop
      yield* server.setQuirks({ delay: "1 minute" })
      const call = yield* Effect.fork(Effect.flip(session.pwd))
      yield* Deferred.succeed(cue, undefined)
      const error = yield* call.await.pipe(Effect.flatten)
      expect(["SocketBroken", "TlsError"]).toContain(error._tag)
      expect(yield* session.isUsable).toBe(false)
      yield* server.setQuirks({ delay: undefined })
    })))

  it.live("C34 a certificate that is not trusted, or another host's, ends it before user and password are sent", () =>
    onNode(Effect.gen(function*() {
      const { cert, ftp, server } = yield* served({}, { user: "me", password: Redacted.make("hunter2") })
      for (
        const options of [{ tlsContext: {} }, { tlsContext: { ca: { path: cert } }, serverName: "elsewhere.example" }]
      ) {
        expect(yield* Effect.flip(Effect.scoped(ftp.connect(options)))).toMatchObject({ _tag: "TlsError" })
      }
      expect((yield* server.commands).filter((line) => line !== "AUTH TLS")).toEqual([])
    })))

  it.live("C34 PROT P that is refused ends the connecting: nothing goes in clear instead", () =>
    onNode(Effect.gen(function*() {
      const { ftp, server } = yield* served()
      for (const [code, tag] of [[536, "FtpReplyError"], [500, "NotSupported"], [502, "NotSupported"]] as const) {
        yield* server.setQuirks({ replies: { PROT: `${code} Not that` } })
        expect(yield* Effect.flip(Effect.scoped(ftp.connect()))).toMatchObject({ _tag: tag, code })
      }
      expect((yield* server.commands).some((line) => line.startsWith("USER"))).toBe(false)
    })))

  it.live("C34 with implicit TLS a server may know neither PBSZ nor PROT, and protects the data all the same", () =>
    onNode(Effect.gen(function*() {
      const replies = { PBSZ: "500 What?", PROT: "502 Not yet" }
      const seen: Array<Socket.Socket> = []
      const { ftp } = yield* served({ implicit: true, files: { "/a": "aaa" }, quirks: { replies } }, {
        connector: watching(seen)
      })
      const session = yield* ftp.connect()
      expect(text(yield* session.get("a"))).toBe("aaa")
      expect(seen.every((socket) => Option.isSome(socket.tls))).toBe(true)
    })))

  it.live("C34 a transfer under TLS that is not read to its end is aborted, and the session continues", () =>
    onNode(Effect.gen(function*() {
      const { ftp, server } = yield* served({ files: { "/a": pattern(3_000_000) } })
      const session = yield* ftp.connect()
      for (const _ of [1, 2, 3]) {
        yield* Stream.runDrain(Stream.take(session.download("a"), 1))
        expect(yield* session.size("a")).toBe(3_000_000)
      }
      expect((yield* server.commands).filter((line) => line === "ABOR").length).toBeGreaterThan(0)
      expect(same(yield* session.get("a"), pattern(3_000_000))).toBe(true)
    })))

  it.live("C34 the 226 of a TLS download may wait for the client to close its end, as vsftpd's does", () =>
    onNode(Effect.gen(function*() {
      const { ftp } = yield* served({
        files: { "/a": pattern(1000), "/b": pattern(2_000_000) },
        quirks: { finalAfterClose: true }
      })
      const session = yield* ftp.connect()
      expect(same(yield* session.get("a"), pattern(1000))).toBe(true)
      expect(same(yield* session.get("b"), pattern(2_000_000))).toBe(true)
    })))

  it.live("C34 in active mode data connections are under TLS, too, and resume the session", () =>
    onNode(Effect.gen(function*() {
      const { ftp } = yield* served({ files: { "/a": pattern(200_000) } }, { data: "active" })
      const session = yield* ftp.connect()
      expect(same(yield* session.get("a"), pattern(200_000))).toBe(true)
      expect(yield* session.put("b", pattern(200_000))).toMatchObject({ verified: true })
    })))
})
