/** Answers that the server gives itself, as bytes: to what is no request, or may not be one. */
import { STATUS_CODES } from "node:http"

/** A whole answer, after which the connection ends. */
export const refusalText = (status: number, reason: string, isHead: boolean): string => {
  const body = `${reason}\n`
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}\r\nConnection: close\r\n` +
    `Date: ${new Date().toUTCString()}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${isHead ? "" : body}`
}
