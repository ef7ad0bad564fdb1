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
