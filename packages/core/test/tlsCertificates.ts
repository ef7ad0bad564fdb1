/** The certificates of the contract of TLS, for the network in memory, whose clock stands at 1970 in tests. */
import type { TlsMaterial } from "@copas/core/contract"
import { TlsMemory } from "@copas/core/testing"
import { Effect } from "effect"

const day = 86_400_000

const authorities = new WeakMap<TlsMaterial.Made, TlsMemory.Authority>()

const validity = {
  now: {},
  over: { notBefore: -9 * day, notAfter: -day },
  future: { notBefore: day, notAfter: 30 * day }
} as const

let seed = 0

const make = (wanted: TlsMaterial.Wanted): TlsMaterial.Made => {
  const issuer = wanted.issuer === undefined
    ? undefined
    // Not every certificate that issues is one of an authority: that is what some cases are about.
    : authorities.get(wanted.issuer) ?? {
      certificate: wanted.issuer.pem,
      chain: wanted.issuer.identity.certificate,
      ca: wanted.issuer.pem
    }
  const { pathLength } = wanted
  const name = wanted.name ?? wanted.hosts?.[0] ?? "test"
  const common = { ...validity[wanted.validity ?? "now"], name, seed: ++seed }
  if (wanted.isAuthority === true) {
    const authority = TlsMemory.authority({ ...common, issuer, pathLength })
    const made = { pem: authority.certificate, identity: { certificate: authority.chain, key: "" } }
    authorities.set(made, authority)
    return made
  }
  const { certificate, identity } = TlsMemory.identity({
    ...common,
    issuer: issuer ?? "self",
    names: wanted.hosts ?? [],
    usage: wanted.usage ?? "server"
  })
  return { pem: certificate, identity }
}

export const certificates: TlsMaterial.Certificates = {
  make: (wanted) => Effect.sync(() => make(wanted)),
  revocationList: (issuer, revoked) =>
    Effect.sync(() =>
      TlsMemory.revocationList({ issuer: authorities.get(issuer)!, revoked: revoked.map(({ pem }) => pem) })
    )
}
