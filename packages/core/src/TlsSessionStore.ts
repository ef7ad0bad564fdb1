/**
 * Where a client's context keeps the sessions that it can offer again: for platforms that bring TLS.
 *
 * @since 0.1.0
 */
import { NodeInspectSymbol } from "effect/Inspectable"

interface Kept<A> {
  readonly session: A
  readonly isReusable: boolean
}

/** A server sends two tickets by default; more than a few are of no use. */
const mostPerServer = 8

/**
 * The sessions of a client's context: up to eight for each server. When more servers than `most` are known, the store
 * forgets the server that has not been asked for longest.
 *
 * A session of TLS 1.3 is offered once, so that an observer cannot tell that two connections belong together (RFC 8446,
 * appendix C.4). The last one of a server is kept nevertheless, for servers that insist on resumption.
 *
 * A session contains secrets: nothing of it appears in JSON or in `util.inspect`.
 *
 * @since 0.1.0
 * @category models
 */
export class TlsSessionStore<A> {
  readonly #most: number
  readonly #servers = new Map<string, Array<Kept<A>>>()

  constructor(most: number) {
    this.#most = most
  }

  /** How many servers it has sessions of. */
  get size(): number {
    return this.#servers.size
  }

  /** Keeps a session. A reusable one (up to TLS 1.2) takes the place of those before it. */
  keep(key: string, session: A, isReusable: boolean): void {
    if (!(this.#most > 0)) return
    const servers = this.#servers
    const kept = servers.get(key)
    if (kept === undefined || isReusable) {
      servers.delete(key)
      servers.set(key, [{ session, isReusable }])
    } else {
      kept.push({ session, isReusable })
      if (kept.length > mostPerServer) kept.shift()
    }
    for (const oldest of servers.keys()) {
      if (servers.size <= this.#most) break
      servers.delete(oldest)
    }
  }

  /** The newest session of a server. */
  take(key: string): A | undefined {
    const servers = this.#servers
    const kept = servers.get(key)
    const newest = kept?.at(-1)
    if (kept === undefined || newest === undefined) return undefined
    servers.delete(key)
    servers.set(key, kept)
    if (kept.length > 1) kept.pop()
    return newest.session
  }

  /** Drops every session of a server. */
  forget(key: string): void {
    this.#servers.delete(key)
  }

  toJSON(): unknown {
    return { _id: "TlsSessionStore", servers: this.#servers.size }
  }

  [NodeInspectSymbol](): unknown {
    return this.toJSON()
  }
}
