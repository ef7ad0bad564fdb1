/** Sessions and tickets of the stand-in. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Certificate } from "../../../Certificate.js"
import type { IdentityRule } from "../../../PeerIdentity.js"
import { TlsSessionStore } from "../../../TlsSessionStore.js"
import type { UpgradeRequest } from "../../../TlsTransport.js"
import { fromDer } from "./certificates.js"
import { VersionName } from "./records.js"
import { equalBytes } from "./sha.js"
import { encode } from "./text.js"
import { identityProblem, usable } from "./verify.js"

const Bytes = Schema.Uint8ArrayFromBase64

/** What a client keeps of a session: in the clear, where OpenSSL's is DER. */
const SessionJson = Schema.parseJson(Schema.Struct({
  ticket: Bytes,
  secret: Bytes,
  /** The name under which it was made. */
  name: Schema.String,
  version: VersionName,
  cipher: Schema.String,
  /** Until when the server said that it takes it, by the network's clock. */
  until: Schema.Number,
  /** The server's certificate, and what was wrong with it. */
  chain: Schema.Array(Bytes),
  code: Schema.optional(Schema.String)
}))

export type Session = typeof SessionJson.Type

export const encodeSession = (session: Session): Uint8Array => encode(Schema.encodeSync(SessionJson)(session))

const decodeSession = Schema.decodeUnknownOption(SessionJson)
const decoder = new TextDecoder()

/**
 * What a server keeps of a session, at the client's: the ticket. `seal` stands for having been sealed with the server's
 * key: a ticket whose seal is not that of the key in use cannot be opened.
 */
const TicketJson = Schema.parseJson(Schema.Struct({
  seal: Bytes,
  secret: Bytes,
  version: VersionName,
  cipher: Schema.String,
  until: Schema.Number,
  serverName: Schema.optional(Schema.String),
  /** The client's certificate, and what was wrong with it. */
  chain: Schema.Array(Bytes),
  code: Schema.optional(Schema.String),
  psk: Schema.Boolean
}))

export type Ticket = typeof TicketJson.Type

export const sealTicket = (ticket: Ticket): Uint8Array => encode(Schema.encodeSync(TicketJson)(ticket))

const decodeTicket = Schema.decodeUnknownOption(TicketJson)

/** `undefined` if it was sealed with another key, has expired, or is not a ticket. */
export const openTicket = (bytes: Uint8Array, seal: Uint8Array, now: number): Ticket | undefined => {
  const ticket = Option.getOrUndefined(decodeTicket(decoder.decode(bytes)))
  return ticket !== undefined && now < ticket.until && equalBytes(ticket.seal, seal) ? ticket : undefined
}

// ---- the client's store

/** As on Node's platform: an encoded session, for its name. */
export class Sessions extends TlsSessionStore<Uint8Array> {}

export interface Offered extends Session {
  readonly certificates: ReadonlyArray<Certificate>
}

interface Offering {
  readonly sessions: Sessions
  readonly verify: "full" | "chain" | "none"
  readonly identityRule: IdentityRule
  readonly hasPsk: boolean
}

/**
 * The session to offer. A peer that resumes it counts as verified, so a session that was made under another name is not
 * offered (RFC 8446, section 4.6.1), nor one whose certificate was not accepted, and none where the certificate has to be
 * looked at.
 */
export const sessionFor = (request: UpgradeRequest, context: Offering, now: number): Offered | undefined => {
  if (usable(request.dane).length > 0) return undefined
  const bytes = request.session ??
    (request.sessionKey === undefined ? undefined : context.sessions.take(request.sessionKey))
  const session = bytes === undefined ? undefined : Option.getOrUndefined(decodeSession(decoder.decode(bytes)))
  const host = request.verifyName ?? ""
  if (session === undefined || now >= session.until || session.name !== host) return undefined
  const certificates = session.chain.flatMap((der) => fromDer(der) ?? [])
  const own = certificates[0]
  if (context.verify === "none") return { ...session, certificates }
  if (own === undefined) return context.hasPsk ? { ...session, certificates } : undefined
  const isOther = context.verify === "full" &&
    identityProblem(own, { host, rule: context.identityRule }) !== undefined
  return session.code !== undefined || isOther ? undefined : { ...session, certificates }
}
