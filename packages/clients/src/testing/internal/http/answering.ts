/**
 * The bytes of an answer, and what becomes of its connection.
 */
import type { Field } from "@copas/core/HttpTransport"
import { has, valuesOf } from "../../../internal/http/fields.js"
import { pairsOf } from "../../../internal/http/parameters.js"
import * as Bytes from "../../../internal/text/bytes.js"
import type { Answer, Ending, Fields, Reply, Request } from "../../HttpPeer.js"

const encoder = new TextEncoder()

/** The texts of RFC 9110, section 15, and RFC 6585. */
const texts: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  102: "Processing",
  103: "Early Hints",
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  206: "Partial Content",
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  412: "Precondition Failed",
  413: "Content Too Large",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  425: "Too Early",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout"
}

const pairs = (fields: Fields = []): ReadonlyArray<Field> =>
  pairsOf<string | number>(fields).map(([name, value]) => [name, String(value)])

const lines = (fields: ReadonlyArray<Field>): string => fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")

const bytesOf = (data: string | Uint8Array): Uint8Array => typeof data === "string" ? encoder.encode(data) : data

/** One character a byte; a character that is none would become another one, so it is a mistake of the test. */
const headBytes = (head: string): Uint8Array => {
  const wide = /[^\0-\xff]/.exec(head)?.[0]
  if (wide !== undefined) {
    throw new Error(`an answer's head has ${JSON.stringify(wide)}: write its bytes, a character for each`)
  }
  return Bytes.fromBinary(head)
}

const closes = (fields: ReadonlyArray<Field>): boolean =>
  valuesOf(fields, "connection").some((value) => value.toLowerCase().includes("close"))

const chunked = (chunks: ReadonlyArray<string | Uint8Array>, trailers: Fields | undefined): Uint8Array => {
  const parts = chunks.map(bytesOf).filter((chunk) => chunk.length > 0).flatMap((chunk) => [
    Bytes.fromBinary(`${chunk.length.toString(16)}\r\n`),
    chunk,
    Bytes.fromBinary("\r\n")
  ])
  return Bytes.concat([...parts, headBytes(`0\r\n${lines(pairs(trailers))}\r\n`)])
}

const isChunks = (body: Answer["body"]): body is ReadonlyArray<string | Uint8Array> => Array.isArray(body)

/** Its bytes, and what follows them. */
export const encode = (
  reply: Reply,
  request: Request | undefined
): { readonly bytes: Uint8Array; readonly ending: Ending } => {
  if (typeof reply === "string" || reply instanceof Uint8Array) return { bytes: bytesOf(reply), ending: "keep" }
  const { body = "", cut, isFramed = true, status = 200, trailers, version = "HTTP/1.1" } = reply
  const content = isChunks(body) ? chunked(body, trailers) : bytesOf(body)
  const given = pairs(reply.fields)
  const hasBody = status >= 200 && status !== 204 && status !== 304 &&
    !(request?.method === "CONNECT" && status < 300)
  const isGiven = ["content-length", "transfer-encoding"].some((name) => has(given, name))
  const framing: ReadonlyArray<Field> = !isFramed || !hasBody || isGiven
    ? []
    : isChunks(body)
    ? [["Transfer-Encoding", "chunked"]]
    : [["Content-Length", String(content.length)]]
  const head = `${version} ${status} ${reply.statusText ?? texts[status] ?? ""}\r\n${lines([...given, ...framing])}\r\n`
  const bytes = Bytes.concat([headBytes(head), hasBody && request?.method !== "HEAD" ? content : Bytes.empty])
  const isLast = cut !== undefined || !isFramed || closes(given) || closes(request?.fields ?? [])
  return { bytes: cut === undefined ? bytes : bytes.slice(0, cut), ending: reply.ending ?? (isLast ? "close" : "keep") }
}
