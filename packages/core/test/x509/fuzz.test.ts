/** Malformed certificates: lengths, nesting, sizes, random changes. */
import { Certificate, TlsTransport } from "@copas/core"
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Option } from "effect"
import { SeededRandom } from "../../src/internal/effect/random.js"

const crypto: TlsTransport.CertificateCrypto = {
  digest: (_, bytes) => bytes.slice(0, 32),
  issued: () => false
}

/** Whole numbers below a limit. */
const belowFrom = (seed: number): (limit: number) => number => {
  const random = new SeededRandom(seed)
  return (limit) => random.integer(limit)
}

// ---- an encoder, which can lie

const element = (tag: number, ...parts: ReadonlyArray<Uint8Array | ReadonlyArray<number>>): Uint8Array => {
  const size = parts.reduce((total, part) => total + part.length, 0)
  const length = size < 128 ? [size] : size < 256
    ? [0x81, size]
    : size < 65536
    ? [0x82, size >> 8, size & 255]
    : [0x83, size >> 16, (size >> 8) & 255, size & 255]
  const whole = new Uint8Array(1 + length.length + size)
  whole.set([tag, ...length])
  let at = 1 + length.length
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const ascii = (text: string): ReadonlyArray<number> => Array.from(text, (character) => character.charCodeAt(0) & 255)
const seq = (...parts: ReadonlyArray<Uint8Array>) => element(0x30, ...parts)
const oid = (...bytes: ReadonlyArray<number>) => element(6, bytes)
const commonName = (value: Uint8Array) => seq(element(0x31, seq(oid(0x55, 4, 3), value)))
const ecKey = seq(
  seq(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1), oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7)),
  element(3, new Uint8Array(66))
)
const signature = seq(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2))

interface Parts {
  readonly serial?: Uint8Array
  readonly subject?: Uint8Array
  readonly from?: Uint8Array
  readonly to?: Uint8Array
  readonly key?: Uint8Array
  readonly extensions?: Uint8Array
}

const certificate = (parts: Parts = {}): Uint8Array =>
  seq(
    seq(
      element(0xa0, element(2, [2])),
      parts.serial ?? element(2, [1]),
      signature,
      commonName(element(12, ascii("issuer"))),
      seq(parts.from ?? element(0x17, ascii("250101000000Z")), parts.to ?? element(0x17, ascii("350101000000Z"))),
      parts.subject ?? commonName(element(12, ascii("subject"))),
      parts.key ?? ecKey,
      element(0xa3, parts.extensions ?? seq())
    ),
    signature,
    element(3, new Uint8Array(72))
  )

const alternatives = (...names: ReadonlyArray<Uint8Array>): Uint8Array =>
  seq(seq(oid(0x55, 0x1d, 0x11), element(4, seq(...names))))

const parse = (der: Uint8Array) => TlsTransport.fromDer(der, crypto)

/** Everything that can be asked for is asked for: nothing of it throws. */
const useUp = (found: Option.Option<Certificate.Certificate>): void => {
  if (Option.isNone(found)) return
  const { value } = found
  String(value)
  value.validAt()
  value.digest()
  expect(value.pem).toMatch(/^-----BEGIN CERTIFICATE-----\n/)
  expect(value.validFrom.getTime()).not.toBeNaN()
  expect(value.validTo.getTime()).not.toBeNaN()
  const line = Certificate.formatName(value.subject) + String(value)
  expect(Array.from(line).find((character) => character < " " || character === "\x7f")).toBeUndefined()
}

describe("certificates that were made to hurt", () => {
  it("T06 the encoder of these tests makes a certificate that is read", () => {
    const read = Option.getOrThrow(parse(certificate()))
    expect(Certificate.formatName(read.subject)).toBe("CN=subject")
    expect(read.publicKey).toMatchObject({ algorithm: "ec", bits: 256 })
    expect(read.validTo).toEqual(new Date("2035-01-01T00:00:00Z"))
  })

  it("T06 random changes of every kind give a certificate or none, and nothing else", () => {
    const bases = [
      certificate(),
      certificate({ extensions: alternatives(element(0x82, ascii("a.test")), element(0x87, [127, 0, 0, 1])) }),
      certificate({ from: element(0x18, ascii("20250101000000Z")), serial: element(2, new Uint8Array(20).fill(255)) })
    ]
    let read = 0
    const size = { short: 4000, long: 40_000 }
    Sampling.eachSeed(size, (seed) => {
      const below = belowFrom(seed)
      const base = bases[below(bases.length)]!
      let der = base.slice()
      switch (below(5)) {
        case 0:
          for (let count = below(4); count >= 0; count -= 1) der[below(der.length)] = below(256)
          break
        case 1:
          der = der.slice(0, below(der.length))
          break
        case 2: {
          // A part is doubled.
          const from = below(der.length)
          const to = from + below(der.length - from)
          der = new Uint8Array([...der.slice(0, to), ...der.slice(from)])
          break
        }
        case 3: {
          // A part is left out.
          const from = below(der.length)
          der = new Uint8Array([...der.slice(0, from), ...der.slice(from + below(8))])
          break
        }
        default:
          // A length lies.
          der[1 + below(60)] = [0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x85, 0xff][below(9)]!
      }
      const found = parse(der)
      if (Option.isSome(found)) read += 1
      useUp(found)
    })
    if (!Sampling.isRepeat()) expect(read).toBeGreaterThan(Sampling.size(size) / 40)
    Sampling.eachSeed({ short: 500, long: 5000 }, (seed) => {
      const below = belowFrom(seed)
      useUp(parse(new Uint8Array(below(200)).map(() => below(256))))
    })
  })

  it("T06 lengths of four bytes, indefinite ones, long tags and lengths past the end are none", () => {
    for (
      const der of [
        [],
        [0x30],
        [0x30, 0x80, 0, 0],
        [0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        [0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0],
        [0x30, 0x85, 1, 0, 0, 0, 0],
        [0x3f, 0x81, 0x81, 1],
        [0x30, 3, 0x30, 4, 0]
      ]
    ) expect(Option.isNone(parse(new Uint8Array(der)))).toBe(true)
  })

  it("T06 huge numbers of names, identifiers, serial numbers and nesting cost time by their size alone", () => {
    const size = 250_000
    // A cost that grew with the square would take minutes, past the time limit of the test.
    const deep = (levels: number): Uint8Array => {
      let nested: Uint8Array = new Uint8Array(0)
      for (let level = 0; level < levels; level += 1) nested = element(0x30, nested)
      return nested
    }
    const hostile: ReadonlyArray<Uint8Array> = [
      certificate({ serial: element(2, new Uint8Array(size).fill(0)) }),
      certificate({ serial: element(2, new Uint8Array(size).fill(255)) }),
      certificate({ subject: commonName(element(12, new Uint8Array(size).fill(0xff))) }),
      certificate({ subject: commonName(element(30, new Uint8Array(size))) }),
      certificate({ subject: commonName(element(28, new Uint8Array(size).fill(0xff))) }),
      certificate({
        subject: seq(...Array.from({ length: 15_000 }, () => element(0x31, seq(oid(0x55, 4, 3), element(12, [0])))))
      }),
      certificate({ subject: seq(element(0x31, seq(element(6, new Uint8Array(size).fill(1)), element(12, [])))) }),
      certificate({ subject: seq(element(0x31, seq(element(6, new Uint8Array(size).fill(0x81)), element(12, [])))) }),
      certificate({
        extensions: alternatives(...Array.from({ length: 20_000 }, () => element(0x82, ascii("*.a.test"))))
      }),
      certificate({ extensions: alternatives(element(0x87, new Uint8Array(size))) }),
      certificate({ extensions: alternatives(element(0xa4, commonName(element(12, new Uint8Array(size))))) }),
      certificate({ extensions: deep(3000) }),
      certificate({ subject: deep(3000), key: deep(3000) }),
      certificate({
        key: seq(
          seq(oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1)),
          element(3, [0], seq(element(2, new Uint8Array(size)), element(2, [3])))
        )
      })
    ]
    for (const der of hostile) useUp(parse(der))
  })

  it("T06 dates that the calendar does not have are none: nothing is carried over to a later day", () => {
    for (
      const date of [
        "251301000000Z",
        "250001000000Z",
        "250229000000Z",
        "250431000000Z",
        "250100000000Z",
        "250132000000Z",
        "250101240000Z",
        "250101006000Z",
        "250101000060Z",
        "2501010000Z",
        "250101000000+0100",
        "25010100000\0Z",
        "",
        "99999999999999Z"
      ]
    ) {
      expect([date, Option.isNone(parse(certificate({ to: element(0x17, ascii(date)) })))]).toEqual([date, true])
    }
    const utc = (date: string) => Option.getOrThrow(parse(certificate({ to: element(0x17, ascii(date)) }))).validTo
    expect(utc("240229235959Z")).toEqual(new Date("2024-02-29T23:59:59Z"))
    // RFC 5280, section 4.1.2.5.1
    expect([utc("491231235959Z").getUTCFullYear(), utc("500101000000Z").getUTCFullYear()]).toEqual([2049, 1950])
    const general = (date: string) => parse(certificate({ to: element(0x18, ascii(date)) }))
    expect(Option.getOrThrow(general("99991231235959Z")).validTo.getUTCFullYear()).toBe(9999)
    expect(Option.getOrThrow(general("00500101000000Z")).validTo.getUTCFullYear()).toBe(50)
    expect(Option.isNone(general("20250230000000Z"))).toBe(true)
  })

  it("T06 object identifiers that are cut, empty or beyond 128 bits are none", () => {
    const withIdentifier = (...bytes: ReadonlyArray<number>) =>
      parse(certificate({ subject: seq(element(0x31, seq(oid(...bytes), element(12, ascii("x"))))) }))
    for (const bytes of [[], [0x80], [0x55, 0x84], [0x55, 4, 0xff], Array.from({ length: 30 }, () => 0xff)]) {
      expect(Option.isNone(withIdentifier(...bytes))).toBe(true)
    }
    const known = Option.getOrThrow(withIdentifier(0x88, 0x37, 3))
    expect(known.subject[0]).toEqual({ oid: "2.999.3", name: "2.999.3", value: "x" })
  })

  it("T06 names keep every character, in every kind of string, and are one line when they are shown", () => {
    const value = (der: Uint8Array) =>
      Option.getOrThrow(parse(certificate({ subject: commonName(der) }))).subject[0]?.value
    expect(value(element(12, ascii("a\0b\r\nc")))).toBe("a\0b\r\nc")
    expect(value(element(19, ascii("a\0b")))).toBe("a\0b")
    expect(value(element(30, [0, 0x61, 0, 0, 0x4e, 0x2d]))).toBe("a\0中")
    expect(value(element(28, [0, 1, 0xf6, 0, 0, 0x11, 0, 0]))).toBe("😀\ufffd")
    expect(value(element(12, [0xc3]))).toBe("\ufffd")
    const shown = Option.getOrThrow(parse(certificate({ subject: commonName(element(12, ascii("a,b+c=\0\r\n\x7f"))) })))
    expect(Certificate.formatName(shown.subject)).toBe("CN=a\\,b\\+c\\=\\00\\0d\\0a\\7f")
    const format = (value: string) => Certificate.formatName([{ oid: "2.5.4.3", name: "CN", value }])
    expect(format("#a b ")).toBe("CN=\\#a b\\ ")
    expect(format(" ")).toBe("CN=\\ ")
    expect(format("a\u0085b\u2028c")).toBe("CN=a\\c2\\85b\\e2\\80\\a8c")
    expect(format("é😀")).toBe("CN=é😀")
  })

  it("T06 alternative names of every kind and length", () => {
    const names = (...all: ReadonlyArray<Uint8Array>) =>
      Option.map(parse(certificate({ extensions: alternatives(...all) })), ({ alternativeNames }) => alternativeNames)
    expect(Option.getOrThrow(names(
      element(0x82, ascii("a\0b.test")),
      element(0x87, [1, 2, 3]),
      element(0x87, []),
      element(0x87, new Uint8Array(16)),
      element(0x87, [0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 1]),
      element(0x88, [0x2a, 3]),
      element(0xa0, [1]),
      element(0xa4, commonName(element(12, ascii("d"))))
    ))).toEqual([
      { kind: "dns", value: "a\0b.test" },
      { kind: "ip", value: "010203" },
      { kind: "ip", value: "" },
      { kind: "ip", value: "::" },
      { kind: "ip", value: "2001:db8::1" },
      { kind: "registeredId", value: "1.2.3" },
      { kind: "other", value: "01" },
      { kind: "directory", value: "CN=d" }
    ])
    // A directory name that is none, and an identifier that is cut.
    expect(Option.isNone(names(element(0xa4, [0x30, 5])))).toBe(true)
    expect(Option.isNone(names(element(0x88, [0x80])))).toBe(true)
  })

  it("T06 what a certificate gave out is its own: changing the source changes nothing", () => {
    const der = certificate()
    const read = Option.getOrThrow(parse(der))
    const { pem } = read
    der.fill(0)
    expect(read.pem).toBe(pem)
  })
})
