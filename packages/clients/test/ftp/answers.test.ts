/** Replies with a meaning of their own: addresses of data connections, paths, sizes, times, features. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Address from "../../src/internal/ftp/address.js"
import * as Answers from "../../src/internal/ftp/answers.js"
import * as Features from "../../src/internal/ftp/features.js"
import * as Telnet from "../../src/internal/ftp/telnet.js"
import * as Time from "../../src/internal/ftp/time.js"
import type * as Reply from "../../src/internal/replies/reply.js"
import * as Codec from "../../src/internal/text/codec.js"
import { binary, bytes } from "./support.js"

const reply = (text: string): Reply.Reply => {
  const pushed = Telnet.parser().push(bytes(`${text}\r\n`))
  expect(pushed.replies).toHaveLength(1)
  return pushed.replies[0]!
}

const any = FC.string({ unit: FC.constantFrom(..."0123456789,.()|!=\"- aZ:/%é\t") }).map((text): Reply.Reply => ({
  code: 200,
  lines: [text],
  rawLines: [bytes(text)]
}))

describe("addresses of data connections", () => {
  it.each([
    "227 Entering Passive Mode (192,168,1,100,10,229)",
    "227 Entering Passive Mode (192,168,1,100,10,229).",
    "227 Entering Passive Mode. 192,168,1,100,10,229",
    "227 =192,168,1,100,10,229",
    "227 Entering Passive Mode 2 (192, 168, 1, 100, 10, 229)",
    "227 Data transfer will passively listen to 192,168,1,100,10,229",
    "227 Entering Passive Mode (192,168,1,100,10,229",
    "227 Entering Passive Mode (-64,-88,1,100,10,-27)",
    "227-hi\r\n227 Entering Passive Mode (192,168,1,100,10,229)"
  ])("C34 a reply to PASV is understood: %j", (text) => {
    expect(Address.parsePasv(reply(text))).toEqual(Either.right({ host: "192.168.1.100", port: 2789 }))
  })

  it.each([
    "227 Entering Passive Mode",
    "227 (192,168,1,100,229)",
    "227 (192,168,1,100,10,229,7)",
    "227 (192,168,1,256,10,229)",
    "227 (192,168,1,1000,10,229)",
    "227 (192,168,1,100,0,0)"
  ])("C34 a reply to PASV without an address is a ProtocolViolation: %j", (text) => {
    expect(Either.getOrThrow(Either.flip(Address.parsePasv(reply(text))))._tag).toBe("ProtocolViolation")
  })

  it.each([
    "229 Entering Extended Passive Mode (|||6446|)",
    "229 Entering Extended Passive Mode (!!!6446!)",
    "229 Entering Extended Passive Mode |||6446|",
    "229 Entering Extended Passive Mode (|1|192.0.2.1|6446|)",
    "229 Entering Extended Passive Mode (|2|2001:db8::1|6446|).",
    "229 Extended Passive Mode OK (~~~6446~)"
  ])("C34 a reply to EPSV is understood: %j", (text) => {
    expect(Address.parseEpsv(reply(text))).toEqual(Either.right(6446))
  })

  it.each(["229 ok", "229 (||6446|)", "229 (|||0|)", "229 (|||65536|)", "229 (|||6446!)", "229 (000064460)"])(
    "C34 a reply to EPSV without a port is a ProtocolViolation: %j",
    (text) => {
      expect(Either.getOrThrow(Either.flip(Address.parseEpsv(reply(text))))._tag).toBe("ProtocolViolation")
    }
  )

  it("C34 PORT and EPRT name the address in the family that it has", () => {
    expect(Address.formatPort("192.0.2.7", 2789)).toEqual(Either.right("192,0,2,7,10,229"))
    expect(Address.formatPort("::ffff:192.0.2.7", 2789)).toEqual(Either.right("192,0,2,7,10,229"))
    expect(Address.formatEprt("192.0.2.7", 2789)).toEqual(Either.right("|1|192.0.2.7|2789|"))
    expect(Address.formatEprt("::ffff:192.0.2.7", 2789)).toEqual(Either.right("|1|192.0.2.7|2789|"))
    expect(Address.formatEprt("2001:db8::1", 2789)).toEqual(Either.right("|2|2001:db8::1|2789|"))
    expect(Address.formatEprt("fe80::1%eth0", 2789)).toEqual(Either.right("|2|fe80::1|2789|"))
  })

  it.each([["::1", 5], ["localhost", 5], ["192.0.2.7", 0], ["192.0.2.7", 65_536], ["192.0.2.7", 1.5], ["1.2.3.4|", 5]])(
    "C34 PORT takes nothing else: %s %d",
    (host, port) => {
      expect(Either.isLeft(Address.formatPort(host, port))).toBe(true)
      if (host !== "::1") expect(Either.isLeft(Address.formatEprt(host, port))).toBe(true)
    }
  )

  it("C34 what PORT says PASV understands, for every address and port", () => {
    const octet = FC.integer({ min: 0, max: 255 })
    FC.assert(FC.property(octet, octet, octet, octet, FC.integer({ min: 1, max: 65_535 }), (a, b, c, d, port) => {
      const host = `${a}.${b}.${c}.${d}`
      const argument = Either.getOrThrow(Address.formatPort(host, port))
      expect(Address.parsePasv(reply(`227 ok (${argument})`))).toEqual(Either.right({ host, port }))
      const eprt = Either.getOrThrow(Address.formatEprt(host, port))
      expect(Address.parseEpsv(reply(`229 ok (${eprt})`))).toEqual(Either.right(port))
    }))
  })

  it("C34 no reply makes a parser throw, and a port is always one", () => {
    FC.assert(
      FC.property(any, (given) => {
        const passive = Address.parsePasv(given)
        if (Either.isRight(passive)) expect(passive.right.port).toBeGreaterThan(0)
        const extended = Address.parseEpsv(given)
        if (Either.isRight(extended)) expect(extended.right).toBeLessThan(65_536)
      }),
      Sampling.runs({ short: 100, long: 500 })
    )
  })
})

describe("what single replies say", () => {
  it.each([
    ["257 \"/home/me\" is the current directory", "/home/me"],
    ["257 \"/a \"\"b\"\" c\" is cwd", "/a \"b\" c"],
    ["257 \"/ends in \"\"\"", "/ends in \""],
    ["257 \"/a\"b\" is cwd", "/a\"b"],
    ["257 \"/a\"", "/a"],
    ["257 rubbish \"/a\" rubbish", "/a"],
    ["257 \"C:\\Inetpub\".", "C:\\Inetpub"],
    ["257 \"\" \"\"", undefined],
    ["257 /a is cwd", "/a"],
    ["257 \" lead\" is cwd", " lead"],
    ["257-hello\r\n257 \"/a\"", "/a"],
    ["257 no path here", undefined],
    ["257 \"/unclosed", undefined]
  ])("C34 the path in a 257 is unquoted: %j", (text, expected) => {
    const parsed = Answers.parsePathname(reply(text), Codec.utf8)
    expect(Either.isRight(parsed) ? parsed.right.path : undefined).toBe(expected)
  })

  it("C34 a path that a server quotes by RFC 959 is read as it is, and its bytes are kept", () => {
    const path = FC.string({ unit: "grapheme", minLength: 1 }).filter((text) => !/[\r\n\0]/.test(text))
    FC.assert(FC.property(path, (text) => {
      const given = reply(`257 "${text.replaceAll("\"", "\"\"")}" is the current directory`)
      expect(Answers.parsePathname(given, Codec.utf8)).toEqual(Either.right({ path: text, rawPath: bytes(text) }))
    }))
    const raw = Telnet.parser().push(binary("257 \"/\xe4\"\r\n")).replies[0]!
    expect(Either.getOrThrow(Answers.parsePathname(raw, Codec.utf8)).rawPath).toEqual(binary("/\xe4"))
  })

  it.each<[string, number | undefined]>([
    ["213 0", 0],
    ["213 12345", 12_345],
    ["213 12345 bytes", 12_345],
    ["213 12345, some comment", 12_345],
    ["213 File size: 12345", 12_345],
    ["213 9007199254740991", 9_007_199_254_740_991],
    ["213 9007199254740992", undefined],
    ["213 18446744073709551616", undefined],
    ["213 unknown", undefined]
  ])(
    "C34 a size is a number that is exact, or a typed error: %j",
    (text, expected) => {
      const size = Answers.parseSize(reply(text))
      expect(Either.isRight(size) ? size.right : undefined).toBe(expected)
    }
  )

  it.each([
    ["213 20240229101112", "2024-02-29T10:11:12.000Z", "second"],
    ["213 20240229101112.5", "2024-02-29T10:11:12.500Z", "millisecond"],
    ["213 20240229101112.123456", "2024-02-29T10:11:12.123Z", "millisecond"],
    ["213 19100010203040506", undefined, ""],
    ["213 191000102030405", "2000-01-02T03:04:05.000Z", "second"],
    ["213 191240102030405", "2024-01-02T03:04:05.000Z", "second"],
    ["213 19120102030405", "1912-01-02T03:04:05.000Z", "second"],
    ["213 00500102030405", "0050-01-02T03:04:05.000Z", "second"],
    ["213 00000229030405", "0000-02-29T03:04:05.000Z", "second"],
    ["213 19981231235960", "1999-01-01T00:00:00.000Z", "second"],
    ["213 Modify=20240229101112; a b", "2024-02-29T10:11:12.000Z", "second"],
    ["213 20230229101112", undefined, ""],
    ["213 20241301000000", undefined, ""],
    ["213 2024022910111", undefined, ""],
    ["213 no", undefined, ""]
  ])("C34 the time in a reply to MDTM is in UTC: %j", (text, expected, precision) => {
    const time = Answers.parseModified(reply(text))
    expect(Either.isRight(time) ? time.right.date.toISOString() : undefined).toBe(expected)
    if (Either.isRight(time)) expect(time.right).toMatchObject({ precision, zone: "utc" })
  })

  it("C34 a time that is written for MFMT is read back, to the millisecond", () => {
    const date = FC.date({
      min: new Date("0000-01-01"),
      max: new Date("9999-12-31T23:59:59.999Z"),
      noInvalidDate: true
    })
    FC.assert(FC.property(date, (given) => {
      const text = Either.getOrThrow(Time.format(given))
      expect(text).toMatch(/^\d{14}(?:\.\d{3})?$/)
      expect(Time.parse(text)?.date).toEqual(given)
    }))
    expect(Either.isLeft(Time.format(new Date(Number.NaN)))).toBe(true)
    expect(Either.isLeft(Time.format(new Date("+010000-01-01")))).toBe(true)
  })

  it("C34 the name that a server chose for STOU is found", () => {
    const name = (text: string) => Option.getOrUndefined(Answers.uniqueName(reply(text), Codec.utf8))?.path
    expect(name("150 FILE: ftp.0001")).toBe("ftp.0001")
    expect(name("226 Transfer complete (unique file name:pub/a.1).")).toBe("pub/a.1")
    expect(name("226 Transfer complete")).toBeUndefined()
    expect(name("226 Done (unique file name: a (1))")).toBe("a (1)")
  })

  it("C34 a reply of hostile text is read in time that grows with it", () => {
    // A cost that grew with the square would take minutes, past the time limit of the test.
    for (
      const part of [
        "1",
        "a",
        "\"",
        "\"\"",
        "1,",
        "|",
        "||",
        "(",
        "FILE: ",
        "unique file name:",
        " ",
        "1 bytes",
        ".",
        "-"
      ]
    ) {
      for (const code of [150, 213, 227, 257]) {
        const given = Telnet.parser().push(bytes(`${code} ${part.repeat(60_000 / part.length)}x\r\n`)).replies[0]!
        Address.parsePasv(given)
        Address.parseEpsv(given)
        Answers.parsePathname(given, Codec.utf8)
        Answers.parseSize(given)
        Answers.parseModified(given)
        Answers.uniqueName(given, Codec.utf8)
        Features.parse(given)
      }
    }
  })

  it("C34 no reply makes a parser throw", () => {
    FC.assert(
      FC.property(any, (given) => {
        Answers.parsePathname(given, Codec.utf8)
        const size = Answers.parseSize(given)
        if (Either.isRight(size)) expect(Number.isSafeInteger(size.right)).toBe(true)
        Answers.parseModified(given)
        Answers.uniqueName(given, Codec.utf8)
      }),
      Sampling.runs({ short: 100, long: 500 })
    )
  })
})

describe("features", () => {
  it("C34 the features of ProFTPD are read", () => {
    const features = Features.parse(reply([
      "211-Features:",
      " AUTH TLS",
      " CCC",
      " CLNT",
      " EPRT",
      " EPSV",
      " HASH CRC32;MD5;SHA-1*;SHA-256",
      " HOST",
      " LANG en-US.UTF-8*",
      " MDTM",
      " MFF modify;UNIX.group;UNIX.mode;",
      " MFMT",
      " MLST modify*;perm*;size*;type*;unique*;UNIX.group;UNIX.mode*;",
      " PBSZ",
      " PROT",
      " REST STREAM",
      " SIZE",
      " TVFS",
      " UTF8",
      "211 End"
    ].join("\r\n")))
    expect(features).toMatchObject({
      mlst: true,
      restStream: true,
      size: true,
      mdtm: true,
      mfmt: true,
      mff: true,
      utf8: true,
      tvfs: true,
      epsv: true,
      eprt: true,
      host: true,
      clnt: true,
      pbsz: true,
      prot: true,
      ccc: true,
      pret: false,
      modeZ: false,
      auth: ["TLS"],
      hash: ["SHA-1", "CRC32", "MD5", "SHA-256"]
    })
    expect(features.facts).toContainEqual({ name: "unix.mode", enabled: true })
    expect(features.facts).toContainEqual({ name: "unix.group", enabled: false })
    expect(features.all.get("LANG")).toEqual(["en-US.UTF-8*"])
  })

  it("C34 the features of IIS, with several mechanisms in one line, are read", () => {
    const features = Features.parse(reply(
      "211-Extended features supported:\r\n LANG EN*\r\n UTF8\r\n AUTH TLS;TLS-C;SSL;TLS-P;\r\n PBSZ\r\n" +
        " PROT C;P;\r\n CCC\r\n HOST\r\n SIZE\r\n MDTM\r\n REST STREAM\r\n211 END"
    ))
    expect(features.auth).toEqual(["TLS", "TLS-C", "SSL", "TLS-P"])
    expect(features).toMatchObject({ prot: true, mlst: false, restStream: true })
  })

  it("C34 features without a blank, in small letters, twice, or behind the code are read", () => {
    const features = Features.parse(reply("211-x\r\n211-auth TLS\r\nAUTH SSL\r\n\tsize\r\n\r\n MODE Z\r\n211 End"))
    expect(features).toMatchObject({ auth: ["TLS", "SSL"], size: true, modeZ: true })
  })

  it("C34 a reply of one line has no features", () => {
    expect(Features.parse(reply("211 MDTM"))).toEqual(Features.none)
  })
})
