/** The pools of all routes: equal routes share one, and those that have been idle for long make room for others. */
import type * as HttpTransport from "@copas/core/HttpTransport"
import { type House, Pool } from "./pool.js"

/** Routes whose connections are kept. Past them, that which was used least recently ends, of those that are idle. */
const most = 256

type Route = HttpTransport.Route<any>

const isEqual = (a: Route, b: Route): boolean =>
  a.connect === b.connect && a.tls === b.tls && a.serverName === b.serverName && a.permit === b.permit &&
  a.http === b.http && a.limits.head === b.limits.head && a.limits.fields === b.limits.fields &&
  a.limits.connections === b.limits.connections && a.limits.idle === b.limits.idle

export class Pools {
  readonly house: House
  private readonly byOrigin = new Map<string, Array<Pool>>()
  private readonly byRoute = new WeakMap<Route, Pool>()
  private size = 0
  private uses = 0
  private isEnded = false

  constructor(house: House) {
    this.house = house
  }

  of(route: Route): Pool {
    let pool = this.byRoute.get(route)
    if (pool === undefined || pool.isEnded) {
      pool = this.equal(route)
      this.byRoute.set(route, pool)
    }
    this.uses += 1
    pool.usedAt = this.uses
    return pool
  }

  private equal(route: Route): Pool {
    const { origin } = route
    const equal = this.byOrigin.get(origin)?.find((pool) => isEqual(pool.route, route))
    if (equal !== undefined) return equal
    this.makeRoom()
    const pool = new Pool(this.house, route)
    // Looked up only now: making room replaces the lists that it takes pools out of.
    const others = this.byOrigin.get(origin)
    if (this.isEnded) void pool.end()
    else if (others === undefined) this.byOrigin.set(origin, [pool])
    else others.push(pool)
    this.size += 1
    return pool
  }

  /** While many pools are busy there may be more than are kept, so that several have to end later. */
  private makeRoom(): void {
    if (this.size < most) return
    const idle = Array.from(this.byOrigin.values()).flat().filter((pool) => pool.isIdle)
    idle.sort((one, other) => one.usedAt - other.usedAt)
    for (const pool of idle.slice(0, this.size - most + 1)) {
      const { origin } = pool.route
      const left = this.byOrigin.get(origin)!.filter((other) => other !== pool)
      if (left.length === 0) this.byOrigin.delete(origin)
      else this.byOrigin.set(origin, left)
      this.size -= 1
      void pool.end()
    }
  }

  end(): Promise<unknown> {
    this.isEnded = true
    return Promise.all(Array.from(this.byOrigin.values()).flat().map((pool) => pool.end()))
  }
}
