/** The head of a script's output: where it ends, and what it asks for (RFC 3875, section 6). */
import { hopByHop, latin1, tokenPattern } from "./text.js"

/** A document, or a redirect that the client is to follow. */
export interface Document {
  readonly kind: "document"
  readonly status: number
  readonly reason: string | undefined
  /** What goes to the client: names in lower case, a name once. `set-cookie`, `content-length` are not among them. */
  readonly fields: ReadonlyMap<string, string>
  readonly cookies: ReadonlyArray<string>
  readonly length: number | undefined
}

/** The server is to answer as if the client had asked for `target`, a path with or without a query (6.2.2). */
export interface LocalRedirect {
  readonly kind: "local"
  readonly target: string
}

/** What is wrong with it. */
export interface Wrong {
  readonly kind: "wrong"
  readonly why: string
}

const LF = 10
const CR = 13

/** Collects output until the blank line that ends the head. */
export class HeadReader {
  private bytes: Buffer = Buffer.alloc(0)
  private length = 0
  /** Where the line begins that is not complete yet. */
  private line = 0

  private readonly most: number

  constructor(most: number) {
    this.most = most
  }

  /** The head with its blank line, and what came after it; `undefined` while the head is not complete. */
  push(bytes: Uint8Array): { readonly head: Buffer; readonly rest: Buffer } | Wrong | undefined {
    const before = this.length
    this.append(bytes)
    for (let at = before; at < this.length; at++) {
      if (this.bytes[at] !== LF) continue
      const isBlank = at === this.line || (at === this.line + 1 && this.bytes[this.line] === CR)
      this.line = at + 1
      if (this.line > this.most) break
      if (!isBlank) continue
      return { head: this.bytes.subarray(0, this.line), rest: this.bytes.subarray(this.line, this.length) }
    }
    return this.length > this.most ? wrong(`its head has more than ${this.most} bytes (\`maxHead\`)`) : undefined
  }

  /** Doubles, so that a head that comes byte by byte is not copied as often. */
  private append(bytes: Uint8Array): void {
    const length = this.length + bytes.length
    if (length > this.bytes.length) {
      const grown = Buffer.alloc(Math.max(length, 2 * this.bytes.length, 1024))
      this.bytes.copy(grown, 0, 0, this.length)
      this.bytes = grown
    }
    this.bytes.set(bytes, this.length)
    this.length = length
  }
}

const wrong = (why: string): Wrong => ({ kind: "wrong", why })

// What would let a script write a second field or answer, or what Node refuses: all controls but the tab.
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000a-\u001f\u007f]/

/** `{}` in it is what the script wrote, which goes to the log: shown as JSON, and short. */
const quoted = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)

/** The fields that only the script's own head may have once (6.3), and those that end or count the answer. */
const once: ReadonlySet<string> = new Set(["content-type", "location", "status", "content-length"])

/** What can be asked for again: visible ASCII without what ends a path or a query, and what no URL has raw. */
const localTarget = /^\/[!$-;=?-Z_a-z~]*$/

/** Reads a complete head. Total, and pure. */
export const parse = (head: Uint8Array): Document | LocalRedirect | Wrong => {
  const fields = new Map<string, string>()
  const cookies: Array<string> = []
  for (const ended of latin1(head).split("\n").slice(0, -1)) {
    const line = ended.endsWith("\r") ? ended.slice(0, -1) : ended
    if (line === "") break
    const colon = line.indexOf(":")
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase()
    if (!tokenPattern.test(name)) return wrong(`the line ${quoted(line)} of its head is no field`)
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "")
    if (controls.test(value)) return wrong(`the value of its field ${quoted(name)} has a control character`)
    if (name === "set-cookie") cookies.push(value)
    else if (!fields.has(name)) fields.set(name, value)
    else if (once.has(name)) return wrong(`its head has the field ${quoted(name)} twice`)
    else fields.set(name, `${fields.get(name)}, ${value}`)
  }
  return ask(fields, cookies)
}

const ask = (fields: Map<string, string>, cookies: ReadonlyArray<string>): Document | LocalRedirect | Wrong => {
  const location = fields.get("location")
  const said = fields.get("status")
  if (location === undefined && said === undefined && !fields.has("content-type")) {
    return wrong("its head has none of Content-Type, Location and Status")
  }
  if (location === "") return wrong("its Location is empty")
  if (location?.startsWith("/") && fields.size === 1 && cookies.length === 0) {
    // A fragment is for the browser, which can have it by a redirect of its own.
    if (!location.includes("#")) {
      return localTarget.test(location)
        ? { kind: "local", target: location }
        : wrong(`its Location ${quoted(location)} is no path`)
    }
  }
  const status = said === undefined ? undefined : /^([2-5]\d\d)(?:[ \t]+(.*))?$/.exec(said)
  if (status === null) return wrong(`its Status ${quoted(said!)} is not 200 to 599`)
  const counted = fields.get("content-length")
  if (counted !== undefined && !/^\d{1,15}$/.test(counted)) {
    return wrong(`its Content-Length ${quoted(counted)} is no number`)
  }
  for (const name of ["status", "content-length", ...hopByHop]) fields.delete(name)
  if (fields.get("content-type") === "") fields.delete("content-type")
  return {
    kind: "document",
    status: status === undefined ? (location === undefined ? 200 : 302) : Number(status[1]),
    reason: status?.[2],
    fields,
    cookies,
    length: counted === undefined ? undefined : Number(counted)
  }
}
