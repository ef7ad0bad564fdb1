/** The URLs of requests: read once, without the secrets that stand in them. */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Authority from "../authority.js"

/** What of a URL's query is hidden: the values of these parameters (lower case), or all. */
export type Hidden = ReadonlySet<string> | "all"

// OpenTelemetry's conventions name the first four (url.full); the others are OAuth's, Amazon's, and customary.
export const commonSecrets: ReadonlyArray<string> = [
  "awsaccesskeyid",
  "signature",
  "sig",
  "x-goog-signature",
  "x-amz-signature",
  "x-amz-credential",
  "x-amz-security-token",
  "access_token",
  "refresh_token",
  "id_token",
  "client_secret",
  "code",
  "token",
  "auth",
  "key",
  "api_key",
  "apikey",
  "api-key",
  "secret",
  "password",
  "passwd",
  "pwd",
  "session",
  "sessionid"
]

const decoded = (name: string): string => {
  try {
    return decodeURIComponent(name.replaceAll("+", " "))
  } catch {
    return name
  }
}

const hideQuery = (query: string, hidden: Hidden): string =>
  query.split("&").map((pair) => {
    const at = pair.indexOf("=")
    if (at === -1) return hidden === "all" && pair !== "" ? "REDACTED" : pair
    const name = pair.slice(0, at)
    return hidden === "all" || hidden.has(decoded(name).toLowerCase()) ? `${name}=REDACTED` : pair
  }).join("&")

const shownLength = 2048

/** A URL for errors, logs and spans: without user, password and fragment, and with the values of parameters hidden. */
export const show = (url: URL, hidden: Hidden): string => {
  const query = url.search === "" ? "" : `?${hideQuery(url.search.slice(1), hidden)}`
  const text = `${url.protocol}//${url.host}${url.pathname}${query}`
  return text.length > shownLength ? `${text.slice(0, shownLength)}…` : text
}

/** A text that is no URL, for errors. */
export const showUnread = (text: string): string => {
  const shown = Authority.hidden(text.replace(/[?#][^]*$/, "")).slice(0, 200)
  return shown === "" ? "(empty)" : shown
}

/** A URL without user and password and the credentials that stood there; or what is wrong with it. */
export interface Read {
  readonly url: URL
  readonly login: { readonly user: string; readonly password: Redacted.Redacted<string> } | undefined
}

// WHATWG's parser takes these out, or changes them, silently.
const control = /\p{Cc}/u

export const read = (given: string | URL): Read | string => {
  if (typeof given !== "string" && !(given instanceof URL)) return "it is neither text nor a URL"
  if (typeof given === "string" && control.test(given)) return "it has a control character (CR, LF, NUL …) in it"
  let url: URL
  try {
    url = new URL(given)
  } catch {
    return "it is not like http://host:port/path?query"
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return "its scheme is neither http nor https; for a Unix-domain socket use the connector `Http.unix`"
  }
  if (url.username === "" && url.password === "") return { url, login: undefined }
  const login = loginOf(url)
  if (typeof login === "string") return login
  url.username = ""
  url.password = ""
  return { url, login }
}

const loginOf = ({ password, username }: URL): Read["login"] | string =>
  Either.merge(Either.map(
    Either.all({ user: Authority.decodeLogin(username), password: Authority.decodeLogin(password) }),
    ({ password, user }) => ({ user, password: Redacted.make(password) })
  ))

/** The text of a query with more parameters. */
export const addQuery = (url: URL, parameters: string): void => {
  if (parameters === "") return
  url.search = url.search === "" ? parameters : `${url.search}&${parameters}`
}

/** A `Location` as text of a URL: bytes above ASCII stand for UTF-8 there, whatever the fields' encoding. */
export const ofLocation = (value: string): string =>
  value.replace(/[\x80-\xff]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
