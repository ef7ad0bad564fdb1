/** FTP URLs (RFC 1738, section 3.2), and calls that take them. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import * as Url from "../../src/internal/ftp/url.js"
import { binary, bytes } from "./support.js"

const parse = (text: string) => Either.getOrThrow(Url.parse(text))

const refused = (text: string) => Either.getOrThrow(Either.flip(Url.parse(text)))

const text = (raw: Uint8Array): string => new TextDecoder().decode(raw)

const encoded = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte)
    return /[A-Za-z0-9\-._~]/.test(character) ? character : `%${byte.toString(16).padStart(2, "0")}`
  }).join("")

const written = ({ host, password, port, scheme, segments, type, user = "" }: Url.FtpUrl): string => {
  const text = (given: string) => encoded(new TextEncoder().encode(given))
  const login = `${text(user)}${password === undefined ? "" : `:${text(Redacted.value(password))}`}@`
  const at = `${host.includes(":") ? `[${host}]` : host}${port === undefined ? "" : `:${port}`}`
  return `${scheme}://${login}${at}/${segments.map(encoded).join("/")}${type === undefined ? "" : `;type=${type}`}`
}

describe("FTP URLs", () => {
  it("S16 an FTP URL has a scheme, a login, a host, a port, a path and a type", () => {
    const url = parse("ftp://us%40er:p%3Aw%2F@FTP.Example:2121/a/b%20c;type=A")
    expect(url).toMatchObject({ scheme: "ftp", user: "us@er", host: "ftp.example", port: 2121, type: "a" })
    expect(Redacted.value(url.password!)).toBe("p:w/")
    expect(url.segments.map(text)).toEqual(["a", "b c"])
  })

  it("S16 an FTP URL may have less than that", () => {
    expect(parse("ftp://h")).toEqual({ scheme: "ftp", host: "h", segments: [] })
    expect(parse("FTPS://h/")).toEqual({ scheme: "ftps", host: "h", segments: [] })
    expect(parse("ftpes://h:/")).toEqual({ scheme: "ftpes", host: "h", segments: [] })
    expect(parse("ftp://u@h/;type=d")).toEqual({ scheme: "ftp", host: "h", user: "u", segments: [], type: "d" })
    expect(Redacted.value(parse("ftp://u:@h/").password!)).toBe("")
    expect(parse("ftp://@h/").user).toBe("")
  })

  it.each([
    ["ftp://[2001:DB8::1]:2121/", "2001:db8::1"],
    ["ftp://127.1/", "127.0.0.1"],
    ["ftp://bücher.example/", "xn--bcher-kva.example"],
    ["ftp://u:p@h@host/", "host"]
  ])("S16 the host is what a connection takes: %s", (url, host) => {
    expect(parse(url).host).toBe(host)
  })

  it.each([
    ["ftp://h/a/b", "a/b"],
    ["ftp://h/%2Fetc/motd", "/etc/motd"],
    ["ftp://h//etc/motd", "/etc/motd"],
    ["ftp://h/%2F", "/"],
    ["ftp://h//", "/"],
    ["ftp://h/a//b", "a/b"],
    ["ftp://h/a/", "a/"],
    ["ftp://h/a/b%2Fc;type=i", "a/b/c"],
    ["ftp://h/", ""],
    ["ftp://h/a%3Btype=a", "a;type=a"],
    ["ftp://h/a;x=y", "a;x=y"],
    ["ftp://h/a?b", "a?b"],
    ["ftp://h/../%2e%2e/x", "../../x"],
    ["ftp://h/a\\b", "a\\b"],
    ["ftp://h/ä b", "ä b"]
  ])("S16 the path of an FTP URL is taken by RFC 1738: %s", (url, path) => {
    expect(text(Url.toPath(parse(url)))).toBe(path)
  })

  it("S16 a path that is percent-encoded keeps its bytes", () => {
    expect(parse("ftp://h/%E4%ff").segments).toEqual([binary("\xe4\xff")])
  })

  it.each([
    "ftp://h/a%0d%0aDELE%20b",
    "ftp://h/a%0Ab",
    "ftp://h/a%00b",
    "ftp://h/a\r\nb",
    "ftp://u%0d%0aX:p@h/",
    "ftp://u:p%0d%0aX@h/"
  ])("S16 an FTP URL with a line end or NUL in it, in clear or encoded, is refused: %j", (url) => {
    expect(refused(url).reason).toBe("it has a control character in it")
  })

  it.each([
    "",
    "h/a",
    "ftp:h",
    "ftp:/h",
    "ftp:///a",
    "ftp://",
    "ftp://u@/a",
    "http://h/",
    "file:///etc/passwd",
    "ftp://h:0/",
    "ftp://h:65536/",
    "ftp://h:21x/",
    "ftp://a b/",
    "ftp://a\nb/",
    "ftp://a\r\nb:21/",
    "ftp://a%00b/",
    "ftp://::1/",
    "ftp://[::1/",
    "ftp://[::1%25eth0]/",
    "ftp://[zz]/",
    "ftp://h?x",
    "ftp://h/a#b",
    "ftp://h/a%",
    "ftp://h/a%2",
    "ftp://h/a%zz",
    "ftp://h/a;type=x",
    "ftp://h/a;type=",
    "ftp://%ff@h/",
    "ftp://h/\uD800"
  ])("S16 what is no FTP URL is an InvalidArgument: %j", (url) => {
    expect(refused(url)._tag).toBe("InvalidArgument")
  })

  it.each([
    "ftp://u:hunter2@h:x/",
    "ftp://u:hun/ter2@h/",
    "ftp://u:hunter2@h/a#",
    "ftp://u:hun#ter2@h",
    "http://u:hunter2@h/"
  ])(
    "S16 a password is in no error: %s",
    (url) => {
      expect(refused(url).message).not.toMatch(/hun|ter2/)
    }
  )

  it("S16 a URL as a value does not show its password", () => {
    expect(JSON.stringify(parse("ftp://u:p%2F@h/a"))).not.toContain("p/")
  })

  it("S16 a URL that is written is read as the same", () => {
    const word = FC.string({ unit: "binary" }).filter((given) => !/\p{Cc}/u.test(given))
    const segment = FC.uint8Array({ maxLength: 8 }).map((given) => given.filter((byte) => byte >= 32 && byte !== 127))
    const url = FC.record({
      scheme: FC.constantFrom<Url.Scheme>("ftp", "ftps", "ftpes"),
      host: FC.constantFrom("h", "ftp.example", "192.0.2.1", "2001:db8::1"),
      segments: FC.array(segment, { maxLength: 4 }).filter((given) => given.length !== 1 || given[0]!.length > 0),
      user: word,
      password: word.map((given) => Redacted.make(given)),
      port: FC.integer({ min: 1, max: 65_535 }),
      type: FC.constantFrom<Url.TransferType>("a", "i", "d")
    }, { requiredKeys: ["scheme", "host", "segments", "user"] })
    FC.assert(
      FC.property(url, (given) => {
        const read = parse(written(given as Url.FtpUrl))
        const value = (each: { readonly password?: Redacted.Redacted<string> | undefined }) =>
          each.password && Redacted.value(each.password)
        expect({ ...read, password: value(read) }).toEqual({ ...given, password: value(given) })
      }),
      Sampling.runs({ short: 100, long: 300 })
    )
  })

  it("S16 a hostile text is read in time that grows with it", () => {
    // A cost that grew with the square would take minutes, past the time limit of the test.
    for (const part of ["/", ":", "@", "//", "%2F", ";type=", "a", "1", "[", "."]) {
      const text = part.repeat(200_000)
      for (const url of [text, `ftp://${text}`, `ftp://u:p@${text}`, `ftp://h/${text}`, `ftp://${text}@h:x`]) {
        Url.parse(url)
      }
    }
  })

  it("S16 no text makes the parser throw", () => {
    const piece = FC.constantFrom(
      "ftp://",
      "ftps://",
      "h",
      ":",
      "@",
      "/",
      "%",
      "%2F",
      "%0a",
      ";type=",
      "a",
      "[",
      "]",
      "::1",
      "#"
    )
    const given = FC.array(FC.oneof(piece, FC.string({ unit: "binary", maxLength: 3 }))).map((pieces) =>
      pieces.join("")
    )
    FC.assert(
      FC.property(given, (url) => {
        const read = Url.parse(url)
        if (Either.isRight(read)) {
          expect(Url.toPath(read.right).every((byte) => byte >= 32 && byte !== 127)).toBe(true)
          expect(bytes(read.right.host).length).toBeGreaterThan(0)
        }
      }),
      Sampling.runs({ short: 200, long: 1000 })
    )
  })
})
