/** Machine-readable listings: MLSD and MLST (RFC 3659, section 7). */
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import type * as Entry from "../../src/internal/ftp/listing/entry.js"
import * as Listing from "../../src/internal/ftp/listing/listing.js"
import * as Mlsx from "../../src/internal/ftp/listing/mlsx.js"
import * as Telnet from "../../src/internal/ftp/telnet.js"
import * as Codec from "../../src/internal/text/codec.js"
import { binary, bytes } from "./support.js"

const now = Date.parse("2024-05-15T12:00:00Z")

const read = (text: string | Uint8Array): ReadonlyArray<Entry.Line> => {
  const parser = Listing.make({ command: "MLSD", now })
  return [...parser.push(typeof text === "string" ? bytes(text) : text).lines, ...parser.end().lines]
}

const one = (text: string | Uint8Array): Entry.Entry => {
  const [line, ...rest] = read(text)
  expect(rest).toEqual([])
  if (line?._tag !== "Entry") throw new Error(`not an entry: ${JSON.stringify(line)}`)
  return line
}

const mlst = (text: string) =>
  Mlsx.parseReply(Telnet.parser().push(bytes(text)).replies[0]!, { codec: Codec.utf8, now, utcOffsetMinutes: 0 })

describe("machine-readable listings", () => {
  it("S18 every fact of an MLSD line has its place", () => {
    const entry = one(
      "Type=file;Size=1024990;Modify=20240229101112.5;Create=19980130010322;Perm=adfrw;Unique=keVO1+4G4;" +
        "UNIX.mode=0100644;UNIX.owner=1000;UNIX.ownername=alice;UNIX.group=100;UNIX.groupname=users;" +
        "Media-Type=text/plain;Charset=utf-8;Lang=de;x.own=a=b; a b; c\r\n"
    )
    expect(entry).toMatchObject({
      name: "a b; c",
      type: "file",
      role: "child",
      size: 1_024_990,
      modifiedAt: { date: new Date("2024-02-29T10:11:12.500Z"), precision: "millisecond", zone: "utc" },
      createdAt: { date: new Date("1998-01-30T01:03:22Z"), precision: "second", zone: "utc" },
      permissions: 0o644,
      owner: "alice",
      group: "users",
      unique: "keVO1+4G4",
      format: "mlsx"
    })
    expect(Object.fromEntries(entry.facts)).toMatchObject({
      perm: "adfrw",
      "media-type": "text/plain",
      charset: "utf-8",
      lang: "de",
      "x.own": "a=b"
    })
  })

  it.each<[string, Partial<Entry.Entry>]>([
    ["type=dir;sizd=4096; d", { type: "directory", size: 4096, name: "d" }],
    ["TYPE=CDIR; /here", { type: "directory", role: "self", name: "/here" }],
    ["type=pdir; ..", { type: "directory", role: "parent" }],
    ["type=dir; .", { type: "directory", role: "self" }],
    ["Type=OS.unix=slink:/foobar;Perm=; link", { type: "link", linkTarget: "/foobar", name: "link" }],
    ["Type=OS.unix=slink:/a b/c;Perm=; link d", { type: "link", linkTarget: "/a b/c", name: "link d" }],
    ["type=OS.UNIX=symlink; link", { type: "link", name: "link" }],
    ["type=OS.unix=slink; link", { type: "link" }],
    ["Type=OS.unix=chr-13/29;Perm=; device", { type: "other" }],
    ["Type=OS.unix=blk-11/108; device", { type: "other" }],
    ["Type=OS.unix=socket; s", { type: "other" }],
    ["Type=x; s", { type: "unknown" }],
    ["size=5; untyped", { type: "unknown", size: 5 }],
    ["type=file;size=5 no semicolon; x", { type: "file", size: 5, name: "no semicolon; x" }],
    ["type=file;size=abc; x", { type: "file", name: "x" }],
    ["type=file;modify=yesterday; x", { type: "file" }],
    ["type=file;type=dir; x", { type: "file" }],
    ["type=file;__proto__=1; x", { type: "file" }],
    [" no facts", { type: "unknown", name: "no facts" }],
    ["  leading blank", { type: "unknown", name: " leading blank" }],
    ["type=file;   x ", { name: "  x " }],
    ["UNIX.uid=1;UNIX.gid=2; x", { owner: "1", group: "2" }],
    ["unix.mode=0999; x", { name: "x" }],
    ["type=file; ../../etc/passwd", { name: "../../etc/passwd" }]
  ])("S18 an MLSD line is understood: %j", (line, expected) => {
    const entry = one(`${line}\r\n`)
    expect(entry).toMatchObject(expected)
    if (!("size" in expected)) expect(entry).not.toHaveProperty("size")
    if (!("linkTarget" in expected)) expect(entry).not.toHaveProperty("linkTarget")
    expect(entry).not.toHaveProperty("permissions")
  })

  it("S18 a name and a link's target keep their bytes", () => {
    expect(one(binary("Type=OS.unix=slink:/\xe4; \xe4\r\n"))).toMatchObject({
      rawName: binary("\xe4"),
      rawLinkTarget: binary("/\xe4")
    })
  })

  it.each(["hello", "some text", "=x; y", "drwxr-xr-x 2 a b 5 May 1 10:00 x"])(
    "S18 a line that is none of MLSD's is kept as a value: %s",
    (line) => {
      expect(read(`${line}\r\n`)).toMatchObject([{ _tag: "Unparsed", reason: "Unrecognised", text: line }])
    }
  )

  it("S18 what MLSD sends for any name and facts is read", () => {
    const name = FC.string({ unit: "grapheme", minLength: 1 }).filter((text) => !/[\r\n\0]/.test(text))
    const line = FC.record({ name, size: FC.maxSafeNat(), type: FC.constantFrom("file", "dir", "OS.unix=symlink") })
    FC.assert(FC.property(line, ({ name, size, type }) => {
      expect(one(`Type=${type};Size=${size}; ${name}\r\n`)).toMatchObject({ name, size })
      expect(one(` ${name}\r\n`)).toMatchObject({ name })
    }))
  })

  it.each([
    "250-Listing /a b\r\n type=file;size=5; /a b\r\n250 End\r\n",
    "250-Listing\r\ntype=file;size=5; /a b\r\n250 End\r\n",
    "250-Listing\r\n250-type=file;size=5; /a b\r\n250 End\r\n",
    "250-Begin\r\n  Listing of a=b\r\n type=file;size=5; /a b\r\n250 End\r\n",
    "250 type=file;size=5; /a b\r\n"
  ])("C34 the entry in a reply to MLST is found: %j", (text) => {
    expect(Either.getOrThrow(mlst(text))).toMatchObject({ name: "/a b", type: "file", size: 5 })
  })

  it("C34 a reply to MLST may have a path without facts, or no entry", () => {
    expect(Either.getOrThrow(mlst("250-Listing\r\n  /a b\r\n250 End\r\n"))).toMatchObject({ name: "/a b" })
    for (
      const text of ["250 ok\r\n", "250-a\r\n250 b\r\n", "250-a\r\n type=file;size=9007199254740992; x\r\n250 b\r\n"]
    ) {
      expect(Either.getOrThrow(Either.flip(mlst(text)))._tag).toBe("ProtocolViolation")
    }
  })
})
