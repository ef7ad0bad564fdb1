/** Listings of other systems than Unix and Windows, lines that are not understood, and what a listing may take. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FC from "effect/FastCheck"
import { FtpError } from "../../src/index.js"
import * as Listing from "../../src/internal/ftp/listing/listing.js"
import { inMemory } from "./hostileServer.js"
import { connected } from "./networks.js"
import { binary, cut, places, plain } from "./support.js"

const now = Date.UTC(2024, 4, 15, 12)

const parse = (text: string, options: Partial<Listing.Options> = {}) => {
  const parser = Listing.make({ command: "LIST", now, ...options })
  const first = parser.push(binary(text))
  const last = parser.end()
  return { lines: [...first.lines, ...last.lines], error: first.error ?? last.error }
}

const shown = (text: string): ReadonlyArray<string> =>
  parse(text).lines.map((line) =>
    line._tag === "Unparsed"
      ? `? ${line.text}`
      : [line.format, line.type, line.size ?? "-", line.modifiedAt?.date.toISOString().slice(0, 16) ?? "-", line.name]
        .join(" ")
  )

const samples: ReadonlyArray<readonly [string, string, ReadonlyArray<string>]> = [
  [
    "AS/400, the file system of Unix",
    "QPGMR           36864 18/09/03 14:20:03 *DIR       home/\r\n" +
    "CFT             45056 04/12/06 14:19:31 *FILE      FILE1.FILE\r\n" +
    "MEYER          120832 12/31/23 07:05:09 *STMF      a report.txt\r\n" +
    "QSYS                  12/31/23 07:05:09 *SOCKET    s\r\n",
    [
      "as400 directory - 2003-09-18T14:20 home",
      "as400 file - 2006-04-12T14:19 FILE1.FILE",
      "as400 file 120832 2023-12-31T07:05 a report.txt",
      "? QSYS                  12/31/23 07:05:09 *SOCKET    s"
    ]
  ],
  [
    "AS/400, members",
    "CFT             45056 04/12/06 14:19:31 *FILE      FILE1.FILE\r\n" +
    "CFT                                     *MEM       FILE1.FILE/FILE1.MBR\r\n",
    ["as400 file - 2006-04-12T14:19 FILE1.FILE", "as400 file - - FILE1.FILE/FILE1.MBR"]
  ],
  [
    "z/OS, data sets",
    "Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\r\n" +
    "WYOSPT 3420   2003/05/21  1  200  FB      80  8053  PS  MVS.FILE\r\n" +
    "WPTA01 3290   2004/03/04  1    3  FB      80  3125  PO  MVS.DATASET\r\n" +
    "TSO005 3390   2005/06/06 213000 U 0 27998 PO MVS.DIR\r\n" +
    "NRP004 3390   **NONE**    1   15  NONE     0     0  NONE MVS.NONE\r\n" +
    "TSO004 3390   VSAM MVS.VSAM\r\n" +
    "Migrated                                                MVS.OLD\r\n" +
    "Pseudo Directory                                        MVS\r\n" +
    "C03193 Tape                                             AT.CCRIS.TP\r\n",
    [
      "zos file - - MVS.FILE",
      "zos directory - - MVS.DATASET",
      "zos directory - - MVS.DIR",
      "zos file - - MVS.NONE",
      "zos other - - MVS.VSAM",
      "zos unknown - - MVS.OLD",
      "zos directory - - MVS",
      "zos file - - AT.CCRIS.TP"
    ]
  ],
  [
    "z/OS, members",
    " Name     VV.MM   Created       Changed      Size  Init   Mod   Id\r\n" +
    " ACCOUNT   01.01 2004/06/22 2004/06/22 16:32   128   128    0 BOBY12\r\n" +
    " ADATAB\r\n",
    ["zos file - 2004-06-22T16:32 ACCOUNT", "zos file - - ADATAB"]
  ],
  [
    "z/OS, load modules",
    " Name      Size   TTR   Alias-of AC --------- Attributes --------- Amode Rmode\r\n" +
    "MEMBER2  00B308 000411  00 FO        RU      31    ANY\r\n",
    ["zos file 45832 - MEMBER2"]
  ],
  [
    "z/VM",
    "PROFILE  EXEC     V         71         43          1 2004-08-30 15:57:59 -\r\n" +
    "DATA     FILE     F         80          3          1  8/30/04 15:57:59 BOB\r\n" +
    "SUB      DIR      -          -          - 2004-08-30 15:57:59 -\r\n",
    [
      "zvm file - 2004-08-30T15:57 PROFILE.EXEC",
      "zvm file 240 2004-08-30T15:57 DATA.FILE",
      "zvm directory - 2004-08-30T15:57 SUB"
    ]
  ],
  [
    "OpenVMS",
    "Directory DKA0:[ANONYMOUS]\r\n\r\n" +
    "00README.TXT;1       2 30-DEC-1996 17:44 [ANONYMOUS,ANON] (RWED,RE,RE,)\r\n" +
    "CORE.DIR;1           1  8-SEP-1996 16:09 [SYSTEM] (RWE,RWE,RE,RE)\r\n" +
    "A_LONG_NAME_THAT_HAS_A_LINE_OF_ITS_OWN.MULTILINE;1\r\n" +
    "                     170774/170775     24-APR-2003 08:16:15  [FTP_CLIENT,SCOT]      (RWED,RWED,RE,)\r\n" +
    "OTHER.ORDER;1   [SUMMARY]    1/3     2-AUG-2006 13:05  (RWE,RWE,RE,)\r\n" +
    "NO_OWNER.TXT;2  1  2-AUG-2006 13:05\r\n" +
    "SECRET.TXT;1  %RMS-E-PRV, insufficient privilege or file protection violation\r\n\r\n" +
    "Total of 6 files, 170782 blocks.\r\n",
    [
      "vms file - 1996-12-30T17:44 00README.TXT;1",
      "vms directory - 1996-09-08T16:09 CORE",
      "vms file - 2003-04-24T08:16 A_LONG_NAME_THAT_HAS_A_LINE_OF_ITS_OWN.MULTILINE;1",
      "vms file - 2006-08-02T13:05 OTHER.ORDER;1",
      "vms file - 2006-08-02T13:05 NO_OWNER.TXT;2",
      "vms file - - SECRET.TXT;1"
    ]
  ],
  [
    "OS/2",
    "     0           DIR   05-12-97   16:44  PSFONTS\r\n 36611      A          04-23-103  10:57  os2 test1.file\r\n",
    ["os2 directory - 1997-05-12T16:44 PSFONTS", "os2 file 36611 2003-04-23T10:57 os2 test1.file"]
  ],
  ["Nortel wfFtp", "image.exe       1014196  06/03/04  Thur.   10:20:03\r\n", [
    "nortel file 1014196 2004-06-03T10:20 image.exe"
  ]],
  [
    "VxWorks",
    " 2048    Feb-28-1998  05:23:30   a dir            <DIR>\r\n  512    Feb-28-1998  05:23:30   a file\r\n",
    ["vxworks directory - 1998-02-28T05:23 a dir", "vxworks file 512 1998-02-28T05:23 a file"]
  ],
  [
    "HP NonStop",
    "File         Code             EOF  Last Modification    Owner  RWEP\r\n" +
    "IARPTS   101            16354  18-Mar-09 15:09:12 244, 10 \"nnnn\"\r\n",
    ["nonstop file 16354 2009-03-18T15:09 IARPTS"]
  ],
  [
    "ls in numbers",
    "0100644   500  101   12345    123456789       a file\r\n040755   500  101   4096    123456789       dir\r\n",
    ["numeric file 12345 1973-11-29T21:33 a file", "numeric directory 4096 1973-11-29T21:33 dir"]
  ],
  [
    "Connect:Enterprise",
    "-C--E-----FTP B BCC3I1       7670  1294495 Jan 13 07:42 a file\r\n",
    ["enterprise file 1294495 2024-01-13T07:42 a file"]
  ],
  [
    "modes of nine characters, and sizes that are none",
    "drw-r--rw   1     root     root         0 Apr 21 19:31 Directory1\r\n" +
    "-rw-r--rw   1     root     root        12 Apr 21 19:31 file\r\n" +
    "rw-rw-rw-          0  464195454  464195454 Jul  1  2016 G53_EZ.zip\r\n" +
    "-rw-r--r--   1 ftp ftp        -1 Jan  1  2020 unknown size\r\n",
    [
      "unix directory 0 2024-04-21T19:31 Directory1",
      "unix file 12 2024-04-21T19:31 file",
      "unix file 464195454 2016-07-01T00:00 G53_EZ.zip",
      "unix file - 2020-01-01T00:00 unknown size"
    ]
  ],
  [
    "dir of a command shell",
    " Volume in drive C has no label.\r\n Volume Serial Number is 1234-5678\r\n\r\n Directory of C:\\pub\r\n\r\n" +
    "01/15/2024  09:41 AM    <DIR>          docs\r\n01/15/2024  09:41 AM                -1 a.txt\r\n" +
    "               1 File(s)             12 bytes\r\n               1 Dir(s)  1,234 bytes free\r\n",
    ["dos directory - 2024-01-15T09:41 docs", "dos file - 2024-01-15T09:41 a.txt"]
  ]
]

describe("listings of other systems", () => {
  it.each(samples)("C34 %s is read, and nothing in it is left out without a word", (_, text, expected) => {
    expect(shown(text)).toEqual(expected)
  })

  it("C34 where the bytes were cut makes no difference", () => {
    FC.assert(
      FC.property(FC.constantFrom(...samples), places, ([, text], at) => {
        const parser = Listing.make({ command: "LIST", now })
        const lines = cut(binary(text), at).flatMap((piece) => parser.push(piece).lines)
        expect(plain([...lines, ...parser.end().lines])).toEqual(plain(parse(text).lines))
      }),
      Sampling.runs({ short: 60, long: 500 })
    )
  })

  it("C34 a hostile line is read in time that grows with it", () => {
    // A cost that grew with the square would take minutes, past the time limit of the test.
    for (
      const part of [
        " ",
        "1",
        "1 ",
        "a;1 ",
        ";1",
        ";",
        "- ",
        "*",
        "a ",
        "[",
        "01-JAN-2001 ",
        "<DIR>",
        "/",
        "rw-",
        "a\t"
      ]
    ) {
      const line = `${part.repeat(16_000 / part.length)}x\r\n`
      for (const head of ["", "A;1 ", "Q 1 01/01/01 01:01:01 *STMF ", "1 Feb-28-1998 05:23:30 a", "rw-rw-rw- "]) {
        parse((head + line).slice(-16_000).repeat(20), { lineLimit: 32_768 })
      }
    }
  })

  it("C34 the memory of a listing is bounded, however short its lines, and before it is taken", () => {
    for (const command of ["LIST", "MLSD", "NLST"] as const) {
      for (const line of ["a\n", "a=; a\n", "-rw-r--r-- 1 a b 5 Jan 01 2020 a\n"]) {
        const { error, lines } = parse(line.repeat(100_000), { command, memoryLimit: 1_000_000 })
        expect(error).toMatchObject({ _tag: "ListingTooLong", what: "memory", limit: 1_000_000 })
        expect(lines.length).toBeLessThan(2100)
        expect(error!.message).toContain("listingMemory")
      }
    }
  })
})

describe("lines that are not understood", () => {
  const quirks = { unknown: ["MLSD", "MLST"] }

  it.effect("C34 a listing of which no line was understood is no empty directory, and its error shows the first", () =>
    inMemory(Effect.gen(function*() {
      for (const unknown of [["MLSD", "MLST"], []]) {
        const { session } = yield* connected({
          files: { "/d/": "" },
          quirks: { unknown, hidesDotFiles: true, extraLines: ["ls: d: Permission denied", "=what?"], list: "dos" }
        })
        if (unknown.length === 0) {
          // The directory itself stands in MLSD's.
          expect((yield* session.list("d")).leftOut).toBe(2)
          continue
        }
        const error = yield* Effect.flip(session.list("d"))
        expect(error).toMatchObject({ _tag: "ListingNotUnderstood", lines: 2, first: "ls: d: Permission denied" })
        expect(error.message).toContain("Permission denied")
        expect(FtpError.canRetry(error as FtpError.ListingNotUnderstood)).toBe(false)
        expect(yield* session.listLines("d")).toHaveLength(2)
        yield* session.noop
      }
    })))

  it.effect("C34 entries tell how many lines are not among them", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({
        files: { "/a": "a" },
        quirks: { ...quirks, extraLines: ["what?", "total 5", "and this?"] }
      })
      const entries = yield* session.list()
      expect(entries.map(({ name }) => name)).toEqual(["a"])
      expect(entries.leftOut).toBe(2)
    })))

  it.effect("C34 parseListing reads what the known formats do not, and is tried first", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({
        files: { "/a": "a" },
        quirks: { ...quirks, extraLines: ["FILE:b:12"] }
      }, {
        parseListing: (line) => {
          const [kind, name = "", size] = new TextDecoder().decode(line).split(":")
          return kind === "FILE" ? { name, type: "file", size: Number(size) } : undefined
        }
      })
      const entries = yield* session.list()
      expect(entries.map(({ format, name, size }) => [format, name, size])).toEqual([
        ["unix", "a", 1],
        ["custom", "b", 12]
      ])
      expect(entries.leftOut).toBe(0)
    })))

  it.effect("C34 names of a path of 64 Ki slashes take no longer than others", () =>
    inMemory(Effect.gen(function*() {
      const { session } = yield* connected({ files: { "/a": "a" } })
      const slashes = `a${"/".repeat(30_000)}b`
      for (const call of [session.names, session.list, session.stat, session.exists]) {
        yield* Effect.either(call(slashes) as Effect.Effect<unknown, unknown>)
      }
      yield* Effect.either(session.makeDirectory("/".repeat(30_000), { recursive: true }))
      yield* session.noop
    })))
})
