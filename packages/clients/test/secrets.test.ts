/** No text that a connector or a signer of mail gives shows a secret. FTP's counterpart is `ftp/secrets.test.ts`. */
import { Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { expect, it } from "@effect/vitest"
import { Effect, Either, Redacted } from "effect"
import * as Crypto from "node:crypto"
import * as Secrets from "../../node/test/secrets.js"
import { Dkim, Ftp, Proxy } from "../src/index.js"

const password = "hunter2-correct-horse"
const basic = Buffer.from(`me:${password}`).toString("base64")

it.scopedLive("C34 a connector through a proxy, and its errors, show no password, also if the proxy repeats it", () =>
  Effect.gen(function*() {
    const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
    const answers = [
      `HTTP/1.1 407 Basic ${basic} is wrong\r\n\r\n`,
      `${basic} is no answer\r\n\r\n`,
      `${password}\r\n\r\n`
    ]
    const serve = Effect.scoped(Effect.gen(function*() {
      const socket = yield* listener.accept
      yield* socket.receiveUntil("\r\n\r\n")
      yield* socket.send(answers.shift() ?? "")
    }))
    yield* Effect.forkScoped(Effect.forever(Effect.ignore(serve)))
    const values: Record<string, unknown> = {}
    const connectors = [
      Proxy.http(`http://me:${password}@127.0.0.1:${listener.port}`),
      Proxy.http({ host: "127.0.0.1", port: listener.port, user: "me", password: Redacted.make(password) }),
      Proxy.http(`http://me:${password}@127.0.0.1:${listener.port}`),
      Proxy.http(`nonsense://me:${password}@proxy.test`),
      Proxy.http(`http://me:${password}@:0:0`),
      Proxy.socks5(`socks5h://me:${password}@127.0.0.1:1`)
    ]
    for (const [index, connector] of connectors.entries()) {
      const ftp = yield* Ftp.make({ host: "ftp.test", connector })
      const exit = yield* Effect.exit(Effect.scoped(ftp.connect()))
      expect(exit._tag).toBe("Failure")
      Object.assign(values, { [`connector ${index}`]: connector, [`ftp ${index}`]: ftp, [`exit ${index}`]: exit })
    }
    const secrets = [Secrets.text("the password", password), Secrets.text("the password in base64", basic)]
    expect(yield* Secrets.search(secrets, values)).toEqual([])
  }).pipe(Effect.provide(NetMemory.layer)))

it.live("a signer of mail, and its errors, show no part of its key", () =>
  Effect.gen(function*() {
    const keys = Crypto.generateKeyPairSync("rsa", { modulusLength: 2048 })
    const pem = keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString()
    const body = pem.replace(/-----[^-]*-----|\s/g, "")
    const of = (key: string) => Dkim.signer({ domain: "b.test", selector: "s", key: Redacted.make(key) })
    const signer = Either.getOrThrow(of(pem))
    yield* signer.sign(Buffer.from("a message"))
    const values = {
      signer,
      cut: of(pem.slice(0, 600)),
      "without its lines": of(body),
      "a damaged key": of(pem.replace("MII", "!!!")),
      "a key of another kind": of(pem.replaceAll("PRIVATE KEY", "DSA PRIVATE KEY"))
    }
    const der = Buffer.from(body, "base64")
    const secrets = [
      { what: "the key", bytes: der.subarray(300, 340) },
      Secrets.text("the beginning of its text", body.slice(40, 80)),
      Secrets.text("the end of its text", body.slice(-60))
    ]
    expect(yield* Secrets.search(secrets, values)).toEqual([])
  }))
