/** TLS on the in-memory network: clocks, authorities, hosts. */
import type { Listener, TlsConnection } from "@copas/core"
import { Net, type Socket, Tls, type TlsContext } from "@copas/core"
import { NetMemory, Sampling, Simulation, TlsMemory } from "@copas/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Option, Redacted, type Scope, TestClock } from "effect"
import * as Crypto from "node:crypto"
import { digest } from "../../src/testing/internal/tls/sha.js"
import { bytes, elapsed, simulated } from "./support.js"

const { ca, identity } = TlsMemory.identity()

const listening = (options: TlsContext.ServerOptions = {}) =>
  Effect.flatMap(Tls.server({ identity, ...options }), (tls) => Net.listen({ port: 0, linger: 0, tls }))

const connecting = (listener: Listener.InetListener, options: TlsContext.ClientOptions = {}) =>
  Effect.flatMap(
    Tls.client({ ca, ...options }),
    (tls) => Net.connect({ host: "localhost", port: listener.port, linger: 0, tls })
  )

const secured = (options: { server?: TlsContext.ServerOptions; client?: TlsContext.ClientOptions } = {}) =>
  Effect.gen(function*() {
    const listener = yield* listening(options.server)
    const [client, server] = yield* Effect.all([connecting(listener, options.client), listener.accept], {
      concurrency: 2
    })
    return { client, listener, server }
  })

const tlsOf = (socket: Socket.Socket): TlsConnection.TlsConnection => Option.getOrThrow(socket.tls)

const reasonOf = <A, R>(effect: Effect.Effect<A, { readonly _tag: string; readonly reason?: unknown }, R>) =>
  Effect.map(Effect.flip(Effect.asVoid(effect)), ({ reason }) => reason)

describe("NetMemory: TLS", () => {
  it.scoped("T05 certificates become valid and expire by the network's clock", () =>
    Effect.gen(function*() {
      const short = TlsMemory.identity({ notBefore: 3_600_000, notAfter: 7_200_000 })
      const listener = yield* listening({ identity: short.identity })
      const outcome = () => Effect.scoped(connecting(listener, { ca: short.ca }))
      assert.strictEqual(yield* reasonOf(outcome()), "NotYetValid")
      yield* TestClock.adjust("90 minutes")
      yield* outcome()
      yield* TestClock.adjust("31 minutes")
      assert.strictEqual(yield* reasonOf(outcome()), "Expired")
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("T05 an authority that expired fails what hangs from it", () =>
    Effect.gen(function*() {
      const issuer = TlsMemory.authority({ notAfter: 1000 })
      const made = TlsMemory.identity({ issuer })
      const listener = yield* listening({ identity: made.identity })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* reasonOf(connecting(listener, { ca: made.ca })), "Expired")
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("T05 certificates that were made elsewhere are taken as they are", () =>
    Effect.gen(function*() {
      const pem = `-----BEGIN CERTIFICATE-----
MIIBvzCCAWSgAwIBAgIUC3kJ8pbbJLkcWQiBh1rhBhgF7fQwCgYIKoZIzj0EAwIw
JzEOMAwGA1UECgwFQ29wYXMxFTATBgNVBAMMDG1haWwuZXhhbXBsZTAgFw0yNjEx
MjMwMDE0MDRaGA8yMTI2MTAzMDAwMTQwNFowJzEOMAwGA1UECgwFQ29wYXMxFTAT
BgNVBAMMDG1haWwuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCMY
b3HCa9d4jT3nebbLtJDEP6n2BDPfnS/PD7vhv/OILlBW6GlYF0SXiBcowWRv3+rG
ElUN6U7L2oV1n65SdkajbDBqMB0GA1UdDgQWBBQDCtzdFq5iSH78NnWeVfWzZj2I
ZTAfBgNVHSMEGDAWgBQDCtzdFq5iSH78NnWeVfWzZj2IZTAPBgNVHRMBAf8EBTAD
AQH/MBcGA1UdEQQQMA6CDG1haWwuZXhhbXBsZTAKBggqhkjOPQQDAgNJADBGAiEA
gCtd8Mu5KanG3gtkZSuTkRRENf4tBlPqxmzNuWECvm0CIQDT0CL71Dd0XzjuTdIU
+JEjMnZ962T2EnWvQRccPbaKAQ==
-----END CERTIFICATE-----
`
      // A key of another kind of file cannot be recognized as another's: it has no public half.
      const { privateKey } = Crypto.generateKeyPairSync("ed25519")
      const key = privateKey.export({ type: "pkcs8", format: "pem" }) as string
      yield* TestClock.setTime(Date.UTC(2030, 0, 1))
      const listener = yield* listening({ identity: { certificate: pem, key } })
      const context = yield* Tls.client({ ca: pem })
      const connect = (serverName: string) =>
        Net.connect({ port: listener.port, tls: { context, serverName }, linger: 0 })
      assert.deepStrictEqual(tlsOf(yield* connect("mail.example")).authorization, {
        _tag: "Verified",
        by: "authority"
      })
      assert.strictEqual(yield* reasonOf(connect("other.example")), "WrongHost")
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("T01 keys of all usual forms are read, and one that belongs to another certificate is refused", () =>
    Effect.gen(function*() {
      const made = TlsMemory.identity({ seed: 1 })
      const der = Buffer.from(made.identity.key.replace(/-----.*-----/g, ""), "base64")
      const forms: ReadonlyArray<TlsContext.Material> = [made.identity.key, new Uint8Array(der)]
      for (const key of forms) yield* Tls.server({ identity: { certificate: made.certificate, key } })
      const rsa = Crypto.generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey
      const ec = Crypto.generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
      const others = [
        rsa.export({ type: "pkcs1", format: "pem" }),
        rsa.export({ type: "pkcs8", format: "pem" }),
        ec.export({ type: "sec1", format: "pem" }),
        ec.export({ type: "pkcs8", format: "pem" }),
        TlsMemory.identity({ seed: 2 }).identity.key
      ]
      for (const key of others) {
        const error = yield* Effect.flip(Tls.server({ identity: { certificate: made.certificate, key: String(key) } }))
        assert(error._tag === "TlsError")
        assert.strictEqual(error.part, "key")
        assert.include(error.detail, "does not belong")
      }
      const encrypted = String(
        ec.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" })
      )
      const identity = { certificate: made.certificate, key: encrypted }
      const error = yield* Effect.flip(Tls.server({ identity }))
      assert(error._tag === "TlsError")
      assert.strictEqual(error.part, "passphrase")
      yield* Tls.server({ identity: { ...identity, passphrase: Redacted.make("secret") } })
    }).pipe(Effect.provide(NetMemory.layer)))

  it.scoped("T01 `tls: true` trusts the network's authorities, which are none unless they are given", () =>
    Effect.gen(function*() {
      const listener = yield* listening()
      return yield* Effect.exit(Net.connect({ host: "localhost", port: listener.port, linger: 0, tls: true }))
    }).pipe(
      (attempt) =>
        Effect.gen(function*() {
          const trusting = yield* Effect.provide(attempt, NetMemory.layerWith({ authorities: ca }))
          assert.isTrue(Exit.isSuccess(trusting))
          const other = yield* reasonOf(Effect.flatten(Effect.provide(attempt, NetMemory.layer)))
          assert.strictEqual(other, "Untrusted")
          const bad = yield* Effect.flip(Effect.provide(attempt, NetMemory.layerWith({ authorities: ["none"] })))
          assert(bad._tag === "InvalidOption")
          assert.strictEqual(bad.option, "authorities")
        })
    ))

  it.scoped("T01 what `TlsMemory` makes is well formed, and depends on its description alone", () =>
    Effect.sync(() => {
      const root = TlsMemory.authority({ name: "Root" })
      const make = (seed: number) =>
        TlsMemory.identity({
          names: ["a.test", "*.b.test", "192.0.2.1", "2001:db8::1"],
          issuer: root,
          notAfter: Date.UTC(2049, 11, 31, 23, 59, 59),
          seed
        })
      assert.deepStrictEqual(make(0), make(0))
      assert.notStrictEqual(make(0).certificate, make(1).certificate)
      const shown = new Crypto.X509Certificate(make(0).certificate)
      assert.strictEqual(shown.subject, "CN=a.test\nO=Copas")
      assert.strictEqual(shown.issuer, "CN=Root\nO=Copas")
      assert.strictEqual(
        shown.subjectAltName,
        "DNS:a.test, DNS:*.b.test, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1"
      )
      assert.deepStrictEqual(shown.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"])
      assert.strictEqual(shown.validTo, "Dec 31 23:59:59 2049 GMT")
      const issuer = new Crypto.X509Certificate(root.ca)
      assert.deepStrictEqual([issuer.subject, issuer.ca, shown.ca], [shown.issuer, true, false])
    }))

  it.effect.each(["sha1", "sha256", "sha384", "sha512"] as const)(
    "T06 digests are right: %s",
    (algorithm) =>
      Effect.sync(() => {
        for (const length of [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 1000]) {
          const expected = Crypto.createHash(algorithm).update(bytes(length)).digest("hex")
          assert.strictEqual(Buffer.from(digest(algorithm, bytes(length))).toString("hex"), expected, `${length} bytes`)
        }
      })
  )

  // ---- conditions

  const inTime = (
    version: TlsContext.Version,
    expected: readonly [full: number, resumed: number]
  ) =>
    simulated(
      { link: { latency: 100 } },
      Effect.gen(function*() {
        const listener = yield* listening({ maxVersion: version })
        const tls = yield* Tls.client({ ca })
        const connect = Effect.gen(function*() {
          const accepting = yield* Effect.fork(
            Effect.scoped(Effect.zipRight(listener.accept, Effect.sleep("1 second")))
          )
          const [socket, millis] = yield* elapsed(Net.connect({ host: "localhost", port: listener.port, tls }))
          yield* Fiber.await(accepting)
          return [tlsOf(socket).isResumed, millis]
        })
        assert.deepStrictEqual(yield* connect, [false, expected[0]])
        assert.deepStrictEqual(yield* connect, [true, expected[1]])
      })
    )

  it.effect("T02 a handshake takes the round trips of its version: TLS 1.3 one, TLS 1.2 two, or one when it resumes", () =>
    Effect.gen(function*() {
      // Connecting itself takes one, of 200 ms.
      yield* inTime("TLSv1.3", [400, 400])
      yield* inTime("TLSv1.2", [600, 400])
    }))

  it.effect("T02 records come through loss, jitter and any chunks", () =>
    simulated(
      { link: { latency: 10, jitter: 50, loss: 0.2 }, chunks: "random", bufferSize: 10_000 },
      Effect.gen(function*() {
        const { client, server } = yield* secured({ client: { requireCloseNotify: true } })
        const data = bytes(100_000)
        const [received] = yield* Effect.all(
          [client.receiveAll(), Effect.zipRight(server.send(data), server.shutdown("send"))],
          { concurrency: 2 }
        )
        assert.deepStrictEqual(received, data)
      })
    ))

  it.effect("T02 a partition in the middle of a handshake holds it up; past the time-out it fails, on both sides", () =>
    simulated(
      { link: { latency: 100 } },
      Effect.gen(function*() {
        const listener = yield* listening({ handshakeTimeout: "30 seconds" })
        const attempt = (heal: number) =>
          Effect.gen(function*() {
            const connected = yield* Effect.fork(Effect.exit(Effect.scoped(connecting(listener))))
            // The hello is on its way.
            yield* Effect.sleep("250 millis")
            yield* NetMemory.partition()
            yield* Effect.sleep(heal)
            yield* NetMemory.heal
            return yield* Fiber.join(connected)
          })
        assert.isTrue(Exit.isSuccess(yield* attempt(9000)))
        yield* Effect.scoped(listener.accept)
        const late = yield* attempt(11_000)
        assert.strictEqual(yield* reasonOf(Effect.flatten(Effect.succeed(late))), "HandshakeTimeout")
        const error = yield* Effect.flip(listener.accept)
        assert.strictEqual(error._tag, "AcceptError")
      })
    ))

  it.effect("T02 a client that vanishes in its handshake is given up after the time-out", () =>
    simulated(
      { link: { latency: 100 } },
      Effect.gen(function*() {
        const listener = yield* listening()
        const connected = yield* Effect.fork(Effect.exit(connecting(listener)))
        yield* Effect.sleep("350 millis")
        yield* NetMemory.vanish("client")
        const [error, millis] = yield* elapsed(Effect.flip(listener.accept))
        assert(error._tag === "AcceptError")
        assert.include(error.message, "HandshakeTimeout")
        assert.isAtMost(millis, 10_000)
        yield* Fiber.interrupt(connected)
      })
    ))

  it.effect("T02 a reset in the middle of a handshake ends it as `ClosedInHandshake`", () =>
    simulated(
      { link: { latency: 100 } },
      Effect.gen(function*() {
        const listener = yield* listening()
        const connected = yield* Effect.fork(reasonOf(connecting(listener)))
        yield* Effect.sleep("350 millis")
        yield* NetMemory.resetConnections()
        assert.strictEqual(yield* Fiber.join(connected), "ClosedInHandshake")
        assert.strictEqual((yield* Effect.flip(listener.accept))._tag, "AcceptError")
      })
    ))

  // ---- sessions

  it.scoped("T10 a session is over when its lifetime is", () =>
    Effect.gen(function*() {
      const listener = yield* listening({ tickets: { lifetime: "1 minute" } })
      const tls = yield* Tls.client({ ca })
      const round = Effect.scoped(Effect.gen(function*() {
        const [client, server] = yield* Effect.all([
          Net.connect({ host: "localhost", port: listener.port, linger: 0, tls }),
          listener.accept
        ], { concurrency: 2 })
        yield* server.send("\n")
        yield* client.receiveLine()
        return tlsOf(client).isResumed
      }))
      assert.deepStrictEqual([yield* round, yield* round], [false, true])
      yield* TestClock.adjust("61 seconds")
      assert.deepStrictEqual([yield* round, yield* round], [false, true])
    }).pipe(Effect.provide(NetMemory.layer)))

  it.effect("T08 the same seed gives the same connection", () => {
    const exported = (seed: number) =>
      Simulation.run(
        Effect.gen(function*() {
          const { client } = yield* secured()
          return Redacted.value(Option.getOrThrow(tlsOf(client).exportKeyingMaterial(16, "x")))
        }).pipe(Effect.scoped, Effect.provide(NetMemory.layer)),
        { seed }
      )
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* exported(1), yield* exported(1))
      assert.notDeepEqual(yield* exported(1), yield* exported(2))
    })
  })

  // ---- what TLS protects from, as a program sees it

  const inBetween = (
    spoil: (socket: Socket.Socket) => Effect.Effect<unknown, unknown>
  ): Effect.Effect<string | undefined, unknown, Net.Net | Scope.Scope> =>
    Effect.gen(function*() {
      const listener = yield* listening()
      const proxy = yield* Net.listen({ port: 0, linger: 0 })
      const context = yield* Tls.client({ ca })
      const dialled = yield* Effect.fork(
        Net.connect({ host: "localhost", port: proxy.port, linger: 0, tls: context })
      )
      const inner = yield* proxy.accept
      const outer = yield* Net.connect({ host: "localhost", port: listener.port, linger: 0 })
      const relay = (from: Socket.Socket, to: Socket.Socket) =>
        Effect.fork(Effect.forever(Effect.flatMap(from.receive(), (chunk) => to.send(chunk))))
      yield* relay(inner, outer)
      yield* relay(outer, inner)
      const server = yield* listener.accept
      const client = yield* Fiber.join(dialled)
      yield* client.send("hello\n")
      assert.strictEqual(yield* server.receiveLine(), "hello")
      yield* spoil(outer)
      const error = yield* Effect.flip(Effect.asVoid(server.receive()))
      assert(error._tag === "SocketBroken")
      assert.strictEqual(error.reason, "Tls")
      const { cause } = error
      return typeof cause === "object" && cause !== null && "reason" in cause ? String(cause.reason) : undefined
    })

  it.scoped.each(
    [
      ["a record of somebody else's", new Uint8Array([0x17, 3, 3, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])],
      ["text", "QUIT\r\n"],
      ["a record that is too long", new Uint8Array([0x17, 3, 3, 0xff, 0xff])],
      ["a record without contents", new Uint8Array([0x17, 3, 3, 0, 0])],
      ["another hello", new Uint8Array([0x16, 3, 3, 0, 4, 1, 0, 0, 0])],
      ["an unknown kind of record", new Uint8Array([0x18, 3, 3, 0, 1, 0])]
    ] as const
  )(
    "T02 %s in a connection breaks it with TLS's own reason",
    ([, what]) =>
      Effect.map(inBetween((socket) => socket.send(what)), (reason) => {
        assert.strictEqual(reason, "ProtocolViolation")
      }).pipe(Effect.provide(NetMemory.layer))
  )

  it.scoped("T02 a fatal alert breaks a connection with what it says", () =>
    Effect.map(inBetween((socket) => socket.send(new Uint8Array([0x15, 3, 3, 0, 2, 2, 80]))), (reason) => {
      assert.strictEqual(reason, "RefusedByPeer")
    }).pipe(Effect.provide(NetMemory.layer)))

  it.effect("T02 a byte that was changed on its way fails the handshake or breaks the connection, and is never delivered", () =>
    Effect.gen(function*() {
      for (const seed of Sampling.seeds({ short: 30, long: 150 })) {
        yield* simulated(
          { chunks: seed % 2 === 0 ? "random" : "joined", seed },
          Effect.gen(function*() {
            const required = { clientCertificates: "require", ca } as const
            const listener = yield* listening(seed % 3 === 0 ? { ...required, maxVersion: "TLSv1.2" } : required)
            const proxy = yield* Net.listen({ port: 0, linger: 0 })
            const context = yield* Tls.client({ ca, identity })
            const talking = (connect: Effect.Effect<Socket.Socket, unknown, Net.Net | Scope.Scope>) =>
              Effect.fork(Effect.exit(Effect.scoped(Effect.gen(function*() {
                const socket = yield* connect
                yield* socket.send("hello\n")
                assert.strictEqual(yield* socket.receiveLine(), "hello")
                return yield* socket.receiveLine()
              }))))
            const one = yield* talking(Net.connect({ host: "localhost", port: proxy.port, tls: context }))
            const other = yield* talking(listener.accept)
            const ends = [
              yield* proxy.accept,
              yield* Net.connect({ host: "localhost", port: listener.port, linger: 0 })
            ] as const
            let left = (seed * 7919) % 5000
            const relay = (from: Socket.Socket, to: Socket.Socket) =>
              Effect.fork(Effect.ignore(Effect.onExit(
                Effect.forever(Effect.flatMap(from.receive(), (chunk) => {
                  if (left >= 0 && left < chunk.length) chunk[left]! ^= 1 << seed % 8
                  left -= chunk.length
                  return to.send(chunk)
                })),
                () => to.abort
              )))
            yield* relay(ends[0], ends[1])
            yield* relay(ends[1], ends[0])
            for (const exit of [yield* Fiber.join(one), yield* Fiber.join(other)]) {
              // Both wait for a second line, so every connection ends by a failure: what was changed, or the simulation.
              assert(Exit.isFailure(exit))
              assert.strictEqual(exit.cause._tag, "Fail", `seed ${seed}: ${exit.cause}`)
            }
          }).pipe(Effect.timeout("5 minutes"), Effect.catchTag("TimeoutException", () => Effect.void))
        )
      }
    }))

  it.scoped("T02 between hosts, names are verified and the clock of all is one", () =>
    Effect.gen(function*() {
      const network = yield* NetMemory.make()
      const server = yield* network.addHost("mail.example")
      const client = yield* network.addHost("client")
      const made = TlsMemory.identity({ names: ["mail.example"] })
      yield* server.start(Effect.gen(function*() {
        const tls = yield* Tls.server({ identity: made.identity })
        const listener = yield* Net.listen({ host: "0.0.0.0", port: 993, tls, linger: 0 })
        const socket = yield* listener.accept
        yield* socket.send(`${yield* Clock.currentTimeMillis}\n`)
        return yield* Effect.never
      }))
      const line = Effect.gen(function*() {
        const tls = yield* Tls.client({ ca: made.ca })
        const socket = yield* Net.connect({ host: "mail.example", port: 993, tls, linger: 0 })
        return yield* socket.receiveLine()
      })
      assert.strictEqual(yield* Effect.provide(line, client.layer), "0")
      yield* server.crash
    }))
})
