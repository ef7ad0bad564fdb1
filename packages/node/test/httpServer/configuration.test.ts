/** The options of an HTTP server from the configuration, and what its log says when it listens. */
import { Copas } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { HttpServerConfig, NodeHttpServer } from "@copas/node"
import { HttpServer, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, Logger, Redacted } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Certificates from "../certificates.js"
import { portOf } from "../portOf.js"
import * as Fixture from "../tls/fixture.js"
import { get, last, networks, talk } from "./serving.js"

const provider = (values: Readonly<Record<string, string>>) =>
  ConfigProvider.fromMap(new Map(Object.entries(values)), { pathDelim: "_", seqDelim: "," })

/** What the environment makes of the options. */
const read = (values: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(Config.nested(HttpServerConfig.options, "HTTP"), provider(values))

const logged = (lines: Array<string>) =>
  Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => void lines.push(String([message].flat()[0]))))

describe("The configuration", () => {
  it.effect("X07 without any value a server listens on this machine alone, with the defaults", () =>
    Effect.gen(function*() {
      expect(yield* read({})).toEqual({
        listen: [{ host: "127.0.0.1", port: 8080 }],
        timeouts: {},
        limits: {},
        webSocket: {},
        tlsReload: {}
      })
    }))

  it.effect("X07 every option has a value of its name", () =>
    Effect.gen(function*() {
      const options = yield* read({
        HTTP_LISTEN:
          "http://localhost:80, https://[::1]:8443,unix:/run/app.sock,9000,127.0.0.2:81,unix:@app,https://a.example",
        HTTP_TLS_CERTIFICATE: "cert.pem",
        HTTP_TLS_KEY: "key.pem",
        HTTP_TLS_PASSPHRASE: "secret",
        HTTP_TLS_CA: "ca.pem",
        HTTP_TLS_CLIENT_CERTIFICATES: "require",
        HTTP_TLS_MIN_VERSION: "TLSv1.3",
        HTTP_TLS_RELOAD_EVERY: "5 seconds",
        HTTP_TLS_RELOAD_SIGNAL: "SIGHUP",
        HTTP_NAME: "web",
        HTTP_DRAIN: "10 seconds",
        HTTP_HTTP2: "clear",
        HTTP_SERVER_HEADER: "copas",
        HTTP_TRUST_PROXY: "10.0.0.0/8, ::1",
        HTTP_TIMEOUTS_IDLE: "1.5 minutes",
        HTTP_TIMEOUTS_HANDLER: "infinity",
        HTTP_LIMITS_MAX_CONNECTIONS: "1000",
        HTTP_LIMITS_MAX_CONNECTIONS_PER_ADDRESS: "infinity",
        HTTP_LIMITS_HEADER_SIZE: "8KiB",
        HTTP_LIMITS_BODY: "1.5 MiB",
        HTTP_WEB_SOCKET_MAX_PAYLOAD: "2 MB",
        HTTP_WEB_SOCKET_PING: "infinity",
        HTTP_WEB_SOCKET_ORIGINS: "https://a.example,https://b.example",
        HTTP_WEB_SOCKET_DEFLATE: "true"
      })
      const tls = {
        identity: { certificate: { path: "cert.pem" }, key: { path: "key.pem" }, passphrase: Redacted.make("secret") },
        ca: { path: "ca.pem" },
        clientCertificates: "require",
        minVersion: "TLSv1.3"
      }
      expect(options).toEqual({
        listen: [
          { host: "localhost", port: 80 },
          { host: "::1", port: 8443, tls },
          { path: "/run/app.sock" },
          { port: 9000 },
          { host: "127.0.0.2", port: 81 },
          { path: "\0app" },
          { host: "a.example", port: 443, tls }
        ],
        tlsReload: { every: 5000, signal: "SIGHUP" },
        name: "web",
        drain: 10_000,
        http2: "clear",
        serverHeader: "copas",
        trustProxy: ["10.0.0.0/8", "::1"],
        timeouts: { idle: 90_000, handler: Infinity },
        limits: { maxConnections: 1000, maxConnectionsPerAddress: Infinity, headerSize: 8192, body: 1_572_864 },
        webSocket: {
          maxPayload: 2_000_000,
          ping: Infinity,
          origins: ["https://a.example", "https://b.example"],
          deflate: true
        }
      })
      expect((yield* read({ HTTP_TRUST_PROXY: "2" })).trustProxy).toBe(2)
      expect((yield* read({ HTTP_TRUST_PROXY: "false" })).trustProxy).toBe(false)
    }))

  it.effect.each(
    [
      ["HTTP_LISTEN", "ftp://a"],
      ["HTTP_LISTEN", "http://a/path"],
      ["HTTP_LISTEN", "http://u:p@a"],
      ["HTTP_LISTEN", "127.0.0.1:99999"],
      ["HTTP_LISTEN", ","],
      ["HTTP_DRAIN", "soon"],
      ["HTTP_DRAIN", "30"],
      ["HTTP_TIMEOUTS_IDLE", "-1 seconds"],
      ["HTTP_TIMEOUTS_BODY", "0 seconds"],
      ["HTTP_LIMITS_BODY", "10 XB"],
      ["HTTP_LIMITS_BODY", "0"],
      ["HTTP_LIMITS_BODY", "0.1"],
      ["HTTP_LIMITS_STREAMS", "1.5"],
      ["HTTP_LIMITS_STREAMS", "0"],
      ["HTTP_HTTP2", "maybe"],
      ["HTTP_WEB_SOCKET_DEFLATE", "2"],
      ["HTTP_TLS_RELOAD_SIGNAL", "SIGKILL"],
      ["HTTP_TLS_MIN_VERSION", "SSLv3"]
    ] as const
  )("X07 %s=%s is refused, by its name, with what would be right", ([name, value]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(read({ [name]: value }))
      expect(error.toString()).toContain(JSON.stringify(value))
      expect(error.toString()).toMatch(/ is not (a|one of|addresses|true|false|the)/)
      expect(error.toString()).toContain(name.replace(/^HTTP_/, "").split("_").at(-1)!)
    }))

  it.effect("X07 an address of https without a certificate is refused, and a passphrase is not shown", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(read({ HTTP_LISTEN: "https://a", HTTP_TLS_PASSPHRASE: "hidden" }))
      expect(error.toString()).toContain("TLS_CERTIFICATE and TLS_KEY")
      expect(error.toString()).not.toContain("hidden")
    }))

  it.scopedLive("X07 a layer takes some values of the configuration, or all of them, and serves", () =>
    Effect.gen(function*() {
      const serving = (
        layer: Layer.Layer<HttpServer.HttpServer, unknown, Copas.Copas | NodeHttpServerNeeds>,
        values: Record<string, string>
      ) =>
        Effect.gen(function*() {
          const context = yield* Layer.build(layer)
          yield* Effect.provide(HttpServer.serveEffect(HttpServerResponse.text("hello")), context)
          const server = yield* Effect.provide(HttpServer.HttpServer, context)
          return yield* talk(portOf(server), get("/", last))
        }).pipe(Effect.withConfigProvider(provider(values)))
      const some = NodeHttpServer.layerConfig({
        listen: Config.map(Config.string("WHERE"), (host) => ({ host, port: 0 }))
      })
      expect(yield* serving(some, { WHERE: "127.0.0.1" })).toMatch(/hello$/)
      const all = NodeHttpServer.layerConfig()
      expect(yield* serving(all, { HTTP_LISTEN: "127.0.0.1:0", HTTP_SERVER_HEADER: "copas" })).toMatch(
        /^server: copas\r$/im
      )
    }).pipe(Effect.provide(networks[1]![1])))
})

type NodeHttpServerNeeds =
  | Layer.Layer.Context<typeof NodeHttpServer.layerTest>
  | Layer.Layer.Context<ReturnType<typeof NodeHttpServer.layer>>

describe("The log", () => {
  it.scopedLive("X07 one line names every address, with what is spoken there", () =>
    Effect.gen(function*() {
      const { server } = yield* Fixture.TestPki
      const identity = Certificates.identity(server)
      const lines: Array<string> = []
      const make = (options: NodeHttpServer.Options) => Effect.provide(NodeHttpServer.make(options), logged(lines))
      yield* make({ listen: { host: "127.0.0.1", port: 80 } })
      yield* make({
        name: "web",
        http2: "clear",
        listen: [
          { host: "127.0.0.1", port: 81 },
          { host: "::1", port: 82, tls: { identity } },
          { path: "/run/app.sock" }
        ]
      })
      yield* make({ listen: { host: "127.0.0.1", port: 83, tls: { identity } }, http2: false })
      expect(lines).toEqual([
        "http on http://127.0.0.1:80",
        "web on http://127.0.0.1:81 (h2c), https://[::1]:82 (h2), http at /run/app.sock (h2c)",
        "http on https://127.0.0.1:83"
      ])
    }).pipe(Effect.provide(Layer.merge(Layer.provideMerge(Copas.layer, NetMemory.layer), Fixture.layer))))

  it.scoped("X07 a server without an address is refused", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(NodeHttpServer.make({ listen: [] }))
      expect(error).toMatchObject({ _tag: "InvalidOption", option: "listen" })
    }).pipe(Effect.provide(networks[1]![1])))

  it.scopedLive("X07 certificates of a server that are files are read", () =>
    Effect.gen(function*() {
      const { server } = yield* Fixture.TestPki
      const { key } = Certificates.identity(server)
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "http-tls-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const [certificatePath, keyPath] = [join(folder, "cert.pem"), join(folder, "key.pem")]
      writeFileSync(certificatePath, server.chain)
      writeFileSync(keyPath, key)
      const lines: Array<string> = []
      const identity = { certificate: { path: certificatePath }, key: { path: keyPath } }
      yield* Effect.provide(
        NodeHttpServer.make({ listen: { host: "127.0.0.1", port: 0, tls: { identity } } }),
        logged(lines)
      )
      expect(lines).toEqual([expect.stringMatching(/^http on https:\/\/127\.0\.0\.1:\d+ \(h2\)$/)])
    }).pipe(Effect.provide(networks[0]![1])))
})
