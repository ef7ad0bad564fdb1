/**
 * What a request's head must be before a handler sees it: the rules of RFC 9112 and 9113 that the parsers of Node let pass.
 *
 * llhttp and nghttp2 settle where messages end. What they leave is checked here, once, over node's flat array of fields,
 * and a request that passes allocates nothing. What differs by Node's version is refused on all (20.18.1 passes a name with
 * a blank, an empty Transfer-Encoding beside a length, bytes outside of ASCII in a target).
 */

/**
 * Why a request is answered with `status`, and the connection (the stream, in HTTP/2) then ends: node's parser goes on and
 * hands out what it finds after it, which must not run. `reason` is ours, without a byte of the peer.
 */
export interface Refusal {
  readonly status: 400 | 414 | 417 | 421 | 431 | 501 | 505
  readonly reason: string
}

export interface HeadLimits {
  /** Fields, and the bytes that they take in HTTP/1.1: name, value and four more each. */
  readonly headers: number
  readonly headerSize: number
  /** Bytes of the target. */
  readonly uri: number
}

const refusal = (status: Refusal["status"], reason: string): Refusal => ({ status, reason })

const refusals = {
  simpleRequest: refusal(400, "HTTP/0.9 is not served"),
  version: refusal(505, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are served"),
  method: refusal(501, "the method is not one of HTTP"),
  connect: refusal(501, "this is no proxy: CONNECT is not served"),
  targetSize: refusal(414, "the target of the request is too long"),
  target: refusal(400, "the target of the request is malformed"),
  targetScheme: refusal(400, "the target of the request is not of http or https"),
  targetAuthority: refusal(400, "the host in the target of the request is malformed"),
  misdirected: refusal(421, "the target of the request is of https, and the connection is not secure"),
  fieldCount: refusal(431, "the request has too many fields"),
  fieldSize: refusal(431, "the fields of the request are too large"),
  fieldName: refusal(400, "the request has a field with a malformed name"),
  noHost: refusal(400, "the request has no Host"),
  manyHosts: refusal(400, "the request has more than one Host"),
  host: refusal(400, "the Host of the request is malformed"),
  otherHost: refusal(400, "the Host of the request is not its authority"),
  coding: refusal(400, "the Transfer-Encoding of the request is malformed"),
  otherCoding: refusal(501, "the only transfer coding that is served is chunked"),
  codingVersion: refusal(400, "Transfer-Encoding belongs to HTTP/1.1"),
  codingAndLength: refusal(400, "the request has a Transfer-Encoding and a Content-Length"),
  manyLengths: refusal(400, "the request has more than one Content-Length"),
  length: refusal(400, "the Content-Length of the request is malformed"),
  expectation: refusal(417, "the only expectation that is served is 100-continue"),
  trailer: refusal(400, "the request has a trailer that must stand in its head")
} satisfies Record<string, Refusal>

/** No `#`, nothing that is not visible ASCII; and no `\` in the path, which WHATWG's URL reads as `/` and others do not. */
const originForm = /^\/[!"$->@-[\]-~]*(?:\?[!"$-~]*)?$/
const absoluteForm = /^([a-z][a-z\d+.-]*):\/\/([^/?#]*)([^]*)$/i

/** The registered names of DNS, with the underscore that private networks have, and IPv6; not all that RFC 3986 would take. */
const hostAndPort = /^(\[[\da-f:.]+\]|[\w~-]+(?:\.[\w~-]+)*\.?)(?::\d{0,5})?$/i

const readHost = (authority: string): boolean => {
  const match = authority.length > 261 ? null : hostAndPort.exec(authority)
  if (match === null) return false
  const url = `http://${authority}/`
  if (!URL.canParse(url)) return false
  // An address in another spelling (`0x7f.1`, `010.0.0.1`) would be one host here and another one in the handler's URL.
  return match[1]!.startsWith("[") || new URL(url).hostname === match[1]!.toLowerCase()
}

/** The last one that was good: clients say the same one each time. */
let knownHost = "localhost"

/** Whether this is a host, with a port or without, as a `Host` field names it. */
export const isHost = (authority: string): boolean => {
  if (authority === knownHost) return true
  if (!readHost(authority)) return false
  knownHost = authority
  return true
}

/** Whether a field's name is this one, which is in lower case, letters and `-`. */
const isNamed = (name: string, lower: string): boolean => {
  for (let at = 0; at < lower.length; at++) {
    if ((name.charCodeAt(at) | 0x20) !== lower.charCodeAt(at)) return false
  }
  return name.length === lower.length
}

const isNotName = (name: string): boolean => name.length === 0 || name.includes(" ")

const digits = /^\d+$/
/** llhttp takes the last coding off, and leaves the body in the others (RFC 9112, section 6.1). */
const endsInChunked = /[^\s,]\s*,\s*chunked$/i

/**
 * The rules for the requests of one connection, one after the other or, in HTTP/2, of one stream after the other: `check` or
 * `checkStream` judges a head, and what it found stays in the properties until the next call.
 */
export class RequestRules {
  /** The host and port that the request is for, as the client wrote them; `undefined` in HTTP/1.0 without a `Host`. */
  authority: string | undefined = undefined
  /**
   * The target in origin form, or `*`. Resolving it against the authority never leaves that host: `//evil/p` is here
   * `/.//evil/p`, which `new URL` reads as the path `//evil/p`.
   */
  path = "/"
  /** Bytes of the body, if the request says so. */
  contentLength: number | undefined = undefined
  /** The body is chunked. */
  isChunked = false
  /** The client waits for `100 Continue` before it sends the body. */
  expectsContinue = false

  private readonly limits: HeadLimits
  private readonly isClear: boolean

  /** `isClear`: the connection is not secure, and no proxy before it is trusted to have been. */
  constructor(limits: HeadLimits, isClear = false) {
    this.limits = limits
    this.isClear = isClear
  }

  /** A request of HTTP/1, as `IncomingMessage` has it: `method`, `url`, `httpVersion`, `rawHeaders`. */
  check(
    method: string | undefined,
    target: string,
    version: string,
    rawHeaders: ReadonlyArray<string>
  ): Refusal | undefined {
    if (version !== "1.1" && version !== "1.0") return version === "0.9" ? refusals.simpleRequest : refusals.version
    const problem = this.scan(rawHeaders)
    if (problem !== undefined) return problem
    if (this.isChunked) {
      if (version === "1.0") return refusals.codingVersion
      if (this.contentLength !== undefined) return refusals.codingAndLength
    }
    if (version === "1.0") this.expectsContinue = false
    else if (this.authority === undefined) return refusals.noHost
    if (this.authority !== undefined && !isHost(this.authority)) return refusals.host
    return method === undefined ? refusals.method : this.readTarget(method, target)
  }

  /** A request of HTTP/2, with its pseudo fields among the others, as the event "stream" of `Http2Server` has them. */
  checkStream(rawHeaders: ReadonlyArray<string>): Refusal | undefined {
    let method: string | undefined
    let target = ""
    let authority: string | undefined
    let scheme = ""
    for (let at = 0; at + 1 < rawHeaders.length && rawHeaders[at]!.startsWith(":"); at += 2) {
      const value = rawHeaders[at + 1]!
      if (rawHeaders[at] === ":method") method = value
      else if (rawHeaders[at] === ":path") target = value
      else if (rawHeaders[at] === ":authority") authority = value
      else if (rawHeaders[at] === ":scheme") scheme = value
    }
    const problem = this.scan(rawHeaders)
    if (problem !== undefined) return problem
    if (this.isChunked) return refusals.codingVersion
    if (method === undefined) return refusals.method
    if (method === "CONNECT") return refusals.connect
    if (authority === undefined) authority = this.authority
    // RFC 9113, section 8.3.1.
    else if (this.authority !== undefined && this.authority.toLowerCase() !== authority.toLowerCase()) {
      return refusals.otherHost
    }
    if (authority === undefined) return refusals.noHost
    if (!isHost(authority)) return refusals.host
    this.authority = authority
    if (scheme !== "https" && scheme !== "http") return refusals.targetScheme
    if (scheme === "https" && this.isClear) return refusals.misdirected
    return target.startsWith("/") || target === "*" ? this.readTarget(method, target) : refusals.target
  }

  /** The trailers of a chunked body or of a stream: bounded as the head is, and none that frames or routes a message (RFC 9110, section 6.5.1). */
  checkTrailers(rawTrailers: ReadonlyArray<string>): Refusal | undefined {
    if (rawTrailers.length > this.limits.headers * 2) return refusals.fieldCount
    let size = 0
    for (let at = 0; at + 1 < rawTrailers.length; at += 2) {
      const name = rawTrailers[at]!
      if (isNotName(name)) return refusals.fieldName
      if (headOnly.has(name.toLowerCase())) return refusals.trailer
      size += name.length + rawTrailers[at + 1]!.length + 4
    }
    return size > this.limits.headerSize ? refusals.fieldSize : undefined
  }

  private scan(raw: ReadonlyArray<string>): Refusal | undefined {
    this.authority = undefined
    this.contentLength = undefined
    this.isChunked = false
    this.expectsContinue = false
    if (raw.length > this.limits.headers * 2) return refusals.fieldCount
    let size = 0
    for (let at = 0; at + 1 < raw.length; at += 2) {
      const name = raw[at]!
      const value = raw[at + 1]!
      size += name.length + value.length + 4
      if (isNotName(name)) return refusals.fieldName
      switch (name.length) {
        case 4:
          if (isNamed(name, "host")) {
            if (this.authority !== undefined) return refusals.manyHosts
            this.authority = value
          }
          break
        case 6:
          if (isNamed(name, "expect")) {
            if (value.toLowerCase() !== "100-continue") return refusals.expectation
            this.expectsContinue = true
          }
          break
        case 14:
          if (isNamed(name, "content-length")) {
            if (this.contentLength !== undefined) return refusals.manyLengths
            if (!digits.test(value)) return refusals.length
            this.contentLength = Number(value)
          }
          break
        case 17:
          if (isNamed(name, "transfer-encoding")) {
            if (this.isChunked) return refusals.coding
            if (value.toLowerCase() !== "chunked") {
              return endsInChunked.test(value) ? refusals.otherCoding : refusals.coding
            }
            this.isChunked = true
          }
          break
      }
    }
    return size > this.limits.headerSize ? refusals.fieldSize : undefined
  }

  private readTarget(method: string, target: string): Refusal | undefined {
    if (method === "CONNECT") return refusals.connect
    if (target.length > this.limits.uri) return refusals.targetSize
    if (target.charCodeAt(0) === 0x2f) {
      if (!originForm.test(target)) return refusals.target
      this.path = target.charCodeAt(1) === 0x2f ? `/.${target}` : target
      return undefined
    }
    if (target === "*") {
      this.path = target
      return method === "OPTIONS" ? undefined : refusals.target
    }
    return this.readAbsolute(method, target)
  }

  /** RFC 9112, section 3.2.2: the authority of the target counts, whatever Host says. */
  private readAbsolute(method: string, target: string): Refusal | undefined {
    const match = absoluteForm.exec(target)
    if (match === null) return refusals.target
    const scheme = match[1]!.toLowerCase()
    if (scheme !== "http" && scheme !== "https") return refusals.targetScheme
    if (scheme === "https" && this.isClear) return refusals.misdirected
    if (!isHost(match[2]!)) return refusals.targetAuthority
    this.authority = match[2]!
    const rest = match[3]!
    // RFC 9110, section 4.2.3: an empty path is `/`, except in the request that asks about the server as a whole.
    if (rest === "" && method === "OPTIONS") this.path = "*"
    else return this.readTarget(method, rest.startsWith("/") ? rest : `/${rest}`)
    return undefined
  }
}

const headOnly = new Set([
  "authorization",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "expect",
  "host",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])
