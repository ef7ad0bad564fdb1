/** What the messages of HTTP's errors have in common, and which requests may be sent twice. */

/** Where an error was, for the beginning of its message. */
export const at = (
  { hop, method, url }: { readonly method: string; readonly url: string; readonly hop: number }
): string =>
  hop === 0 ? `${method} ${url}` : `${method} ${url} (after ${hop === 1 ? "1 redirect" : `${hop} redirects`})`

// RFC 9110, section 9.2.2, and of the registered methods those of WebDAV that change nothing.
const idempotent = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "TRACE",
  "PUT",
  "DELETE",
  "QUERY",
  "PROPFIND",
  "REPORT",
  "SEARCH"
])

export const isIdempotent = (method: string): boolean => idempotent.has(method)

/** Whether the caller's request may be sent again although it may have been carried out. */
export const isRepeatable = (
  where: { readonly method: string; readonly wasCarriedOut?: boolean | undefined }
): boolean => isIdempotent(where.method) && where.wasCarriedOut !== true

/** The statuses that say that the same request may succeed later. */
const passing: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

/** Whether the answer to the same request may be another one later. */
export const isPassing = (where: Parameters<typeof isRepeatable>[0], status: number): boolean =>
  passing.has(status) && isRepeatable(where)

export const late = {
  connect: "there was no connection",
  send: "the server took no more of the request",
  response: "no answer began",
  receive: "the answer stood still",
  total: "the answer was not whole"
}

export const released = {
  read: "it was read before; a body is read once",
  scope: "the scope of the answer has ended; read it within `Effect.scoped`",
  unread: "nobody began to read it in time; read it at once, or use `Http`, whose scope keeps it"
}

export const refused = {
  Insecure: "it leaves https; `redirect: \"all\"` follows it",
  Method: "it repeats the method; `redirect: \"all\"` follows it",
  Body: "it asks for the body again, which can be given once only; use `Body.from` or `Body.file`",
  Scheme: "it leads to neither http nor https",
  Location: "its `Location` is not one URL"
}

/** What to do about a status that was not expected. */
export const adviceFor = (status: number): string =>
  status === 401 || status === 403
    ? "check the credentials (`auth`)"
    : status === 404
    ? "check the URL"
    : status === 429 || status === 503
    ? "try again later (`retry`)"
    : "see `text` for what the server says, or name the status in `expect`"

export const again = (canRetry: boolean): string =>
  canRetry ? "it may be sent again" : "the server may have carried it out: do not send it again before you know"
