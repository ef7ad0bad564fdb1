/** What a request for a file is answered, without a file. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { accepted, all } from "../../src/internal/static/codings.js"
import { parseDate } from "../../src/internal/static/conditions.js"
import { type File, type Plan, plan } from "../../src/internal/static/planner.js"

const now = Date.UTC(2026, 10, 27, 12)
const hourAgo = BigInt(now - 3_600_000) * 1_000_000n
const file: File = { size: 10, modified: hourAgo, contentType: "text/plain", coding: undefined, fields: {} }
const date = (millis: number) => new Date(millis).toUTCString()
const modified = date(now - 3_600_000)

const ask = (fields: Record<string, string> = {}, over: Partial<File> & { readonly isHead?: boolean } = {}): Plan =>
  plan({ isHead: over.isHead ?? false, fields, now, boundary: () => "BOUND" }, { ...file, ...over })

const tag = ask().fields["etag"]!
const text = "0123456789"
/** Status and what would be sent. */
const show = ({ parts, status }: Plan, content = text) =>
  `${status} ${parts.map((part) => typeof part === "string" ? part : content.slice(part.start, part.end)).join("")}`
    .trim()

describe("the planner of static files", () => {
  it.each(
    [
      ["bytes=0-0", "206 0"],
      ["bytes=-3", "206 789"],
      ["bytes=3-", "206 3456789"],
      ["bytes=2-4", "206 234"],
      ["bytes=8-100", "206 89"],
      ["bytes=-100", `206 ${text}`],
      ["bytes=-10", `206 ${text}`],
      ["BYTES=0-0", "206 0"],
      ["bytes= 0-0 ", "206 0"],
      ["bytes=,0-0,,", "206 0"],
      ["bytes=0-99999999999999999999999999", `206 ${text}`],
      ["bytes=20-", "416"],
      ["bytes=10-", "416"],
      ["bytes=-0", "416"],
      ["bytes=10-11,20-", "416"],
      ["bytes=5-2", `200 ${text}`],
      ["bytes=0-0,5-2", `200 ${text}`],
      ["lines=0-1", `200 ${text}`],
      ["bytes", `200 ${text}`],
      ["bytes=", `200 ${text}`],
      ["bytes=,", `200 ${text}`],
      ["bytes=-", `200 ${text}`],
      ["bytes=a-b", `200 ${text}`],
      ["bytes=0-1x", `200 ${text}`],
      ["bytes=0x0-1", `200 ${text}`],
      ["bytes=+0-1", `200 ${text}`],
      ["bytes=0--1", `200 ${text}`],
      ["bytes=0-1-2", `200 ${text}`],
      ["bytes=1.5-2", `200 ${text}`],
      ["bytes=0-1, bytes=3-4", `200 ${text}`],
      ["bytes=0-1,2-3", "206 0123"],
      ["bytes=4-5,0-4", "206 012345"],
      ["bytes=0-1,50-60", "206 01"],
      ["bytes=" + Array.from({ length: 200 }, () => "0-").join(","), `206 ${text}`]
    ] as const
  )("X02 case 39: of ten bytes, %s is answered %s", (range, answer) => {
    expect(show(ask({ range }))).toBe(answer)
    // HEAD has no ranges (RFC 9110, 14.2).
    const head = ask({ range }, { isHead: true })
    expect([head.status, head.parts, head.length]).toEqual([200, [], 10])
  })

  it("X02 case 39: several ranges are multipart/byteranges, with the length of what is sent", () => {
    const { fields, length, parts, status } = ask({ range: "bytes=0-1,4-5" })
    const body = parts.map((part) => typeof part === "string" ? part : text.slice(part.start, part.end)).join("")
    expect(status).toBe(206)
    expect(fields["content-type"]).toBe("multipart/byteranges; boundary=BOUND")
    expect(fields["content-range"]).toBeUndefined()
    expect(body).toBe([
      "--BOUND",
      "Content-Type: text/plain",
      "Content-Range: bytes 0-1/10",
      "",
      "01",
      "--BOUND",
      "Content-Type: text/plain",
      "Content-Range: bytes 4-5/10",
      "",
      "45",
      "--BOUND--",
      ""
    ].join("\r\n"))
    expect(length).toBe(body.length)
  })

  it.each(["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"])(
    "X02 case 39: an empty file has no bytes for %s",
    (range) => {
      const { fields, status } = ask({ range }, { size: 0 })
      expect([status, fields["content-range"]]).toEqual([416, "bytes */0"])
      expect(ask({}, { size: 0 }).length).toBe(0)
    }
  )

  it("X02 case 39: whatever ranges are asked for, no byte is sent twice, none is missing, and parts are few", () => {
    const number = fc.nat({ max: 120 })
    const spec = fc.oneof(
      fc.tuple(number, number).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
      number.map((n) => `${n}-`),
      number.map((n) => `-${n}`)
    )
    const wanted = (specs: ReadonlyArray<string>, size: number): ReadonlySet<number> => {
      const bytes = new Set<number>()
      for (const one of specs) {
        const [first = "", last = ""] = one.split("-")
        const start = first === "" ? Math.max(0, size - Number(last)) : Number(first)
        const end = first === "" || last === "" ? size - 1 : Math.min(size - 1, Number(last))
        for (let at = start; at <= end; at++) bytes.add(at)
      }
      return bytes
    }
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 40 }), fc.nat({ max: 100 }), (specs, size) => {
        const { fields, length, parts, status } = ask({ range: `bytes=${specs.join(", ")}` }, { size })
        const bytes = wanted(specs, size)
        const slices = parts.filter((part) => typeof part !== "string")
        expect(slices.length).toBeLessThanOrEqual(20)
        const sent = slices.flatMap(({ end, start }) => Array.from({ length: end - start }, (_, at) => start + at))
        expect(new Set(sent).size).toBe(sent.length)
        if (bytes.size === 0) {
          expect([status, sent, fields["content-range"]]).toEqual([416, [], `bytes */${size}`])
        } else if (status === 200) {
          expect([sent.length, length]).toEqual([size, size])
        } else {
          expect([status, [...sent].sort((a, b) => a - b)]).toEqual([206, [...bytes].sort((a, b) => a - b)])
          expect(length).toBe(
            show({ status, fields, parts, length }, "x".repeat(size)).length - 4 + (slices.length > 1 ? 2 : 0)
          )
        }
      }),
      { numRuns: Sampling.size({ short: 300, long: 50_000 }) }
    )
  })

  it.each(
    [
      [{}, 206],
      [{ "if-range": tag }, 206],
      [{ "if-range": modified }, 206],
      [{ "if-range": `W/${tag}` }, 200],
      [{ "if-range": `"x${tag.slice(1)}` }, 200],
      [{ "if-range": `${tag}, "other"` }, 200],
      [{ "if-range": tag.slice(1, -1) }, 200],
      [{ "if-range": "*" }, 200],
      [{ "if-range": "" }, 200],
      [{ "if-range": date(now - 3_601_000) }, 200],
      [{ "if-range": date(now - 3_599_000) }, 200],
      [{ "if-range": date(now) }, 200],
      [{ "if-range": "yesterday" }, 200]
    ] as const
  )("X02 case 40: a range with %j is answered %i", (fields, status) => {
    expect(ask({ range: "bytes=0-0", ...fields }).status).toBe(status)
  })

  it.each(
    [
      [{ "if-none-match": tag }, 304],
      [{ "if-none-match": `W/${tag}` }, 304],
      [{ "if-none-match": `"a", W/"b,c" ,, ${tag}` }, 304],
      [{ "if-none-match": "*" }, 304],
      [{ "if-none-match": "\"a\"" }, 200],
      [{ "if-none-match": tag.slice(1, -1) }, 200],
      [{ "if-none-match": `x${tag}` }, 200],
      [{ "if-none-match": "" }, 200],
      [{ "if-none-match": `"x${tag.slice(1)}` }, 200],
      [{ "if-modified-since": modified }, 304],
      [{ "if-modified-since": date(now) }, 304],
      [{ "if-modified-since": date(now - 3_601_000) }, 200],
      [{ "if-modified-since": "2026" }, 200],
      [{ "if-none-match": "\"a\"", "if-modified-since": modified }, 200],
      [{ "if-none-match": tag, "if-modified-since": date(0) }, 304],
      [{ "if-none-match": tag, range: "bytes=0-0" }, 304],
      [{ "if-none-match": "\"a\"", range: "bytes=0-0" }, 206],
      [{ "if-none-match": tag, range: "bytes=20-" }, 304],
      [{ "if-match": tag }, 200],
      [{ "if-match": "*" }, 200],
      [{ "if-match": `"a", ${tag}` }, 200],
      [{ "if-match": "\"a\"" }, 412],
      [{ "if-match": `W/${tag}` }, 412],
      [{ "if-match": `${tag} x` }, 412],
      [{ "if-match": "" }, 412],
      [{ "if-match": tag, range: "bytes=0-0" }, 206],
      [{ "if-match": "\"a\"", range: "bytes=20-" }, 412],
      [{ "if-match": "\"a\"", "if-none-match": tag }, 412],
      [{ "if-match": tag, "if-none-match": tag }, 304],
      [{ "if-match": tag, "if-unmodified-since": date(0) }, 200],
      [{ "if-unmodified-since": modified }, 200],
      [{ "if-unmodified-since": date(now - 3_601_000) }, 412],
      [{ "if-unmodified-since": "yesterday" }, 200],
      [{ "if-unmodified-since": date(0), "if-none-match": tag }, 412]
    ] as const
  )("X02 case 41: a request with %j is answered %i", (fields, status) => {
    for (const isHead of [false, true]) {
      const answer = ask(fields, { isHead })
      expect(answer.status).toBe(isHead && (status === 206) ? 200 : status)
      if (status === 304) {
        expect(answer.fields).toMatchObject({ etag: tag, "last-modified": modified })
        expect([answer.parts, answer.length, answer.fields["content-type"]]).toEqual([[], undefined, undefined])
      }
    }
  })

  it("X02 case 41: a file that changed within two seconds has a weak tag, which no range and no If-Match goes by", () => {
    for (const [age, isWeak] of [[0, true], [1999, true], [2000, false], [-60_000, true]] as const) {
      const young = { modified: BigInt(now - age) * 1_000_000n }
      const { etag = "", "last-modified": last } = ask({}, young).fields
      expect([age, etag.startsWith("W/")]).toEqual([age, isWeak])
      expect(Date.parse(last!)).toBeLessThanOrEqual(now)
      expect(ask({ "if-none-match": etag }, young).status).toBe(304)
      expect(ask({ "if-match": etag }, young).status).toBe(isWeak ? 412 : 200)
      expect(ask({ range: "bytes=0-0", "if-range": etag }, young).status).toBe(isWeak ? 200 : 206)
      expect(ask({ range: "bytes=0-0", "if-range": last! }, young).status).toBe(isWeak ? 200 : 206)
    }
  })

  it.each(
    [
      [undefined, "identity"],
      ["", "identity"],
      ["gzip", "gzip identity"],
      ["GZIP", "gzip identity"],
      ["x-gzip", "gzip identity"],
      ["gzip, br", "br gzip identity"],
      ["gzip;q=0", "identity"],
      ["gzip;Q=0", "identity"],
      ["gzip;q=0.000, br", "br identity"],
      ["br;q=0.5, gzip", "gzip br identity"],
      ["gzip;q=0.2, identity;q=0.8", "identity gzip"],
      ["*", "br zstd gzip identity"],
      ["*;q=0", ""],
      ["*;q=0, gzip", "gzip"],
      ["identity;q=0", ""],
      ["identity;q=0, gzip", "gzip"],
      ["*;q=0, identity", "identity"],
      ["gzip;q=0, *", "br zstd identity"],
      ["deflate, compress", "identity"],
      ["gzip;q=x", "identity"],
      [";,;;q=", "identity"]
    ] as const
  )("X02 case 42: Accept-Encoding %j takes %s", (field, order) => {
    expect(accepted(field, all).join(" ")).toBe(order)
  })

  it("X02 case 42: whatever the client says, it gets nothing that it refuses, and what it wants most comes first", () => {
    const names = ["br", "zstd", "gzip", "identity", "*", "deflate"] as const
    const entry = fc.tuple(fc.constantFrom(...names), fc.constantFrom(0, 0.001, 0.5, 1))
    fc.assert(
      fc.property(fc.uniqueArray(entry, { selector: ([name]) => name, maxLength: 6 }), (entries) => {
        const given = new Map<string, number>(entries)
        const others = given.get("*")
        // RFC 9110, 12.5.3: the file as it is may be sent unless it, or everything else, is refused.
        const least = Math.min(1, ...[...given.values()].filter((q) => q > 0))
        const weight = (name: string) => given.get(name) ?? others ?? (name === "identity" ? least : 0)
        const order = accepted(entries.map(([name, q]) => `${name};q=${q}`).join(", "), all)
        expect([...order].sort()).toEqual([...all, "identity"].filter((name) => weight(name) > 0).sort())
        for (let at = 1; at < order.length; at++) {
          expect(weight(order[at]!)).toBeLessThanOrEqual(weight(order[at - 1]!))
        }
      }),
      { numRuns: Sampling.size({ short: 300, long: 20_000 }) }
    )
    fc.assert(fc.property(fc.string(), (field) => {
      expect([...all, "identity"]).toEqual(expect.arrayContaining([...accepted(field, all)]))
    }))
  })

  it("X02 case 42: each coding has a tag of its own", () => {
    const tags = [undefined, ...all].map((coding) => ask({}, { coding }).fields["etag"])
    expect(new Set(tags).size).toBe(4)
    for (const coding of all) {
      const answer = ask({ range: "bytes=0-0" }, { coding })
      expect([answer.status, answer.fields["content-encoding"]]).toEqual([200, coding])
      expect(ask({ "if-none-match": tag }, { coding }).status).toBe(200)
    }
  })

  it("X02 dates are read in the three forms of HTTP, and nothing else is one", () => {
    const second = Date.UTC(1994, 10, 6, 8, 49, 37) / 1000
    for (
      const text of ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
    ) expect(parseDate(text, now / 1000)).toBe(second)
    expect(parseDate("Friday, 27-Nov-76 12:00:00 GMT", now / 1000)).toBe(Date.UTC(2076, 10, 27, 12) / 1000)
    expect(parseDate("Friday, 27-Nov-77 12:00:00 GMT", now / 1000)).toBe(Date.UTC(1977, 10, 27, 12) / 1000)
    for (
      const text of [
        "",
        "0",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 30 Feb 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",
        " Sun, 06 Nov 1994 08:49:37 GMT x"
      ]
    ) expect(parseDate(text, now / 1000)).toBeUndefined()
    fc.assert(fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
      expect(parseDate(date(seconds * 1000), now / 1000)).toBe(seconds)
    }))
  })

  it("X02 whatever the fields are, the planner gives an answer that can be sent", () => {
    const piece = fc.constantFrom(
      "bytes=",
      "0-",
      "-1",
      ",",
      tag,
      `W/${tag}`,
      "*",
      modified,
      "\"",
      " ",
      "gzip",
      ";q=0",
      "\u00ff"
    )
    const value = fc.oneof(fc.array(piece, { maxLength: 8 }).map((parts) => parts.join("")), fc.string())
    const fields = fc.record({
      "if-match": value,
      "if-none-match": value,
      "if-modified-since": value,
      "if-unmodified-since": value,
      "if-range": value,
      range: value
    }, { requiredKeys: [] })
    fc.assert(
      fc.property(fields, fc.nat({ max: 30 }), fc.boolean(), (fields, size, isHead) => {
        const answer = ask(fields as Record<string, string>, { size, isHead })
        expect([200, 206, 304, 412, 416]).toContain(answer.status)
        for (const [name, value] of Object.entries(answer.fields)) expect(`${name}: ${value}`).toMatch(/^[\x20-\x7e]+$/)
        for (const part of answer.parts) {
          if (typeof part === "string") continue
          expect(part.start).toBeLessThan(part.end)
          expect(part.end).toBeLessThanOrEqual(size)
        }
        if (isHead) expect([answer.parts, answer.status === 206]).toEqual([[], false])
      }),
      { numRuns: Sampling.size({ short: 500, long: 100_000 }) }
    )
  })
})
