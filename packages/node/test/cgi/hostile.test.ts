/** What hostile clients and broken scripts do to CGI, by kind. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { join } from "node:path"
import * as Cgi from "../../src/Cgi.js"
import { turn } from "../turns.js"
import { answerOf, ask, js, passing, plain, processesIn, scripts, servers, sh, until } from "./site.js"

/** Waits until a process has not written for a hundred turns, and says how much it has. */
const stalled = (pid: number) =>
  Effect.gen(function*() {
    const written = () => Number(/^wchar: (\d+)/m.exec(Fs.readFileSync(`/proc/${pid}/io`, "utf8"))![1])
    let before = -1
    for (let same = 0; same < 100; same++) {
      yield* turn
      if (written() !== before) same = 0
      before = written()
    }
    return before
  })

/** Says by a file that a script has come so far. */
const mark = (name: string) => `: > ${name}`

describe.each(servers)("X05 CGI on $name", ({ cuts, serve }) => {
  it.scoped("X05 a field `Proxy` is never HTTP_PROXY", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "env": sh(plain, "env") })
      const site = yield* serve(yield* Cgi.make({ root }))
      const { body, status } = yield* ask(site, "/env", { fields: ["Proxy: http://evil.test/", "X-Seen: yes"] })
      expect(status).toBe(200)
      expect(body).toContain("HTTP_X_SEEN=yes")
      expect(body).not.toMatch(/PROXY|evil/i)
    }))

  it.scoped("X05 two fields that are one variable are refused, and one with an underscore is no variable", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "env": sh(plain, "env") })
      const site = yield* serve(yield* Cgi.make({ root }))
      const fields = ["X-User: ada", "X_User: eve"]
      expect((yield* ask(site, "/env", { fields })).status).toBe(400)
      const { body, status } = yield* ask(site, "/env", { fields: fields.slice(1) })
      expect([status, body.includes("eve")]).toEqual([200, false])
    }))

  const wrong: Readonly<Record<string, string>> = {
    "no output": "exit 0",
    "no output and a failure": "exit 3",
    "an end by a signal": "kill -9 $$",
    "text without a head": "echo hello",
    "a head without its end": "printf 'Content-Type: text/plain\\n'",
    "an empty head": "printf '\\nhello'",
    "a head of 1 MB": "printf 'X-Long: '; head -c 1000000 /dev/zero | tr '\\0' x; printf '\\n\\n'",
    "1 MB of fields": "yes 'X-Field: a' | head -c 1000000; printf 'Content-Type: text/plain\\n\\n'",
    "none of CGI's fields": "printf 'X-Field: a\\n\\nhello'",
    "a line that is no field": "printf 'Content-Type: text/plain\\nhello\\n\\n'",
    "a folded line": "printf 'Content-Type: text/plain;\\n charset=utf-8\\n\\n'",
    "a space before the colon": "printf 'Content-Type : text/plain\\n\\n'",
    "a carriage return in a value": "printf 'Content-Type: text/plain\\rX: y\\n\\n'",
    "a NUL in a value": "printf 'Content-Type: text\\0plain\\n\\n'",
    "two types": "printf 'Content-Type: text/plain\\nContent-Type: text/html\\n\\n'",
    "two lengths": "printf 'Content-Type: a/b\\nContent-Length: 1\\nContent-Length: 2\\n\\nab'",
    "a length that is no number": "printf 'Content-Type: a/b\\nContent-Length: +1\\n\\na'",
    "an interim status": "printf 'Status: 101 Switching\\n\\n'",
    "a status that is none": "printf 'Status: 2000\\n\\n'",
    "an empty redirect": "printf 'Location:\\n\\n'",
    "a local redirect that is no path": "printf 'Location: /a b\\n\\n'"
  }
  it.scoped.each(Object.entries(wrong))(
    "X05 %s is 502, and nothing of it reaches the client",
    ([, line]) =>
      Effect.gen(function*() {
        const root = yield* scripts({ "wrong": sh(line) })
        const site = yield* serve(yield* Cgi.make({ root }))
        const { body, status } = yield* ask(site, "/wrong")
        expect([status, body]).toEqual([502, "502 Bad Gateway\n"])
        yield* until(() => processesIn(root).length === 0)
      })
  )

  it.scoped("X05 `Status: 404` is the status, and `Set-Cookie` stays as many fields as it was", () =>
    Effect.gen(function*() {
      const root = yield* scripts({
        "gone": sh(
          "printf 'Status: 404 Nothing here\\r\\nContent-Type: text/plain\\r\\n'",
          "printf 'Set-Cookie: a=1; Path=/; Odd\\nSet-Cookie: a=\"2, 3\"; Path=/b\\nVary: A\\nVary: B\\nConnection: close, x\\n'",
          "printf 'Transfer-Encoding: gzip\\n\\nsorry'"
        )
      })
      const site = yield* serve(yield* Cgi.make({ root }))
      const { body, head, status } = yield* ask(site, "/gone")
      expect([status, body]).toEqual([404, "sorry"])
      expect(head.match(/^set-cookie: .*$/gim)).toEqual([
        "set-cookie: a=1; Path=/; Odd",
        "set-cookie: a=\"2, 3\"; Path=/b"
      ])
      expect(head).toMatch(/^vary: A, B$/im)
      expect(head).not.toMatch(/gzip|close, x/)
    }))

  it.scoped("X05 a local redirect to itself ends after ten hops", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "loop": sh("echo run >> runs", "printf 'Location: /loop\\n\\n'") })
      const site = yield* serve(yield* Cgi.make({ root, maxConcurrent: 1 }))
      const { status } = yield* ask(site, "/loop", { method: "POST", fields: ["Content-Length: 2"], body: "ab" })
      expect(status).toBe(502)
      expect(Fs.readFileSync(join(root, "runs"), "utf8")).toBe("run\n".repeat(11))
    }))

  it.scoped("X05 endless output waits for its client, and is ended when that leaves", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "endless": sh(plain, "exec cat /dev/zero") })
      const site = yield* serve(yield* Cgi.make({ root }))
      const one = yield* site.connect(false)
      one.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
      yield* until(() => processesIn(root).length === 1)
      const [pid] = processesIn(root)
      // Some MiB are in the system's buffers, of the client's socket and of the server's.
      expect(yield* stalled(pid!)).toBeLessThan(16 * 1024 * 1024)
      yield* one.leave
      yield* until(() => processesIn(root).length === 0)
    }))

  it.scoped("X05 a script with no output and no end is killed with its children, and the client gets 504", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "mute": sh("sleep 1000 &", "sleep 1000") })
      const site = yield* serve(yield* Cgi.make({ root }))
      const asked = yield* Effect.fork(ask(site, "/mute"))
      yield* until(() => processesIn(root).length === 3)
      expect((yield* passing(Fiber.join(asked))).status).toBe(504)
      yield* until(() => processesIn(root).length === 0)
    }))

  it.scoped("X05 output that stands still, and a script that takes too long, end the answer", () =>
    Effect.gen(function*() {
      const root = yield* scripts({
        "still": sh(plain, "echo begun", "exec sleep 1000"),
        "slow": sh(plain, "while :; do echo tick; sleep 0.01; done")
      })
      const site = yield* serve(yield* Cgi.make({ root, timeouts: { total: "1 minute" } }))
      for (const path of ["/still", "/slow"]) {
        const one = yield* site.connect(true)
        one.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
        yield* until(() => /begun|tick/.test(one.received()))
        const text = yield* passing(one.whole)
        expect(answerOf(text).status).toBe(200)
        if (cuts) expect(text.endsWith("0\r\n\r\n")).toBe(false)
        yield* until(() => processesIn(root).length === 0)
      }
    }))

  const leaving: Readonly<Record<string, readonly [script: string, fields: string, sees: RegExp]>> = {
    "before the head": [sh(mark("here"), "sleep 1000 & sleep 1000"), "", /^$/],
    "within the body": [sh(plain, "echo begun", mark("here"), "sleep 1000 & sleep 1000"), "", /begun/],
    "while it sends": [
      sh("head -c 5 > /dev/null", mark("here"), "cat > /dev/null"),
      "Content-Length: 1000000\r\n",
      /^$/
    ],
    "while it sends in chunks": [sh("exit 1"), "Transfer-Encoding: chunked\r\n", /^$/]
  }
  it.scoped.each(Object.entries(leaving))(
    "X05 a client that leaves %s ends the script and its children",
    ([, row]) =>
      Effect.gen(function*() {
        const [script, fields, sees] = row
        const root = yield* scripts({ "script": script })
        const site = yield* serve(yield* Cgi.make({ root, maxConcurrent: 1 }))
        const one = yield* site.connect(true)
        one.send(`POST /script HTTP/1.1\r\nHost: a\r\n${fields}\r\n${fields === "" ? "" : "5\r\nabcde\r\n"}`)
        if (!fields.startsWith("T")) yield* until(() => Fs.existsSync(join(root, "here")) && sees.test(one.received()))
        for (let turns = 0; turns < 20; turns++) yield* turn
        yield* one.leave
        yield* until(() => processesIn(root).length === 0)
        // Its place is free again.
        Fs.writeFileSync(join(root, "script"), sh(plain, "echo well"))
        const again = Effect.repeat(ask(site, "/script"), { until: ({ status }) => status !== 503 })
        expect((yield* again).body).toBe("well\n")
      })
  )

  it.scoped("X05 children that a script leaves behind end with it", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "parent": sh(plain, "sleep 1000 > /dev/null 2>&1 &", "echo done") })
      const site = yield* serve(yield* Cgi.make({ root }))
      expect((yield* ask(site, "/parent")).body).toBe("done\n")
      yield* until(() => processesIn(root).length === 0)
    }))

  it.scoped("X05 a script that ignores TERM is killed two seconds later", () =>
    Effect.gen(function*() {
      const root = yield* scripts({
        "deaf": js(
          "process.on('SIGTERM', () => require('fs').writeFileSync('termed', ''))",
          "process.stdout.write('Content-Type: text/plain\\n\\nhere')",
          "setInterval(() => {}, 1000)"
        )
      })
      const site = yield* serve(yield* Cgi.make({ root }))
      const one = yield* site.connect(true)
      one.send("GET /deaf HTTP/1.1\r\nHost: a\r\n\r\n")
      yield* until(() => one.received().includes("here"))
      yield* one.leave
      yield* until(() => Fs.existsSync(join(root, "termed")))
      yield* TestClock.adjust("1999 millis")
      for (let turns = 0; turns < 50; turns++) yield* turn
      expect(processesIn(root).length).toBe(1)
      yield* TestClock.adjust("1 millis")
      yield* until(() => processesIn(root).length === 0)
    }))

  it.scoped("X05 of 500 requests at once 32 run, and the others get 503 at once", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "wait": sh("read line < gate", plain, "echo done") })
      execFileSync("mkfifo", [join(root, "gate")])
      const site = yield* serve(yield* Cgi.make({ root }))
      let refused = 0
      const asked = yield* Effect.fork(Effect.forEach(
        Array.from({ length: 500 }),
        () => Effect.tap(ask(site, "/wait"), ({ status }) => Effect.sync(() => refused += status === 503 ? 1 : 0)),
        { concurrency: "unbounded" }
      ))
      yield* until(() => refused === 468)
      expect(processesIn(root).length).toBe(32)
      const gate = Fs.openSync(join(root, "gate"), Fs.constants.O_RDWR)
      Fs.writeSync(gate, "go\n".repeat(32))
      const answers = yield* Fiber.join(asked)
      Fs.closeSync(gate)
      expect(answers.filter(({ status }) => status === 200).length).toBe(32)
      expect(answers.find(({ status }) => status === 503)!.field("retry-after")).toBe("1")
      yield* until(() => processesIn(root).length === 0)
      expect((yield* ask(site, "/none")).status).toBe(404)
    }))

  it.scoped("X05 no process is left when the handler's scope has ended, and then it answers 503", () =>
    Effect.gen(function*() {
      const root = yield* scripts({ "long": sh(plain, "echo begun", "sleep 1000 & sleep 1000") })
      const scope = yield* Scope.make()
      const site = yield* serve(yield* Scope.extend(Cgi.make({ root }), scope))
      const one = yield* site.connect(true)
      one.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
      yield* until(() => one.received().includes("begun") && processesIn(root).length === 3)
      yield* Scope.close(scope, Exit.void)
      expect(processesIn(root)).toEqual([])
      expect((yield* ask(site, "/long")).status).toBe(503)
    }))
})
