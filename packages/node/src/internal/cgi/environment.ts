/** What a script is told of a request: its environment (RFC 3875, 4.1) and its command line (4.4). */
import { forEnvironment, hopByHop } from "./text.js"

/** What is known of a request, whatever server it came by. */
export interface Facts {
  readonly method: string
  /** As it came, without `?`. */
  readonly query: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly remoteAddress: string | undefined
  readonly protocol: string
  readonly serverName: string
  readonly serverPort: string
  readonly isTls: boolean
  /** Decoded. */
  readonly scriptName: string
  readonly pathInfo: string
  readonly pathTranslated: string | undefined
  /** Bytes of the body; `undefined` if there is none. */
  readonly contentLength: number | undefined
  /** Whether `Authorization` reaches the script. */
  readonly hasAuthorization: boolean
}

/** A request that no script gets, because two of its fields would be one variable. */
export interface Collision {
  readonly fields: readonly [string, string]
}

/** Variables by other names, the secrets of a proxy, and what would make programs use a proxy of the client's choice. */
const hidden: ReadonlySet<string> = new Set([
  ...hopByHop,
  "content-length",
  "content-type",
  "proxy-authorization",
  "proxy"
])

const variableOf = (field: string): string => `HTTP_${field.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`

/**
 * The environment. It has the variables of RFC 3875 and `HTTPS=on`, and a variable for each field whose name has letters,
 * digits and hyphens only: `X_User` would be the variable of `X-User`, which a proxy in front may have removed.
 */
export const environmentOf = (facts: Facts): Record<string, string> | Collision => {
  const environment: Record<string, string> = Object.create(null)
  const fields = new Map<string, string>()
  for (const [field, value] of Object.entries(facts.headers)) {
    if (value === undefined || field.startsWith(":")) continue
    const variable = variableOf(field)
    const other = fields.get(variable)
    if (other !== undefined) return { fields: [other, field] }
    fields.set(variable, field)
    const name = field.toLowerCase()
    if (!/^[a-z0-9-]+$/.test(name) || hidden.has(name)) continue
    if (name === "authorization" && !facts.hasAuthorization) continue
    environment[variable] = forEnvironment(value)
  }
  const address = facts.remoteAddress ?? ""
  return Object.assign(environment, {
    GATEWAY_INTERFACE: "CGI/1.1",
    SERVER_SOFTWARE: "Copas-for-Effect",
    SERVER_PROTOCOL: facts.protocol,
    SERVER_NAME: facts.serverName,
    SERVER_PORT: facts.serverPort,
    REQUEST_METHOD: facts.method,
    SCRIPT_NAME: facts.scriptName,
    QUERY_STRING: forEnvironment(facts.query),
    REMOTE_ADDR: address,
    // The address stands for the name (4.1.9): to look that up would make each request wait for its client's DNS.
    REMOTE_HOST: address,
    ...(facts.isTls ? { HTTPS: "on" } : {}),
    ...(facts.pathInfo === "" ? {} : { PATH_INFO: facts.pathInfo }),
    ...(facts.pathTranslated === undefined ? {} : { PATH_TRANSLATED: facts.pathTranslated }),
    ...(facts.contentLength === undefined ? {} : { CONTENT_LENGTH: String(facts.contentLength) }),
    ...(facts.headers["content-type"] === undefined
      ? {}
      : { CONTENT_TYPE: forEnvironment(facts.headers["content-type"]) })
  })
}

const searchWord = /^[A-Za-z0-9\-_.!~*'();/?:@&,$%]+$/

/**
 * The words of an indexed query: one that came by GET or HEAD and has no `=`. All or none (4.4): none if a word cannot be
 * decoded, and none if one begins with a hyphen, because interpreters take such a word for an option (CVE-2012-1823).
 */
export const wordsOf = (method: string, query: string): ReadonlyArray<string> => {
  if ((method !== "GET" && method !== "HEAD") || query === "" || query.includes("=")) return []
  const words: Array<string> = []
  for (const word of query.split("+")) {
    if (!searchWord.test(word)) return []
    let decoded: string
    try {
      decoded = decodeURIComponent(word)
    } catch {
      return []
    }
    if (decoded.includes("\0") || decoded.startsWith("-")) return []
    words.push(decoded)
  }
  return words
}
