/** Judges the peer of a finished handshake: its certificate, name and chain. Nothing here touches a socket. */
import type { Authorization } from "@copas/core/TlsConnection"
import type { TlsaRecord } from "@copas/core/TlsContext"
import type { TlsFailure } from "@copas/core/TlsTransport"
import * as Either from "effect/Either"
import * as Certificates from "./certificates.js"
import * as Dane from "./dane.js"
import { reasonOf } from "./errors.js"
import type { ClientNative, ClientPolicy } from "./platform.js"

type Verdict = Either.Either<Authorization, TlsFailure>

/** Node has no call for OpenSSL's own bound on depth, and a chain without a root has one certificate less. */
const tooDeep = (maxDepth: number | undefined, chain: () => ReadonlyArray<Buffer>): TlsFailure | undefined => {
  if (maxDepth === undefined) return undefined
  const between = chain().slice(1).filter((raw) => !Certificates.isSelfIssued(raw)).length
  return between > maxDepth ? { reason: "ChainTooLong", depth: between } : undefined
}

const bounded = (
  authorization: Authorization,
  maxDepth: number | undefined,
  chain: () => ReadonlyArray<Buffer>
): Verdict => {
  const deep = tooDeep(maxDepth, chain)
  return deep === undefined ? Either.right(authorization) : Either.left(deep)
}

/** What a server showed to its client. */
export interface ShownByServer {
  /** The server's own certificate, of this handshake or of the session that it resumed. */
  readonly certificate: Buffer | undefined
  readonly chain: () => ReadonlyArray<Buffer>
  /** The error of OpenSSL about the chain; `undefined` if it found none. */
  readonly pkixCode: string | undefined
  readonly host: string
  readonly hasShownPsk: boolean
  readonly dane: ReadonlyArray<TlsaRecord>
}

/** Checks the name by RFC 9525, and TLSA records by RFC 6698. */
export const judgeServer = (context: ClientNative, shown: ShownByServer): Verdict => {
  const { certificate, chain, dane, host, pkixCode } = shown
  const { identityRule: rule, maxDepth, verify } = context
  if (certificate === undefined && !shown.hasShownPsk && verify !== "none") {
    return Either.left({ reason: "NoCertificate", code: pkixCode })
  }
  const identity = certificate === undefined || verify === "chain"
    ? undefined
    : Certificates.identityProblem(certificate, host, rule)
  if (dane.length > 0) {
    const code = pkixCode ?? identity?.code
    return Dane.vouched(dane, { chain: chain(), host, pkixCode: code, rule })
      ? bounded({ _tag: "Verified", by: "dane" }, maxDepth, chain)
      : Either.left({ reason: "DaneMismatch", code })
  }
  if (pkixCode !== undefined) {
    return bounded({ _tag: "Unverified", reason: reasonOf(pkixCode), code: pkixCode }, maxDepth, chain)
  }
  if (identity !== undefined) {
    if (verify === "full") return Either.left(identity)
    return bounded({ _tag: "Unverified", reason: identity.reason, code: Certificates.identityCode }, maxDepth, chain)
  }
  return bounded({ _tag: "Verified", by: certificate === undefined ? "psk" : "authority" }, maxDepth, chain)
}

/** What a client showed to its server. */
export interface ShownByClient {
  readonly isShown: boolean
  readonly chain: () => ReadonlyArray<Buffer>
  readonly pkixCode: string | undefined
}

export const judgeClient = (policy: ClientPolicy, { chain, isShown, pkixCode: code }: ShownByClient): Verdict => {
  if (!policy.requestCertificate) return Either.right({ _tag: "Anonymous" })
  if (!isShown) {
    return policy.requireCertificate && code !== undefined
      ? Either.left({ reason: "NoCertificate", code })
      : Either.right({ _tag: "Anonymous" })
  }
  if (code === undefined) return bounded({ _tag: "Verified", by: "authority" }, policy.maxDepth, chain)
  return policy.verify === "chain"
    ? Either.left({ reason: reasonOf(code), code })
    : bounded({ _tag: "Unverified", reason: reasonOf(code), code }, policy.maxDepth, chain)
}
