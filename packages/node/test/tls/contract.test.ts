/** The TLS contract on Node. */
import type { TlsMaterial } from "@copas/core/contract"
import { TlsContract } from "@copas/core/contract"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NodeCopas from "../../src/NodeCopas.js"
import * as Certificates from "../certificates.js"

const day = 86_400_000

const known = new WeakMap<TlsMaterial.Made, Certificates.Made>()

const validity = {
  now: () => ({}),
  over: () => ({ notBefore: new Date(Date.now() - 9 * day), notAfter: new Date(Date.now() - day) }),
  future: () => ({ notBefore: new Date(Date.now() + day) })
}

const make = async (wanted: TlsMaterial.Wanted): Promise<TlsMaterial.Made> => {
  const { hosts, issuer, name, pathLength, usage } = wanted
  const made = await (wanted.isAuthority === true ? Certificates.authority : Certificates.make)({
    ...validity[wanted.validity ?? "now"](),
    ...(name === undefined ? {} : { name }),
    ...(hosts === undefined ? {} : { hosts }),
    ...(issuer === undefined ? {} : { issuer: known.get(issuer)! }),
    ...(pathLength === undefined ? {} : { pathLength }),
    ...(usage === undefined ? {} : { usage }),
    ...(wanted.isAuthority === true ? { isAuthority: true } : {})
  })
  const result = { pem: made.pem, identity: Certificates.identity(made) }
  known.set(result, made)
  return result
}

const certificates: TlsMaterial.Certificates = {
  make: (wanted) => Effect.promise(() => make(wanted)),
  revocationList: (issuer, revoked) =>
    Effect.promise(() => Certificates.revocationList(known.get(issuer)!, revoked.map((made) => known.get(made)!)))
}

for (const { effect, title } of TlsContract.cases(certificates)) {
  it.scoped(title, () => Effect.provide(effect, NodeCopas.layer))
}
