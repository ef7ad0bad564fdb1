/** Where an answer leads: which redirects are followed, by which request, and which are refused (RFC 9110, section 15.4). */
import type { Field } from "@copas/core/HttpTransport"
import * as HttpError from "../../HttpError.js"
import type { Where } from "./answer.js"
import * as Fields from "./fields.js"
import * as Urls from "./url.js"

/** The request of the next hop. */
export interface Next {
  readonly method: string
  /** Without user and password. */
  readonly url: URL
  readonly keepsBody: boolean
  readonly isSameOrigin: boolean
}

const statuses = new Set([301, 302, 303, 307, 308])

/** What leads on, if it is a redirect. Without a `Location`, or with an empty one, it is an answer, as in Copas. */
export const locationOf = (status: number, fields: ReadonlyArray<Field>): ReadonlyArray<string> | undefined => {
  if (!statuses.has(status)) return undefined
  const values = new Set(Fields.valuesOf(fields, "location").map((value) => value.trim()))
  values.delete("")
  return values.size === 0 ? undefined : [...values]
}

/** Whether a client follows such a redirect. */
export const isFollowed = (status: number, method: string, redirect: boolean | "all"): boolean =>
  redirect === "all" || redirect && (status === 308 || method === "GET" || method === "HEAD")

const nextMethod = (status: number, method: string): string =>
  // RFC 9110, section 15.4: 303 asks for a GET, and 301 and 302 may change a POST, as browsers do, but nothing else.
  status === 303 ? method === "HEAD" ? "HEAD" : "GET" : method === "POST" && status <= 302 ? "GET" : method

/** The next hop, or why there is none. */
export const follow = (
  { locations, method, status, url }: {
    readonly status: number
    readonly method: string
    readonly url: URL
    readonly locations: ReadonlyArray<string>
  },
  policy: {
    readonly redirect: boolean | "all"
    /** The request has a body, and may send it again. */
    readonly body: "none" | "replayable" | "oneShot"
    readonly hidden: Urls.Hidden
    readonly where: Where
  }
): Next | HttpError.RedirectRefused => {
  const refuse = (reason: HttpError.RedirectRefused["reason"], location: string) =>
    new HttpError.RedirectRefused({ ...policy.where, reason, status, location })
  const [location] = locations
  if (location === undefined || locations.length > 1) return refuse("Location", `${locations.length} different ones`)
  let next: URL
  try {
    next = new URL(Urls.ofLocation(location), url)
  } catch {
    return refuse("Location", Urls.showUnread(location))
  }
  // Other schemes may have anything for a secret.
  if (next.protocol !== "http:" && next.protocol !== "https:") return refuse("Scheme", next.protocol)
  // Credentials that a server writes are not the caller's.
  if (next.username !== "") next.username = ""
  if (next.password !== "") next.password = ""
  // RFC 9110, section 10.2.2.
  if (next.hash === "" && url.hash !== "" && !location.includes("#")) next.hash = url.hash
  if (url.protocol === "https:" && next.protocol === "http:" && policy.redirect !== "all") {
    return refuse("Insecure", Urls.show(next, policy.hidden))
  }
  const asked = nextMethod(status, method)
  const keepsBody = policy.body !== "none" && asked === method
  if (keepsBody && policy.body === "oneShot") return refuse("Body", Urls.show(next, policy.hidden))
  return { method: asked, url: next, keepsBody, isSameOrigin: next.origin === url.origin }
}
