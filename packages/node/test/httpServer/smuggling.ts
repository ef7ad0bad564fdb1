/**
 * Requests that two readers may take for different ones, each as its bytes and the status that answers it. What node's
 * parser refuses and what the rules refuse stand side by side: a server gives the same answer to all, on every transport.
 */

/** A request, and what is right: the status of its answer, after which the connection ends unless it is 200. */
export interface Row {
  readonly name: string
  readonly bytes: string
  readonly status: number
  /** What a handler sees of one that is right. */
  readonly seen?: {
    readonly authority?: string | undefined
    readonly path?: string
    readonly body?: string
    /** The connection ends after it. */
    readonly isLast?: boolean
  }
}

const lines = (...text: ReadonlyArray<string>): string => text.map((line) => `${line}\r\n`).join("")
const host = "Host: a.example"
const head = (...fields: ReadonlyArray<string>): string => lines("GET / HTTP/1.1", host, ...fields, "")
const post = (fields: ReadonlyArray<string>, body: string): string =>
  lines("POST / HTTP/1.1", host, ...fields, "") + body
const chunked = (body: string): string => post(["Transfer-Encoding: chunked"], body)
const target = (text: string, method = "GET"): string => lines(`${method} ${text} HTTP/1.1`, host, "")
const hosts = (...values: ReadonlyArray<string>): string =>
  lines("GET / HTTP/1.1", ...values.map((value) => `Host: ${value}`), "")

const refused = (status: number, rows: Readonly<Record<string, string>>): ReadonlyArray<Row> =>
  Object.entries(rows).map(([name, bytes]) => ({ name, bytes, status }))

const served = (name: string, bytes: string, seen: NonNullable<Row["seen"]> = {}): Row => ({
  name,
  bytes,
  status: 200,
  seen
})

/** Which host is meant: cases 28 and 32. */
export const routing: ReadonlyArray<Row> = [
  ...refused(400, {
    "two Host fields": hosts("a.example", "b.example"),
    "the same Host twice": hosts("a.example", "a.example"),
    "no Host in HTTP/1.1": lines("GET / HTTP/1.1", ""),
    "an empty Host": hosts(""),
    "a Host with a user": hosts("a@b"),
    "a Host with a path": hosts("a/../b"),
    "a Host with a blank": hosts("a b"),
    "a Host that is a list": hosts("a, b"),
    "a Host with a query": hosts("a?b"),
    "a Host with a fragment": hosts("a#b"),
    "a Host with an escape": hosts("a%2fb"),
    "a Host with a backslash": hosts("a\\b"),
    "a Host with bytes past ASCII": hosts("b\u00fccher.example"),
    "a Host with a port that is none": hosts("a:99999"),
    "a Host with two ports": hosts("a:80:80"),
    "a Host that is a number in another spelling": hosts("0x7f.1"),
    "a Host in brackets that is no address": hosts("[a]"),
    "a Host in HTTP/1.0 that is none": lines("GET / HTTP/1.0", "Host: a@b", ""),
    "a target with a fragment": target("/a#b"),
    "a target with a backslash in its path": target("/\\evil.example/p"),
    "a target with a user": target("http://u:p@b.example/p"),
    "a target with an empty host": target("http:///p"),
    "a target whose host is a list": target("http://a,b/"),
    "a target of another scheme": target("ftp://b.example/p"),
    "a target without a slash": target("a/b"),
    "a target with a byte past ASCII": target("/\u00e9"),
    "a target with a tab": target("/a\tb"),
    "a target with DEL": target("/a\x7fb"),
    "an asterisk for a method that is not OPTIONS": target("*"),
    "an asterisk that goes on": target("*/x", "OPTIONS")
  }),
  ...refused(421, { "a target of https on a connection in clear": target("https://b.example/p") }),
  ...refused(501, { "CONNECT": target("a:1", "CONNECT"), "CONNECT of a path": target("/", "CONNECT") }),
  served("a Host with a port", hosts("A.Example:8080"), { authority: "A.Example:8080" }),
  served("a Host of IPv6", hosts("[::1]:80"), { authority: "[::1]:80" }),
  served("a Host of a private network", hosts("my_app.internal."), { authority: "my_app.internal." }),
  served("no Host in HTTP/1.0", lines("GET / HTTP/1.0", ""), { authority: undefined, isLast: true }),
  served("an absolute target", target("http://B.example:81/p?q"), { authority: "B.example:81", path: "/p?q" }),
  served("an absolute target without a path", target("HTTP://b.example?q"), { authority: "b.example", path: "/?q" }),
  served("an absolute target of OPTIONS without a path", target("http://b.example", "OPTIONS"), { path: "*" }),
  served("a path that looks like a host", target("//evil.example/p"), {
    authority: "a.example",
    path: "/.//evil.example/p"
  }),
  served("the same behind a host", target("http://b.example//evil.example"), { path: "/.//evil.example" }),
  served("OPTIONS for the server as a whole", target("*", "OPTIONS"), { path: "*" }),
  served("a query with what browsers send", target("/a|b?c=\\d|^`{}\""), { path: "/a|b?c=\\d|^`{}\"" })
]

/** Which version it is, and how much of it: cases 29, 30 and 33. */
export const versions: ReadonlyArray<Row> = [
  ...refused(400, {
    "chunked in HTTP/1.0": lines("POST / HTTP/1.0", "Transfer-Encoding: chunked", "") + lines("1", "x", "0", ""),
    "HTTP/0.9": lines("GET /x", ""),
    "HTTP/0.9 that says so": lines("GET /x HTTP/0.9", host, ""),
    "HTTP/0.9 with fields and a body": lines("GET /x", host, "Content-Length: 3", "") + "abc",
    "HTTP/0.9 with fields and a body, lines ended by LF": `GET /x\n${host}\nContent-Length: 3\n\nabc`,
    "HTTP/1.2": lines("GET / HTTP/1.2", host, ""),
    "HTTP/3.0": lines("GET / HTTP/3.0", host, ""),
    "HTTP in small letters": lines("GET / http/1.1", host, ""),
    "a method in small letters": lines("get / HTTP/1.1", host, ""),
    "lines ended by LF": `GET / HTTP/1.1\n${host}\n\n`
  }),
  ...refused(505, { "HTTP/2.0 in HTTP/1": lines("GET / HTTP/2.0", host, "") }),
  ...refused(431, {
    "3,000 fields, with a length after the thousandth": lines("POST / HTTP/1.1", host) + "a: b\r\n".repeat(1000) +
      lines("Content-Length: 3") + "a: b\r\n".repeat(1999) + "\r\nabc",
    "101 fields": head(...Array.from({ length: 100 }, () => "a: b")),
    "fields of 16 KiB": head(`a: ${"b".repeat(16 * 1024)}`)
  }),
  ...refused(414, { "a target of 8 KiB and a byte": target(`/${"a".repeat(8 * 1024)}`) }),
  ...refused(417, { "an expectation that nobody knows": post(["Expect: x", "Content-Length: 3"], "abc") }),
  served("100 fields", head(...Array.from({ length: 99 }, () => "a: b"))),
  served("a target of 8 KiB", target(`/${"a".repeat(8 * 1024 - 1)}`)),
  served("fields named as members of every object", head("__proto__: a", "constructor: b", "hasOwnProperty: c"))
]

/** Where it ends: case 31. */
export const framing: ReadonlyArray<Row> = [
  ...refused(400, {
    "a length, then chunked": post(["Content-Length: 3", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    "chunked, then a length": post(["Transfer-Encoding: chunked", "Content-Length: 3"], "0\r\n\r\n"),
    "an empty coding and a length": post(["Transfer-Encoding:", "Content-Length: 3"], "abc"),
    "an empty coding": post(["Transfer-Encoding:"], ""),
    "an empty coding, then chunked": post(["Transfer-Encoding:", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    "a coding that is no list": post(["Transfer-Encoding: ,chunked"], "0\r\n\r\n"),
    "chunked twice": post(["Transfer-Encoding: chunked, chunked"], "0\r\n\r\n"),
    "chunked twice, in two fields": post(["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    "chunked, then identity": post(["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], "0\r\n\r\n"),
    "identity, then chunked": post(["Transfer-Encoding: identity", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
    "chunked with a vertical tab": post(["Transfer-Encoding: \x0bchunked"], "0\r\n\r\n"),
    "lengths that differ": post(["Content-Length: 3", "Content-Length: 4"], "abc"),
    "two equal lengths": post(["Content-Length: 3", "Content-Length: 3"], "abc"),
    "a list of equal lengths": post(["Content-Length: 1, 1"], "a"),
    "a length with a plus": post(["Content-Length: +1"], "a"),
    "a negative length": post(["Content-Length: -1"], ""),
    "a hexadecimal length": post(["Content-Length: 0x1"], "a"),
    "an empty length": post(["Content-Length:"], ""),
    "a length past 64 bits": post(["Content-Length: 99999999999999999999"], "a"),
    "an obsolete fold": head("a: b", " c"),
    "a fold before the first field": lines("GET / HTTP/1.1", " a: b", host, ""),
    "a folded length": post(["Content-Length:", " 3"], "abc"),
    "a bare CR in a value": head("a: b\rc"),
    "NUL in a value": head("a: b\0c"),
    "a blank before the colon": head("a : b"),
    "a blank before the colon of a length": post(["Content-Length : 3"], "abc"),
    "a blank before the colon of a coding": post(["Transfer-Encoding : chunked"], "0\r\n\r\n"),
    "a blank before the colon of another Host": lines("GET / HTTP/1.1", "Host : b", host, ""),
    "a blank in a name": head("a b: c"),
    "an empty name": head(": b"),
    "a name without a colon": head("a"),
    "a name with a bracket": head("a(b: c")
  }),
  ...refused(501, { "gzip, chunked": post(["Transfer-Encoding: gzip, chunked"], "0\r\n\r\n") }),
  served("chunked in capitals", post(["Transfer-Encoding: CHUNKED"], "1\r\nx\r\n0\r\n\r\n"), { body: "x" }),
  served("a chunk with an extension", chunked("1;a=b\r\nx\r\n0\r\n\r\n"), { body: "x" }),
  served("a length with zeros before it", post(["Content-Length: 0003"], "abc"), { body: "abc" }),
  served("GET with a body", lines("GET / HTTP/1.1", host, "Content-Length: 3", "") + "abc", { body: "abc" })
]

/** Bodies that break in the middle: a handler may have begun, and then sees a body that fails. */
export const bodies: ReadonlyArray<Row> = refused(400, {
  "a coding that is not chunked": post(["Transfer-Encoding: gzip"], "abc"),
  "identity": post(["Transfer-Encoding: identity"], ""),
  "a coding in quotes": post(["Transfer-Encoding: \"chunked\""], "0\r\n\r\n"),
  "chunked with a parameter": post(["Transfer-Encoding: chunked;a=b"], "0\r\n\r\n"),
  "a chunk size ended by LF": chunked("1\nx\r\n0\r\n\r\n"),
  "a chunk size with a blank": chunked("1 \r\nx\r\n0\r\n\r\n"),
  "a chunk size with 0x": chunked("0x1\r\nx\r\n0\r\n\r\n"),
  "a chunk size with a sign": chunked("+1\r\nx\r\n0\r\n\r\n"),
  "a chunk size of 17 digits": chunked("10000000000000001\r\nx\r\n0\r\n\r\n"),
  "LF in an extension": chunked("1;a\nb\r\nx\r\n0\r\n\r\n"),
  "20 kB of extension": chunked(`1;${"a".repeat(20_000)}\r\nx\r\n0\r\n\r\n`),
  "data ended by LF": chunked("1\r\nx\n0\r\n\r\n"),
  "data without an end of line": chunked("1\r\nxy\r\n0\r\n\r\n"),
  "a trailer ended by LF": chunked("0\r\na: b\n\r\n")
})
