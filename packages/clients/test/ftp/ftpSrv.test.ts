/** The client against ftp-srv, a server of another make that runs in this process. */
import { NodeNet } from "@copas/node"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Stream } from "effect"
import { FtpSrv } from "ftp-srv"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { Ftp } from "../../src/index.js"
import { pattern, same, text } from "./networks.js"

const layer = Layer.merge(NodeNet.layer, NodeContext.layer)

const freePort = Effect.async<number>((resume) => {
  const server = net.createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as net.AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const quiet = (): unknown => {
  const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => log }
  return log
}

/** ftp-srv, an FTP server for Node that is none of ours, in this process. */
const served = Effect.gen(function*() {
  const port = yield* freePort
  const root = yield* Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "copas-ftp-srv-"))),
    (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
  )
  // It listens to signals, and never stops.
  const signals = ["SIGTERM", "SIGINT", "SIGQUIT"] as const
  const known = new Set(signals.flatMap((signal) => process.listeners(signal)))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const signal of signals) {
        for (const listener of process.listeners(signal)) if (!known.has(listener)) process.off(signal, listener)
      }
    })
  )
  yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const server = new FtpSrv({
        url: `ftp://127.0.0.1:${port}`,
        pasv_url: "127.0.0.1",
        log: quiet() as never,
        anonymous: false
      })
      server.on(
        "login",
        ({ password, username }, resolve, reject) =>
          username === "me" && password === "secret" ? resolve({ root }) : reject(new Error("no"))
      )
      await server.listen()
      return server
    }),
    (server) => Effect.promise(async () => void await server.close())
  )
  const ftp = yield* Ftp.make({ host: "127.0.0.1", port, user: "me", password: Redacted.make("secret") })
  return { ftp, root }
})

describe("ftp-srv", () => {
  it.scopedLive("C34 files go there and back, are listed, renamed and removed", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { ftp, root } = yield* served
        const session = yield* ftp.connect()
        const content = pattern(3_000_000)
        yield* session.put("a b", content)
        expect(same(fs.readFileSync(path.join(root, "a b")), content)).toBe(true)
        expect(same(yield* session.get("a b"), content)).toBe(true)
        expect((yield* session.list()).map(({ name, size }) => [name, size])).toEqual([["a b", 3_000_000]])
        yield* session.makeDirectory("d")
        yield* session.rename("a b", "d/c")
        expect(yield* session.size("d/c")).toBe(3_000_000)
        expect((yield* session.modified("d/c")).date.getTime()).toBeGreaterThan(0)
        expect(same(yield* session.get("d/c", { offset: 2_999_990 }), content.subarray(2_999_990))).toBe(true)
        yield* session.put("log", "one")
        yield* session.put("log", "two", { mode: "append" })
        expect(text(yield* session.get("log"))).toBe("onetwo")
        yield* session.remove("d/c")
        yield* session.removeDirectory("d")
        expect(yield* session.exists("d")).toBe(false)
        expect(yield* Effect.flip(session.size("nope"))).toMatchObject({ _tag: "NotFound" })
        // It answers 551, which means more than that.
        expect(yield* Effect.flip(session.get("nope"))).toMatchObject({ _tag: "FtpReplyError", code: 551 })
      }),
      layer
    ))

  it.scopedLive("S18 get and put work from a URL, and nlst lists names", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { ftp, root } = yield* served
        yield* ftp.put({ path: "x" }, "text")
        expect(fs.readFileSync(path.join(root, "x"), "utf8")).toBe("text")
        expect(text(yield* ftp.get({ path: "x" }))).toBe("text")
        expect(yield* ftp.names({ path: "" })).toEqual(["x"])
      }),
      layer
    ))

  it.scopedLive("C34 an interrupted download leaves a session that works, or one that says it is gone", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { ftp, root } = yield* served
        fs.writeFileSync(path.join(root, "big"), pattern(20_000_000))
        const session = yield* ftp.connect({ timeouts: { abort: "2 seconds" } })
        yield* Stream.runDrain(Stream.take(session.download("big"), 1))
        const after = yield* Effect.either(session.size("big"))
        if (after._tag === "Right") expect(after.right).toBe(20_000_000)
        else {
          // It sends a 426 after everything else, which answers no command, so the session ends.
          expect(["ProtocolViolation", "SessionClosed"]).toContain(after.left._tag)
          expect(yield* session.isUsable).toBe(false)
        }
      }),
      layer
    ))

  it.scopedLive("C34 a wrong password is LoginRefused", () =>
    Effect.provide(
      Effect.gen(function*() {
        const { ftp } = yield* served
        const error = yield* Effect.flip(Effect.scoped(ftp.connect({ user: "me", password: Redacted.make("wrong") })))
        expect(error).toMatchObject({ _tag: "LoginRefused", user: "me" })
      }),
      layer
    ))
})
