/** Listings as LIST sends them: Unix, DOS and EPLF, dates, links, encodings. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import type * as Entry from "../../src/internal/ftp/listing/entry.js"
import * as Listing from "../../src/internal/ftp/listing/listing.js"
import * as SafeName from "../../src/internal/ftp/safeName.js"
import * as Codec from "../../src/internal/text/codec.js"
import { servers } from "./listingSamples.js"
import { binary, bytes, cut, places, plain, spicyBytes } from "./support.js"

const now = Date.parse("2024-05-15T12:00:00Z")

const lines = (text: string | Uint8Array, options: Partial<Listing.Options> = {}): ReadonlyArray<Entry.Line> => {
  const parser = Listing.make({ command: "LIST", now, ...options })
  const pushed = parser.push(typeof text === "string" ? bytes(text) : text)
  const last = parser.end()
  expect(pushed.error ?? last.error).toBeUndefined()
  return [...pushed.lines, ...last.lines]
}

const letters = { file: "-", directory: "d", link: "l", other: "o", unknown: "?" } as const

const digit = { millisecond: 23, second: 19, minute: 16, day: 10 } as const

/** One short string for each line: type, size, time to its precision, owner, group, name, target. */
const brief = (text: string | Uint8Array, options?: Partial<Listing.Options>): ReadonlyArray<string> =>
  lines(text, options).map((line) => {
    if (line._tag === "Unparsed") return `! ${line.reason} ${line.text}`
    const time = line.modifiedAt
    return [
      letters[line.type],
      line.size ?? "-",
      time === undefined
        ? "-"
        : time.date.toISOString().slice(0, digit[time.precision]) + (time.zone === "utc" ? "Z" : ""),
      line.permissions?.toString(8) ?? "-",
      line.owner ?? "-",
      line.group ?? "-",
      JSON.stringify(line.name),
      ...(line.linkTarget === undefined ? [] : ["->", JSON.stringify(line.linkTarget)]),
      ...(line.role === "child" ? [] : [line.role])
    ].join(" ")
  })

describe("listings", () => {
  it.each(servers)("S18 a listing is read as the server prints it: %s", (_name, text, expected) => {
    expect(brief(text)).toEqual(expected)
  })

  it("S18 a link with several arrows is cut where its size says, or else at the first", () => {
    expect(brief("lrwxrwxrwx 1 a b 6 May  1 10:00 a -> b -> c -> d\n")).toEqual([
      "l 6 2024-05-01T10:00 777 a b \"a -> b\" -> \"c -> d\""
    ])
    expect(brief("lrwxrwxrwx 1 a b 0 May  1 10:00 a -> b -> c\n")).toEqual([
      "l 0 2024-05-01T10:00 777 a b \"a\" -> \"b -> c\""
    ])
  })

  it("S18 a name keeps its bytes whatever the encoding, and months are known in each", () => {
    const line = binary("-rw-r--r-- 1 a b 5 14 f\xe9vr. 2019 \xe9t\xe9\r\n")
    const [asUtf8] = lines(line)
    const [asLatin1] = lines(line, { codec: Codec.latin1 })
    expect(asUtf8).toMatchObject({ name: "\uFFFDt\uFFFD", rawName: binary("\xe9t\xe9") })
    expect(asLatin1).toMatchObject({ name: "été", rawName: binary("\xe9t\xe9") })
    for (const entry of [asUtf8, asLatin1]) {
      expect(entry).toMatchObject({ modifiedAt: { date: new Date("2019-02-14T00:00:00Z"), precision: "day" } })
    }
    const sjis = binary("-rw-r--r--   1 root       bob           8473  4\x8c\x8e 18\x93\xfa 2003\x94\x4e \x93\xfa\r\n")
    expect(lines(sjis)[0]).toMatchObject({
      rawName: binary("\x93\xfa"),
      modifiedAt: { date: new Date("2003-04-18T00:00:00Z") }
    })
  })

  it("S18 a month in a language that is not known leaves the time out, not the entry", () => {
    expect(brief("-rw-r--r-- 1 a b 5 Xyz 14 2019 x\n")).toEqual(["- 5 - 644 a b \"x\""])
  })

  it("S18 a time without a year is of the last year, a day ahead allowed, leap days in leap years", () => {
    const year = (date: string, at: string) =>
      lines(`-rw-r--r-- 1 a b 5 ${date} x\n`, { now: Date.parse(at) })
        .map((line) => line._tag === "Entry" ? line.modifiedAt?.date.toISOString().slice(0, 16) : "")[0]
    expect(year("May 15 11:59", "2024-05-15T12:00:00Z")).toBe("2024-05-15T11:59")
    expect(year("May 16 11:59", "2024-05-15T12:00:00Z")).toBe("2024-05-16T11:59")
    expect(year("May 17 11:59", "2024-05-15T12:00:00Z")).toBe("2023-05-17T11:59")
    expect(year("Dec 31 23:59", "2024-01-01T00:00:00Z")).toBe("2023-12-31T23:59")
    expect(year("Jan  1 00:10", "2023-12-31T23:59:00Z")).toBe("2024-01-01T00:10")
    expect(year("Feb 29 10:00", "2023-03-01T00:00:00Z")).toBe("2020-02-29T10:00")
    expect(year("Feb 29 10:00", "2103-03-01T00:00:00Z")).toBe("2096-02-29T10:00")
  })

  it("S18 the server's zone moves its local times, and no others", () => {
    const utcOffsetMinutes = 120
    expect(brief("-rw-r--r-- 1 a b 5 May  1 10:00 x\n", { utcOffsetMinutes })[0]).toContain("2024-05-01T08:00")
    expect(brief("12-05-96  05:03PM       <DIR>          x\n", { utcOffsetMinutes })[0]).toContain("1996-12-05T15:03")
    expect(brief("modify=20240501100000; x\n", { utcOffsetMinutes })[0]).toContain("2024-05-01T10:00:00Z")
  })

  it.each([
    "-rw-r--r-- 1 a b 9007199254740992 May  1 10:00 x",
    "-rw-r--r-- 1 a b 99999999999999999999999 May  1 10:00 x",
    "05-01-24  10:00AM     9007199254740992 x",
    "type=file;size=9007199254740992; x",
    "+s9007199254740992,r,\tx"
  ])("S18 a size past 2^53 is refused, and the line kept: %s", (line) => {
    expect(lines(`${line}\r\n`)).toEqual([
      { _tag: "Unparsed", reason: "SizeTooLarge", text: line, raw: bytes(line) }
    ])
  })

  it("S18 a size of 2^53 - 1 is exact", () => {
    expect(lines("-rw-r--r-- 1 a b 9007199254740991 May  1 10:00 x\n")).toMatchObject([{ size: 9007199254740991 }])
  })

  it.each([
    "drwxr-xr-x   2 root     99           4096 Feb 23 30:01 x",
    "drwxr-xr-x   2 root     root         4096 Aug 36  2001 x",
    "-rw-r--r--   1 14       staff       80284 Aug 22  x",
    "-rw-r--r--   1 14       staff      119:26 Aug 22  2000 x",
    "-rw-r--r--   1 root     root       111325 Apr -7 18:79 x",
    "dxrwr-xr-x   2 root     root         4096 Aug 24  2001 x",
    "13-13-24  10:00AM     5 x",
    "05-01-24  13:00PM     5 x",
    "05-01-24  25:00     5 x",
    "ls: x: Permission denied",
    "/a/b:"
  ])("S18 a line that is not understood is kept as a value: %s", (line) => {
    expect(lines(`${line}\r\n`)).toMatchObject([{ _tag: "Unparsed", reason: "Unrecognised", text: line }])
  })

  it("S18 an entry without a name is no entry", () => {
    expect(brief("-rw-r--r-- 1 a b 5 May  1 10:00 \n")).toEqual(["! NoName -rw-r--r-- 1 a b 5 May  1 10:00 "])
    expect(brief("type=file;\n", { command: "MLSD" })).toEqual(["! NoName type=file;"])
    expect(brief("type=file; \n", { command: "MLSD" })).toEqual(["! NoName type=file; "])
  })

  it("S18 the first line that is understood decides the format for the rest", () => {
    const text = "hello\n-rw-r--r-- 1 a b 5 May  1 10:00 x\n05-01-24  10:00AM     5 y\ntype=dir; z\ntotal 8\n\n"
    expect(brief(text)).toEqual([
      "! Unrecognised hello",
      "- 5 2024-05-01T10:00 644 a b \"x\"",
      "! Unrecognised 05-01-24  10:00AM     5 y",
      "! Unrecognised type=dir; z"
    ])
  })

  it("S18 line ends may be CR LF, LF or CR CR LF, and the last may be missing", () => {
    expect(brief("a\r\nb\nc\r\r\n\r\n\nd", { command: "NLST" }).map((line) => line.slice(12))).toEqual([
      "\"a\"",
      "\"b\"",
      "\"c\"",
      "\"d\""
    ])
    expect(lines("", { command: "NLST" })).toEqual([])
  })

  it("S18 NLST gives names, with the directory that was asked for taken off", () => {
    const names = (text: string, directory?: string) =>
      lines(text, { command: "NLST", ...(directory === undefined ? {} : { directory: bytes(directory) }) })
        .map((line) => line._tag === "Entry" ? line.name : line.reason)
    expect(names("a b\r\n c\r\n")).toEqual(["a b", " c"])
    expect(names("./a\r\n/x/b\r\n")).toEqual(["a", "/x/b"])
    expect(names("pub/a\r\npub/b c\r\nd\r\n", "pub")).toEqual(["a", "b c", "d"])
    expect(names("/pub/a\r\n", "/pub/")).toEqual(["a"])
    expect(names("./-pub/a\r\n", "-pub")).toEqual(["a"])
    expect(names("/a\r\n/b/c\r\n", "/")).toEqual(["a", "b/c"])
    expect(names("../../etc/passwd\r\npub/../x\r\n", "pub")).toEqual(["../../etc/passwd", "../x"])
    expect(lines(".\r\n..\r\n", { command: "NLST" })).toMatchObject([{ role: "self" }, { role: "parent" }])
  })

  it("S18 a listing or a line without end fails at its bound, after what came before", () => {
    const entry = "type=file; x\r\n"
    const run = (text: string, options: Partial<Listing.Options>) =>
      Listing.make({ command: "MLSD", now, ...options }).push(bytes(text))
    const long = run(entry.repeat(10), { limit: 60, server: "h:21" })
    expect(long.lines).toHaveLength(4)
    expect(long.error).toMatchObject({ _tag: "ListingTooLong", what: "listing", limit: 60, server: "h:21" })
    const wide = run(entry + "x".repeat(100), { lineLimit: 50 })
    expect(wide.lines).toHaveLength(1)
    expect(wide.error).toMatchObject({ _tag: "ListingTooLong", what: "line", limit: 50 })
    expect(run(entry.repeat(10), { limit: 140 }).error).toBeUndefined()
  })

  const feed = (chunks: ReadonlyArray<Uint8Array>, options: Listing.Options) => {
    const parser = Listing.make(options)
    const pushed = [...chunks.map((chunk) => parser.push(chunk)), parser.end()]
    return plain([pushed.flatMap((each) => each.lines), pushed.find((each) => each.error !== undefined)?.error])
  }

  const command = FC.constantFrom<Listing.Options["command"]>("LIST", "MLSD", "NLST")
  const printed = FC.array(
    FC.constantFrom(
      ...servers.flatMap(([, text]) => text.split("\n")),
      "type=dir;modify=20240501000000; a b",
      " c",
      "\r"
    ),
    { maxLength: 12 }
  ).map((each) => bytes(each.join("\n")))

  it("S18 how the bytes are cut makes no difference to a listing", () => {
    const limits = FC.record({ limit: FC.constantFrom(100, 10_000), lineLimit: FC.constantFrom(70, 10_000) })
    FC.assert(
      FC.property(printed, places, command, limits, (whole, at, given, bounds) => {
        const options = { command: given, now, ...bounds }
        expect(feed(cut(whole, at), options)).toEqual(feed([whole], options))
      }),
      Sampling.runs({ short: 100, long: 300 })
    )
  })

  it("S18 a chunk's buffer may be used again once it is pushed", () => {
    const parser = Listing.make({ command: "NLST", now })
    const buffer = bytes("a\r\nb")
    const first = parser.push(buffer).lines
    buffer.fill(120)
    expect([...first, ...parser.end().lines].map((line) => line._tag === "Entry" && [line.name, line.raw])).toEqual([
      ["a", bytes("a")],
      ["b", bytes("b")]
    ])
  })

  it("S18 a Node Buffer is copied like any other chunk", () => {
    const parser = Listing.make({ command: "NLST", now })
    const buffer = Buffer.from("a\r\nb")
    const first = parser.push(buffer).lines
    buffer.fill(120)
    expect([...first, ...parser.end().lines].map((line) => [...line.raw])).toEqual([[97], [98]])
  })

  it("S18 no bytes make a parser throw, and every line is accounted for", () => {
    const spicy = spicyBytes("drwx-l 0129:;=,.<DIR>JanMay\t\r\n+[]\xe6\x9c", 300)
    FC.assert(
      FC.property(FC.oneof(spicy, printed), FC.constantFrom(Codec.utf8, Codec.latin1), (whole, codec) => {
        for (const given of ["MLSD", "NLST"] as const) {
          const read = lines(whole, { command: given, codec, lineLimit: 100_000 })
          const expected = String.fromCharCode(...whole).split("\n").filter((line) => line.replace(/\r+$/, "") !== "")
          expect(read.map((line) => String.fromCharCode(...line.raw))).toEqual(
            expected.map((line) => line.replace(/\r+$/, ""))
          )
        }
        for (const line of lines(whole, { codec, lineLimit: 100_000 })) {
          if (line._tag === "Unparsed") continue
          expect(line.name).toBe(codec.decode(line.rawName))
          expect(line.rawName.length).toBeGreaterThan(0)
          if (line.size !== undefined) expect(Number.isSafeInteger(line.size)).toBe(true)
          if (line.modifiedAt !== undefined) expect(line.modifiedAt.date.getTime()).not.toBeNaN()
        }
      }),
      Sampling.runs({ short: 100, long: 500 })
    )
  })

  it("S18 what `ls -l` prints for any name is that name", () => {
    const name = FC.string({ unit: "grapheme", minLength: 1, maxLength: 30 })
      .filter((text) => !/[\r\n\0/]/.test(text))
    const line = FC.record({
      name,
      links: FC.nat(2000),
      owner: FC.constantFrom("root", "1000", "a-b"),
      group: FC.constantFrom("", "root", "1000", "Domain Users"),
      size: FC.maxSafeNat(),
      time: FC.constantFrom("May  1 10:00", "Nov 30  2021", "2021-11-30 10:00", "30 nov. 2021", "11月 30 2021")
    })
    FC.assert(
      FC.property(line, ({ group, links, name, owner, size, time }) => {
        const text = `-rw-r--r-- ${links} ${owner} ${group} ${size} ${time} ${name}\r\n`
        expect(lines(text)).toMatchObject([{ name, size, owner, permissions: 0o644, type: "file" }])
      }),
      Sampling.runs({ short: 100, long: 300 })
    )
  })

  it("S18 a line of hostile length is read in time that grows with it", () => {
    // A cost that grew with the square would take minutes, past the time limit of the test.
    const options = { lineLimit: 1_000_000 }
    for (const part of [" ", "1 ", "a ", "1 Jan ", "type=", "a=b;", "-", "1,", "rwx", " [", ".", "\xe9", "/"]) {
      const tail = binary(part.repeat(Math.floor(200_000 / part.length)))
      const text = String.fromCharCode(...tail.subarray(0, 100_000)) + String.fromCharCode(...tail.subarray(100_000))
      lines(`-rw-r--r-- ${text}\n`, options)
      lines(`lrwxrwxrwx 1 a b 5 May 1 2000 ${text}\n`, options)
      lines(`01-01-24  10:00AM  <JUNCTION> ${text}\n`, options)
      lines(`01-01-24 ${text}\n`, options)
      lines(`type=OS.unix=slink:${text}\n`, { ...options, command: "MLSD" })
      lines(`+${text}\n`, options)
      lines(tail, options)
      SafeName.make(tail)
    }
  })
})
