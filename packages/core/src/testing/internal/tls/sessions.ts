import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Certificate } from "../../../Certificate.js"
import type { UpgradeRequest } from "../../../TlsTransport.js"
import { fromDer, isFor } from "./certificates.js"
import { VersionName } from "./records.js"
import { equalBytes } from "./sha.js"
import { encode } from "./text.js"
import { usable } from "./verify.js"

const Bytes = Schema.Uint8ArrayFromBase64

/** What a client keeps of a session: in the clear, where OpenSSL's is DER. */
const SessionJson = Schema.parseJson(Schema.Struct({
  ticket: Bytes,
  secret: Bytes,
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

/** `undefined` when it was sealed with another key, or is over, or is none. */
export const openTicket = (bytes: Uint8Array, seal: Uint8Array, now: number): Ticket | undefined => {
  const ticket = Option.getOrUndefined(decodeTicket(decoder.decode(bytes)))
  return ticket !== undefined && now < ticket.until && equalBytes(ticket.seal, seal) ? ticket : undefined
}

// ---- the client's store

interface Kept {
  readonly session: Uint8Array
  readonly isReusable: boolean
}

/** A server sends two tickets; more than a few are of no use. */
const mostPerServer = 8

/**
 * The sessions of a client's context, as Node's platform keeps them: a few for each server, the servers that were not
 * asked for longest forgotten first. A session of TLS 1.3 is offered once (RFC 8446, appendix C.4), but for the last.
 */
export class Sessions {
  private readonly most: number
  private readonly servers = new Map<string, Array<Kept>>()

  constructor(most: number) {
    this.most = most
  }

  keep(key: string, session: Uint8Array, isReusable: boolean): void {
    if (this.most === 0) return
    const kept = this.servers.get(key)
    if (kept === undefined || isReusable) {
      this.servers.delete(key)
      this.servers.set(key, [{ session, isReusable }])
    } else {
      kept.push({ session, isReusable })
      if (kept.length > mostPerServer) kept.shift()
    }
    for (const oldest of this.servers.keys()) {
      if (this.servers.size <= this.most) break
      this.servers.delete(oldest)
    }
  }

  /** The newest one for a server. */
  take(key: string): Uint8Array | undefined {
    const kept = this.servers.get(key)
    const newest = kept?.at(-1)
    if (kept === undefined || newest === undefined) return undefined
    this.servers.delete(key)
    this.servers.set(key, kept)
    if (kept.length > 1) kept.pop()
    return newest.session
  }

  forget(key: string): void {
    this.servers.delete(key)
  }
}

export interface Offered extends Session {
  readonly certificates: ReadonlyArray<Certificate>
}

/**
 * The session to offer. Who resumes it is taken for verified: so one that was made with another name's server is not
 * offered, nor one whose certificate was not accepted, and none where the certificate has to be looked at.
 */
export const sessionFor = (
  request: UpgradeRequest,
  context: { readonly sessions: Sessions; readonly verify: "full" | "chain" | "none"; readonly hasPsk: boolean },
  now: number
): Offered | undefined => {
  if (usable(request.dane).length > 0) return undefined
  const bytes = request.session ??
    (request.sessionKey === undefined ? undefined : context.sessions.take(request.sessionKey))
  const session = bytes === undefined ? undefined : Option.getOrUndefined(decodeSession(decoder.decode(bytes)))
  if (session === undefined || now >= session.until) return undefined
  const certificates = session.chain.flatMap((der) => fromDer(der) ?? [])
  const own = certificates[0]
  if (context.verify === "none") return { ...session, certificates }
  if (own === undefined) return context.hasPsk ? { ...session, certificates } : undefined
  const isOther = context.verify === "full" && !isFor(own, request.verifyName ?? "")
  return session.code !== undefined || isOther ? undefined : { ...session, certificates }
}
