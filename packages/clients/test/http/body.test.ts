/** The bodies of requests: their bytes, types and lengths; forms against the platform's own parser of forms. */
import { Sampling } from "@copas/core/testing"
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Schema, Scope, Stream } from "effect"
import * as FC from "effect/FastCheck"
import { createHash } from "node:crypto"
import { inspect } from "node:util"
import { Body } from "../../src/index.js"
import { open, type Opened } from "../../src/internal/http/body.js"
import { concat } from "../../src/internal/text/bytes.js"

class Invalid {
  readonly _tag = "Invalid"
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

let seed = 0
const opening = {
  invalid: (reason: string) => new Invalid(reason),
  randomBytes: (length: number) => new Uint8Array(createHash("sha256").update(`${seed++}`).digest().subarray(0, length))
}

const read = <E>(opened: Opened<E>): Effect.Effect<Uint8Array, E> => {
  const { wire } = opened
  if (wire instanceof Uint8Array) return Effect.succeed(wire)
  const chunks: Array<Uint8Array> = []
  const loop: Effect.Effect<void, E> = Effect.flatMap(wire.pull, (chunk) => {
    if (chunk === undefined) return Effect.void
    expect(chunk.length).toBeGreaterThan(0)
    chunks.push(chunk)
    return loop
  })
  return Effect.map(loop, () => concat(chunks))
}

/** The body as it goes out, and what is said of it. */
const sent = <E, R>(body: Body.Body<E, R>) =>
  Effect.scoped(Effect.gen(function*() {
    const opened = yield* open(body, opening)
    const bytes = yield* read(opened)
    const { length } = opened.wire
    if (length !== undefined) expect(bytes.length).toBe(length)
    return {
      type: opened.type,
      length,
      bytes,
      text: new TextDecoder().decode(bytes)
    }
  }))

const parsed = <E, R>(body: Body.Body<E, R>) =>
  Effect.flatMap(
    sent(body),
    ({ bytes, type }) =>
      Effect.promise(() => new Response(new Uint8Array(bytes), { headers: { "content-type": type! } }).formData())
  )

const reasonOf = <E, R>(body: Body.Body<E, R>) =>
  Effect.map(Effect.flip(sent(body)), (error) => error instanceof Invalid ? error.reason : error)

const utf8 = (text: string) => new TextEncoder().encode(text)

describe("bodies at hand", () => {
  it.effect("C33 text, bytes, JSON and forms have the type and the length of what they are", () =>
    Effect.gen(function*() {
      const at = { n: new Date(0) }
      const table: ReadonlyArray<readonly [Body.Body<unknown>, string, string]> = [
        ["é", "text/plain;charset=UTF-8", "é"],
        ["", "text/plain;charset=UTF-8", ""],
        [utf8("ab"), "application/octet-stream", "ab"],
        [Body.text("a\ud800"), "text/plain;charset=UTF-8", "a\ufffd"],
        [Body.text("a,b", { type: "text/csv" }), "text/csv", "a,b"],
        [Body.bytes(utf8("ab"), { type: "image/png" }), "image/png", "ab"],
        [Body.json(Schema.Struct({ n: Schema.Date }))(at), "application/json", "{\"n\":\"1970-01-01T00:00:00.000Z\"}"],
        [Body.jsonValue([1, null, "é"]), "application/json", "[1,null,\"é\"]"],
        [
          Body.form({ a: "1 2&", b: ["x", true], c: undefined, d: 2n }),
          "application/x-www-form-urlencoded",
          "a=1+2%26&b=x&b=true&d=2"
        ],
        [Body.form([["b", 1], ["a", 2], ["b", 3]]), "application/x-www-form-urlencoded", "b=1&a=2&b=3"],
        [Body.form(new URLSearchParams("a=%00&a=b")), "application/x-www-form-urlencoded", "a=%00&a=b"],
        [Body.blob(new Blob(["ab"], { type: "text/css" })), "text/css", "ab"],
        [Body.blob(new Blob(["ab"])), "application/octet-stream", "ab"]
      ]
      for (const [body, type, text] of table) {
        const result = yield* sent(body)
        expect(result).toMatchObject({ type, text, length: utf8(text).length })
        expect(Body.isReplayable(body)).toBe(true)
      }
    }))

  it.effect("C33 what has no form in JSON is refused before anything is sent", () =>
    Effect.gen(function*() {
      const circle: Record<string, unknown> = {}
      circle.self = circle
      const throwing = {
        toJSON: () => {
          throw Object.create(null)
        }
      }
      for (const value of [undefined, () => 1, Symbol("a"), 1n, circle, throwing]) {
        expect(yield* reasonOf(Body.jsonValue(value))).toMatch(/^its value has no form in JSON/)
      }
      expect(yield* reasonOf(Body.json(Schema.Undefined)(undefined))).toMatchObject({ _tag: "ParseError" })
      const error = yield* Effect.flip(sent(Body.json(Schema.NonEmptyString)("")))
      expect(error).toMatchObject({ _tag: "ParseError" })
      expect(yield* reasonOf({} as Body.Body)).toContain("module Body")
      for (const none of [5, null, {}, []] as ReadonlyArray<unknown>) {
        expect(yield* reasonOf(none as Body.Body)).toContain("module Body")
        expect(yield* reasonOf(Body.multipart({ a: { content: none as Body.Body } }))).toContain("module Body")
      }
      expect(yield* reasonOf(Body.multipart([["a", null as unknown as string]]))).toContain("module Body")
    }))

  it("C33 no body shows its content", () => {
    const secret = "swordfish"
    const bodies = [
      Body.text(secret),
      Body.form({ secret }),
      Body.jsonValue(secret),
      Body.multipart({ secret }),
      Body.stream(Stream.make(utf8(secret)))
    ]
    for (const body of bodies) expect(JSON.stringify(body) + inspect(body)).not.toContain(secret)
  })
})

describe("streams", () => {
  it.effect("C33 a stream goes out as it comes, without empty chunks, and each sending of a replayable one makes it again", () =>
    Effect.gen(function*() {
      let made = 0
      let released = 0
      const body = Body.from(
        Effect.acquireRelease(
          Effect.sync(() => Stream.make(utf8("a"), new Uint8Array(0), utf8(String(++made)))),
          () => Effect.sync(() => released++)
        ),
        { type: "text/plain" }
      )
      expect(yield* sent(body)).toMatchObject({ type: "text/plain", length: undefined, text: "a1" })
      expect(yield* sent(body)).toMatchObject({ text: "a2" })
      expect(released).toBe(2)
      expect(yield* sent(Body.stream(Stream.empty, { length: 0 }))).toMatchObject({ length: 0 })
    }))

  it.effect("C33 a stream's failure is the body's, and what is not bytes is refused", () =>
    Effect.gen(function*() {
      const failing = Body.stream(Stream.concat(Stream.make(utf8("a")), Stream.fail("broken" as const)))
      expect(yield* Effect.flip(sent(failing))).toBe("broken")
      expect(yield* Effect.flip(sent(Body.from(Effect.fail("not made" as const))))).toBe("not made")
      const text = Stream.make("text") as unknown as Stream.Stream<Uint8Array>
      expect(yield* reasonOf(Body.stream(text))).toContain("string")
      for (const length of [-1, 1.5, NaN, Infinity]) {
        expect(yield* reasonOf(Body.stream(Stream.empty, { length }))).toContain(String(length))
      }
    }))

  it.effect("C33 what a stream needs is what was there when it was opened, and it ends with the scope", () =>
    Effect.gen(function*() {
      let ended = 0
      const stream = Stream.fromEffect(FileSystem.FileSystem).pipe(
        Stream.as(utf8("x")),
        Stream.concat(Stream.never),
        Stream.ensuring(Effect.sync(() => ended++))
      )
      const scope = yield* Scope.make()
      const opened = yield* open(Body.stream(stream), opening).pipe(
        Scope.extend(scope),
        Effect.provideService(FileSystem.FileSystem, FileSystem.makeNoop({}))
      )
      if (opened.wire instanceof Uint8Array) throw new Error("bytes")
      expect(yield* opened.wire.pull).toEqual(utf8("x"))
      expect(ended).toBe(0)
      yield* Scope.close(scope, Exit.void)
      expect(ended).toBe(1)
    }))
})

describe("forms with files", () => {
  it.effect("C33 a form is what RFC 7578 says, in the order that was given", () =>
    Effect.gen(function*() {
      const { length, text, type } = yield* sent(Body.multipart({
        title: "a\r\nb",
        tags: ["x", 1],
        gone: undefined,
        file: { content: "# hi", filename: "a\"b\r\n.md", type: "text/markdown" },
        raw: utf8("r"),
        json: Body.jsonValue([1])
      }))
      const boundary = /^multipart\/form-data; boundary=(copas-[0-9a-f]{32})$/.exec(type!)![1]!
      const head = (name: string, rest = "") =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${rest}\r\n`
      expect(text).toBe(
        `${head("title")}\r\na\r\nb\r\n${head("tags")}\r\nx\r\n${head("tags")}\r\n1\r\n` +
          `${head("file", "; filename=\"a%22b%0D%0A.md\"")}Content-Type: text/markdown\r\n\r\n# hi\r\n` +
          `${head("raw")}Content-Type: application/octet-stream\r\n\r\nr\r\n` +
          `${head("json")}Content-Type: application/json\r\n\r\n[1]\r\n--${boundary}--\r\n`
      )
      expect(length).toBe(utf8(text).length)
    }))

  it.effect("C33 the platform's parser reads every form as it was given", () =>
    Effect.promise(() => {
      // The parser takes a mark of the byte order off the beginning of a name.
      const name = FC.string({ unit: "binary", maxLength: 12 }).map((text) =>
        text.replace(/%0[dD]|%0[aA]|%22|[\ud800-\udfff\r\n]|^\ufeff+/g, "_")
      )
      const content = FC.oneof(
        FC.string({ unit: "binary" }).map((text) => text.replace(/[\ud800-\udfff]/g, "")),
        FC.uint8Array()
      )
      const part = FC.record({
        name,
        content,
        filename: FC.option(name, { nil: undefined }),
        how: FC.integer({ min: 0, max: 3 })
      })
      return FC.assert(
        FC.asyncProperty(FC.array(part, { maxLength: 6 }), async (parts) => {
          const body = Body.multipart(parts.map(({ content, filename, how, name }) => {
            const bytes = typeof content === "string" ? utf8(content) : content
            const stream = Stream.fromIterable([bytes.subarray(0, 1), bytes.subarray(1)])
            const given = [
              content,
              Body.bytes(bytes),
              Body.stream(stream, { length: bytes.length }),
              Body.stream(stream)
            ][how]!
            return [name, { content: given, filename: filename ?? "f", type: "x/y" }] as const
          }))
          const form = await Effect.runPromise(parsed(body))
          const seen = await Promise.all(
            Array.from(form as unknown as Iterable<[string, File]>, async ([name, file]) => [
              name,
              file.name,
              file.type,
              Array.from(new Uint8Array(await file.arrayBuffer()))
            ])
          )
          expect(seen).toEqual(parts.map(({ content, filename, name }) => [
            name,
            filename ?? "f",
            "x/y",
            Array.from(typeof content === "string" ? utf8(content) : content)
          ]))
        }),
        { numRuns: Sampling.size({ short: 60, long: 20_000 }) }
      )
    }))

  it.effect("C33 the length is known where that of every part is, and a part that differs from its own fails the form", () =>
    Effect.gen(function*() {
      const part = (bytes: number, length: number | undefined) =>
        Body.from(Effect.succeed(Stream.fromIterable(Array.from({ length: bytes }, () => utf8("x")))), { length })
      expect((yield* sent(Body.multipart({ a: part(3, 3), b: part(2, 2) }))).length).toBeGreaterThan(5)
      expect((yield* sent(Body.multipart({ a: part(3, 3), b: part(2, undefined) }))).length).toBe(undefined)
      // Their sum is right, and neither is.
      expect(yield* reasonOf(Body.multipart({ a: part(2, 3), b: part(3, 2) }))).toContain(
        "\"a\" gave 2 bytes in place of the 3"
      )
      expect(yield* reasonOf(Body.multipart({ a: part(3, 3), b: part(3, 2) }))).toContain("\"b\" gave 3 or more bytes")
      expect(yield* reasonOf(Body.multipart({ a: { content: "x", type: "a\r\nb: c" } }))).toContain("no field value")
    }))

  it.effect("C33 a browser's form keeps its files, and has CR LF for line ends", () =>
    Effect.gen(function*() {
      const form = new FormData()
      form.append("a\n", "1\n2\r3")
      form.append("f", new File(["x"], "ü.txt", { type: "text/x" }))
      form.append("g", new Blob(["y"]))
      const read = Array.from((yield* parsed(Body.formData(form))) as unknown as Iterable<[string, string | File]>)
      expect(read[0]).toEqual(["a\r\n", "1\r\n2\r\n3"])
      expect(read.slice(1).map(([name, file]) => [name, (file as File).name, (file as File).type])).toEqual([
        ["f", "ü.txt", "text/x"],
        ["g", "blob", "application/octet-stream"]
      ])
    }))
})

describe("files", () => {
  const withFile = <A, E, R>(bytes: number, use: (path: string, fs: FileSystem.FileSystem) => Effect.Effect<A, E, R>) =>
    Effect.scoped(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const path = `${directory}/ä b.json`
      yield* fs.writeFile(path, Uint8Array.from({ length: bytes }, (_, index) => index % 251))
      return yield* use(path, fs)
    })).pipe(Effect.provide(NodeContext.layer))

  it.live("C33 a file has its length and type, and a range of it is what was asked for", () =>
    withFile(600_000, (path) =>
      Effect.gen(function*() {
        const whole = yield* sent(Body.file(path))
        expect(whole).toMatchObject({ type: "application/json", length: 600_000 })
        expect(yield* sent(Body.file(path, { offset: 600_000 }))).toMatchObject({ length: 0 })
        const range = yield* sent(Body.file(path, { offset: 10, bytes: 300_000, type: "x/y" }))
        expect(range).toMatchObject({ type: "x/y", length: 300_000 })
        expect(Buffer.compare(range.bytes, whole.bytes.subarray(10, 300_010))).toBe(0)
        expect(yield* reasonOf(Body.file(path, { offset: 600_001 }))).toContain("has 600000 bytes")
        expect(yield* reasonOf(Body.file(path, { bytes: 600_001 }))).toContain("has 600000 bytes")
        expect(yield* reasonOf(Body.file(path, { offset: -1 }))).toContain("-1")
        expect(yield* reasonOf(Body.file(path, { bytes: 0.5 }))).toContain("0.5")
        expect(yield* reasonOf(Body.file(path.slice(0, path.lastIndexOf("/"))))).toContain("is a directory")
        expect(yield* reasonOf(Body.file(`${path}x`))).toMatchObject({ _tag: "SystemError", reason: "NotFound" })
      })))

  it.live("C33 files of a form keep their names, one is open at a time, and one that changes its size fails the form", () =>
    withFile(300_000, (path, fs) =>
      Effect.gen(function*() {
        let now = 0
        let most = 0
        const counting = FileSystem.make({
          ...fs,
          open: (path, options) =>
            Effect.tap(fs.open(path, options), () => {
              most = Math.max(most, ++now)
              return Effect.addFinalizer(() => Effect.sync(() => now--))
            })
        } as FileSystem.FileSystem)
        const form = Body.multipart({ a: Body.file(path), b: [Body.file(path, { bytes: 5 }), Body.file(path)] })
        const form_ = yield* parsed(form).pipe(Effect.provideService(FileSystem.FileSystem, counting))
        expect(Array.from(form_.values() as Iterable<File>, ({ name, size }) => [name, size])).toEqual([
          ["ä b.json", 300_000],
          ["ä b.json", 5],
          ["ä b.json", 300_000]
        ])
        expect({ most, now }).toEqual({ most: 1, now: 0 })
        for (const size of [299_999, 300_001]) {
          const changed = Effect.scoped(Effect.gen(function*() {
            const opened = yield* open(form, opening)
            yield* fs.writeFile(path, new Uint8Array(size))
            return yield* read(opened)
          }))
          expect(yield* Effect.flip(changed)).toMatchObject({
            reason: expect.stringContaining("in place of the 300000")
          })
          yield* fs.writeFile(path, new Uint8Array(300_000))
        }
      })))
})
