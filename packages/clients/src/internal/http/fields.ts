/** The header fields of requests: what of them may be sent, and which go where a redirect leads. */
import type { Field } from "@copas/core/HttpTransport"
import type { Fields } from "../../HttpRequest.js"

/** What is wrong with a part of a request. */
export interface Fault {
  readonly field: string
  readonly reason: string
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// RFC 9110, section 5.5: bytes except control characters. CR, LF and NUL would begin another field, or a request.
const unsendable = /[^\t\x20-\x7e\x80-\xff]/

/** Fields that are not the caller's, and what to do instead. */
const reserved: Readonly<Record<string, string>> = {
  host: "the URL says it; to connect elsewhere use `connector`",
  "content-length": "the body says it",
  "transfer-encoding": "the body says it",
  connection: "connections are the client's",
  "keep-alive": "connections are the client's",
  "proxy-connection": "connections are the client's",
  upgrade: "connections are the client's",
  expect: "the client does not wait for 100; leave the field out",
  "proxy-authorization": "only the proxy may have it: give user and password in `proxy`"
}

export const methodFault = (method: unknown): string | undefined =>
  typeof method !== "string" || !token.test(method)
    ? "a method is letters, digits and some signs, without blanks and control characters"
    : method.toUpperCase() === "CONNECT"
    ? "tunnels are made by a connector: see `Proxy.http`"
    : undefined

export const valueFault = (value: unknown): string | undefined =>
  typeof value !== "string"
    ? "it is no text"
    : unsendable.test(value)
    ? "it has a control character (CR, LF, NUL …), or one above U+00FF; encode it"
    : undefined

const faultOf = (name: string, value: unknown): Fault | undefined => {
  if (!token.test(name)) {
    const shown = JSON.stringify(name.slice(0, 40)).slice(1, -1)
    return { field: `headers.${shown}`, reason: "the name of a field is letters, digits and some signs" }
  }
  const lower = name.toLowerCase()
  const instead = Object.hasOwn(reserved, lower) ? reserved[lower] : undefined
  const reason = instead ?? valueFault(value)
  return reason === undefined ? undefined : { field: `headers.${lower}`, reason }
}

/** Fields as they are sent, and the lower-case names that they replace among others. */
export interface Checked {
  readonly fields: ReadonlyArray<Field>
  readonly names: ReadonlySet<string>
}

const isPairs = (given: Fields): given is Iterable<readonly [string, string]> => Symbol.iterator in given

/** Checks fields of a caller. A name without a value is in `names` alone: it takes the default away. */
export const check = (given: Fields): Checked | Fault => {
  if (typeof given !== "object" || given === null) {
    return { field: "headers", reason: "it is neither a record nor pairs" }
  }
  const fields: Array<Field> = []
  const names = new Set<string>()
  for (const pair of isPairs(given) ? given : Object.entries(given)) {
    if (!Array.isArray(pair)) return { field: "headers", reason: "it has what is no pair of a name and a value" }
    const [name, values] = pair
    if (typeof name !== "string") return { field: "headers", reason: "the name of a field is no text" }
    if (values === undefined && token.test(name)) {
      names.add(name.toLowerCase())
      continue
    }
    for (const value of Array.isArray(values) ? values : [values]) {
      const text = typeof value === "number" ? String(value) : value
      const fault = faultOf(name, text)
      if (fault !== undefined) return fault
      fields.push([name, text.trim()])
    }
    names.add(name.toLowerCase())
  }
  return { fields, names }
}

export const isFault = (checked: Checked | Fault): checked is Fault => "reason" in checked

/** The first fields without those that the second ones replace, and the second ones. */
export const join = (first: ReadonlyArray<Field>, second: Checked): ReadonlyArray<Field> =>
  second.names.size === 0
    ? first
    : [...first.filter(([name]) => !second.names.has(name.toLowerCase())), ...second.fields]

/** The values of all fields of a name, which is in lower case. */
export const valuesOf = (fields: ReadonlyArray<Field>, name: string): ReadonlyArray<string> => {
  let found: Array<string> | undefined
  for (const field of fields) {
    if (field[0].length !== name.length || field[0].toLowerCase() !== name) continue
    if (found === undefined) found = [field[1]]
    else found.push(field[1])
  }
  return found ?? none
}

const none: ReadonlyArray<string> = []

export const has = (fields: ReadonlyArray<Field>, name: string): boolean =>
  fields.some((field) => field[0].length === name.length && field[0].toLowerCase() === name)

const isContent = (name: string): boolean => name.startsWith("content-")

const goesAnywhere = (name: string): boolean =>
  name.startsWith("accept") || name === "user-agent" || name === "range" || name.startsWith("if-")

/**
 * The fields for the next hop: without those of the body if it has none, and to another origin only those that are no
 * secret, and those that the caller named.
 */
export const forNextHop = (
  fields: ReadonlyArray<Field>,
  options: { readonly keepsBody: boolean; readonly isSameOrigin: boolean; readonly keep: ReadonlySet<string> }
): ReadonlyArray<Field> =>
  options.keepsBody && options.isSameOrigin ? fields : fields.filter(([name]) => {
    const lower = name.toLowerCase()
    if (isContent(lower)) return options.keepsBody
    return options.isSameOrigin || goesAnywhere(lower) || options.keep.has(lower)
  })
