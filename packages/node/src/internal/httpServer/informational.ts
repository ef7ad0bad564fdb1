/** Answers before the answer, and the checks of fields that handlers send beside it. */
import * as Http from "node:http"
import type * as Http2 from "node:http2"
import type { Exchange } from "./exchange.js"

interface Wrong {
  readonly option: string
  readonly value: string
  readonly expected: string
}

/** The first field that Node would refuse. */
export const wrongField = (fields: Readonly<Record<string, string>>): Wrong | undefined => {
  for (const [name, value] of Object.entries(fields)) {
    try {
      Http.validateHeaderName(name)
      Http.validateHeaderValue(name, value)
    } catch {
      return {
        option: name,
        value: JSON.stringify(value),
        expected: "a field: a name of letters, and a value without line ends"
      }
    }
  }
  return undefined
}

const link = /^<[^<>\s]*>(?:\s*;\s*[!#$%&'*+.^_`|~\w-]+(?:=(?:"[^"\r\n]*"|[^\s",;]+))?)*$/

export const wrongLink = (links: ReadonlyArray<string>): Wrong | undefined => {
  for (const value of links) {
    if (!link.test(value) || wrongField({ link: value }) !== undefined) {
      return { option: "links", value: JSON.stringify(value), expected: "a link, such as `</style.css>; rel=preload`" }
    }
  }
  return undefined
}

/**
 * False if it is too late for it, or too early, or the client would not understand. Node's own `writeEarlyHints` throws for
 * links with blanks in quotes, as `imagesrcset` has them.
 */
export const earlyHints = (
  exchange: Exchange,
  links: ReadonlyArray<string>,
  fields: Readonly<Record<string, string>>
): boolean => {
  const { response, source } = exchange
  const isOld = source.httpVersionMajor === 1 && source.httpVersionMinor === 0
  if (isOld || exchange.isGone || response.headersSent || links.length === 0) return false
  if (exchange.isHttp2) {
    const { stream } = response as Http2.Http2ServerResponse
    if (stream.destroyed) return false
    stream.additionalHeaders({ ...fields, ":status": 103, link: [...links] })
    return true
  }
  // The answer before this one is still on its way.
  if (response.socket === null) return false
  const lines = [...links.map((value) => ["Link", value]), ...Object.entries(fields)]
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")
  response.socket.write(`HTTP/1.1 103 Early Hints\r\n${text}\r\n`, "latin1")
  return true
}
