/** The element at `at` of a DER encoding: its tag, and where its contents begin and end. */
export const elementAt = (bytes: Uint8Array, at: number): { tag: number; from: number; to: number } | undefined => {
  const tag = bytes[at]
  let length = bytes[at + 1]
  let from = at + 2
  if (tag === undefined || length === undefined) return undefined
  if (length >= 0x80) {
    const count = length & 0x7f
    if (count === 0 || count > 4 || from + count > bytes.length) return undefined
    length = 0
    for (let index = 0; index < count; index += 1) length = length * 256 + bytes[from++]!
  }
  return from + length > bytes.length ? undefined : { tag, from, to: from + length }
}

/**
 * The server's certificate in a session, as OpenSSL writes sessions: a sequence in which `[3]` is the peer's
 * certificate. Once a session is resumed Node shows a client no certificate any more, yet whom it was made with is what
 * has to be checked before it is offered.
 */
export const certificateOf = (session: Uint8Array): Buffer | undefined => {
  const all = elementAt(session, 0)
  if (all === undefined || all.tag !== 0x30) return undefined
  for (let at = all.from; at < all.to;) {
    const element = elementAt(session, at)
    if (element === undefined) return undefined
    if (element.tag === 0xa3) return Buffer.from(session.subarray(element.from, element.to))
    at = element.to
  }
  return undefined
}

interface Kept {
  readonly session: Buffer
  readonly isReusable: boolean
}

/** A server sends two tickets by default; more than a few are of no use. */
const mostPerServer = 8

/**
 * The sessions of a client's context: a few for each server, the servers that were not asked for longest forgotten
 * first.
 *
 * A session of TLS 1.3 is offered once, so that nobody on the way can tell two connections belong together (RFC 8446,
 * appendix C.4); the last one is kept nevertheless, for servers that insist on resumption.
 */
export class Sessions {
  private readonly most: number
  private readonly servers = new Map<string, Array<Kept>>()

  constructor(most: number) {
    this.most = most
  }

  keep(key: string, session: Buffer, isReusable: boolean): void {
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
  take(key: string): Buffer | undefined {
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
