/** The pure parts of CGI: heads of output, environments, command lines, lines of stderr. */
import { describe, expect, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { Allowance, Lines } from "../../src/internal/cgi/complaints.js"
import { environmentOf, type Facts, wordsOf } from "../../src/internal/cgi/environment.js"
import { HeadReader, parse } from "../../src/internal/cgi/head.js"
import { forEnvironment } from "../../src/internal/cgi/text.js"

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1")

const facts: Facts = {
  method: "GET",
  query: "",
  headers: {},
  remoteAddress: "192.0.2.1",
  protocol: "HTTP/1.1",
  serverName: "copas.test",
  serverPort: "80",
  isTls: false,
  scriptName: "/script",
  pathInfo: "",
  pathTranslated: undefined,
  contentLength: undefined,
  hasAuthorization: false
}

/** Splits by the sizes, over and over. */
const split = (whole: Uint8Array, sizes: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const parts: Array<Uint8Array> = []
  for (let at = 0, one = 0; at < whole.length; one++) {
    const size = sizes[one % sizes.length]!
    parts.push(whole.subarray(at, at + size))
    at += size
  }
  return parts
}
const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 })
const end = fc.constantFrom("\n", "\r\n")

describe("X05 the head of a script's output", () => {
  it.prop("X05 a head ends at its blank line, however it was cut and its lines end", [
    fc.array(fc.tuple(fc.stringMatching(/^[A-Za-z-]{1,8}: [ -~]{0,12}$/), end), { minLength: 1, maxLength: 6 }),
    end,
    fc.uint8Array({ maxLength: 20 }),
    sizes
  ], ([lines, last, body, sizes]) => {
    const head = lines.map(([line, end]) => line + end).join("") + last
    const reader = new HeadReader(1000)
    const whole = Buffer.concat([bytes(head), body])
    let found: ReturnType<HeadReader["push"]>
    let after = Buffer.alloc(0)
    for (const part of split(whole, sizes)) {
      if (found === undefined) found = reader.push(part)
      else after = Buffer.concat([after, part])
    }
    if (found === undefined || "kind" in found) throw new Error("no end")
    expect(found.head.toString("latin1")).toBe(head)
    expect(Buffer.concat([found.rest, after])).toEqual(Buffer.from(body))
  })

  it.prop("X05 a head of more bytes than it may have is refused, however it was cut", [
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ min: 1, max: 60 }),
    sizes
  ], ([size, most, sizes]) => {
    const reader = new HeadReader(most)
    const head = `${"x".repeat(size)}\n\n`
    let last: ReturnType<HeadReader["push"]>
    for (const part of split(bytes(head), sizes)) last ??= reader.push(part)
    expect(last !== undefined && "kind" in last).toBe(head.length > most)
  })

  it.prop("X05 any bytes are a document that a server can send, a path, or refused", [
    fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((some) => Buffer.from(some)),
      fc.array(
        fc.tuple(
          fc.constantFrom(
            "Status",
            "Location",
            "Content-Type",
            "Content-Length",
            "Set-Cookie",
            "X",
            "__proto__",
            "Connection"
          ),
          fc.constantFrom(
            "200 OK",
            "404",
            "99",
            "/a",
            "//a",
            "http://a/",
            "text/plain",
            "5",
            "-5",
            "",
            "a\rb",
            "a\0b",
            "é"
          ),
          end
        ),
        { maxLength: 5 }
      ).map((lines) => bytes(lines.map(([name, value, end]) => `${name}: ${value}${end}`).join("") + "\n"))
    )
  ], ([head]) => {
    const answer = parse(head)
    if (answer.kind === "local") expect(answer.target).toMatch(/^\/[!-~]*$/)
    if (answer.kind !== "document") return
    expect(answer.status).toBeGreaterThanOrEqual(200)
    expect(answer.status).toBeLessThan(600)
    for (const [name, value] of answer.fields) {
      // By what Node sends fields: it throws for others.
      expect(() => new Headers([[name, value]])).not.toThrow()
      expect(name).not.toMatch(/^(connection|status|content-length|set-cookie|transfer-encoding)$/)
    }
    if (answer.length !== undefined) expect(Number.isSafeInteger(answer.length)).toBe(true)
  })
})

describe("X05 a script's environment", () => {
  const name = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_.!-]{1,8}$/),
    fc.constantFrom(
      "Proxy",
      "proxy",
      "PROXY",
      "__proto__",
      "constructor",
      "Content-Length",
      "Content_Length",
      "Authorization"
    )
  )
  it.prop("X05 no fields are one variable, make one of CGI's own, or name a proxy", [
    fc.array(fc.tuple(name, fc.stringMatching(/^[ -~]{0,8}$/)), { maxLength: 8 })
  ], ([fields]) => {
    const headers: Record<string, string> = Object.create(null)
    for (const [name, value] of fields) headers[name.toLowerCase()] = value
    const names = Object.keys(headers)
    const variables = new Set(names.map((name) => name.toUpperCase().replace(/[^A-Z0-9]/g, "_")))
    const environment = environmentOf({ ...facts, headers })
    if (variables.size < names.length) {
      expect(environment).toHaveProperty("fields")
      return
    }
    expect(environment).not.toHaveProperty("fields")
    const made = Object.keys(environment)
    expect(made).not.toContain("HTTP_PROXY")
    expect(made).not.toContain("HTTP_AUTHORIZATION")
    const plain = names.filter((name) =>
      /^[a-z0-9-]+$/.test(name) && !/^(proxy|authorization|content-length|te)$/.test(name)
    )
    expect(made.filter((name) => name.startsWith("HTTP_")).sort()).toEqual(
      plain.map((name) => `HTTP_${name.toUpperCase().replaceAll("-", "_")}`).sort()
    )
    expect(Object.getPrototypeOf(environment)).toBe(null)
  })

  it.prop("X05 a field's bytes that are UTF-8 reach the script as they came", [fc.string()], ([text]) => {
    const wire = Buffer.from(text).toString("latin1")
    expect(Buffer.from(forEnvironment(wire))).toEqual(Buffer.from(text))
  })

  it.prop("X05 no query makes a word with a NUL, or one that an interpreter takes for an option", [
    fc.array(fc.constantFrom("a", "-", "+", "=", "%00", "%2d", "%ff", "%C3%A9", "/", "%", "&"), { maxLength: 8 })
  ], ([parts]) => {
    const words = wordsOf("GET", parts.join(""))
    for (const word of words) expect(word).not.toMatch(/^-|\0|^$/)
    if (parts.includes("=")) expect(words).toEqual([])
    expect(wordsOf("POST", parts.join(""))).toEqual([])
  })
})

describe("X05 what scripts write to stderr", () => {
  it.prop("X05 lines are cut and escaped, and never lost below the rate", [
    fc.array(fc.oneof(fc.constantFrom("\n", "\r\n", "\u001b[31m", "\u2028", "é", "x".repeat(700)), fc.string()), {
      maxLength: 12
    }),
    sizes
  ], ([parts, sizes]) => {
    const lines = new Lines(new Allowance())
    const text = parts.join("")
    const logged = [...split(Buffer.from(text), sizes).flatMap((part) => lines.push(part, 0)), ...lines.end(0)]
    for (const line of logged) {
      // oxlint-disable-next-line no-control-regex
      expect(line).toMatch(/^[^\n\r\u001b\u2028]+$/)
      expect(line.length).toBeLessThan(6100)
    }
    const whole = Buffer.from(text).toString().replace(/^\uFEFF/, "").split("\n").filter((line) =>
      line !== "" && line !== "\r"
    )
    expect(logged.length).toBe(whole.length)
  })

  it("X05 fifty lines a second are logged of all scripts together, and then how many were dropped", () => {
    const allowance = new Allowance()
    const [one, other] = [new Lines(allowance), new Lines(allowance)]
    const many = Buffer.from("line\n".repeat(40))
    expect(one.push(many, 0).length).toBe(40)
    expect(other.push(many, 999).length).toBe(10)
    expect(other.push(Buffer.from("last\n"), 1000)).toEqual(["(30 lines more than 50 a second were dropped)", "last"])
  })
})
