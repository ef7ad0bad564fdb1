/**
 * Judges the settings of TLS contexts that no platform takes: for platforms that bring TLS. See `TlsMaterial` for keys and
 * certificates.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { longestPsk } from "./TlsCallbacks.js"
import type { CommonContextOptions, ServerOptions, Version } from "./TlsContext.js"
import type { TlsPart } from "./TlsError.js"
import * as TlsMaterial from "./TlsMaterial.js"

const encoder = new TextEncoder()

/**
 * A list of names that the platform does not take: which of them it does not know, asked one by one.
 *
 * @since 0.1.0
 * @category judging
 */
export const unknown = (
  part: TlsPart,
  option: string,
  list: string,
  knows: (word: string) => boolean
): TlsMaterial.Judged<never> => {
  const words = list.split(/[:, ]+/).filter((word) => word !== "")
  const strange = words.filter((word) => !knows(word))
  const shown = strange.slice(0, 4).map((word) => JSON.stringify(word.slice(0, 60))).join(", ")
  return TlsMaterial.fail(
    part,
    words.length === 0
      ? `\`${option}\` is empty; leave it out for the default`
      : strange.length === 0
      ? `\`${option}\` is no list that this platform reads; it has names with colons between`
      : `\`${option}\` names ${shown}${strange.length > 4 ? " …" : ""}, which this platform does not know; `
        + "see the spelling, or leave it out for the default"
  )
}

const versions: ReadonlyArray<string> = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]

/**
 * Fails with `BadMaterial` unless the versions are an interval: no version is known that is at least `minVersion` and at
 * most `maxVersion`.
 *
 * @since 0.1.0
 * @category judging
 */
export const checkVersions = (
  { maxVersion = "TLSv1.3", minVersion = "TLSv1.2" }: CommonContextOptions
): TlsMaterial.Judged<{ readonly minVersion: Version; readonly maxVersion: Version }> => {
  for (const [option, version] of Object.entries({ minVersion, maxVersion })) {
    if (versions.includes(version)) continue
    const shown = typeof version === "string"
      ? JSON.stringify((version as string).slice(0, 60))
      : TlsMaterial.typeOf(version)
    return TlsMaterial.fail("versions", `\`${option}\` is ${shown}; it is one of ${versions.join(", ")}`)
  }
  return minVersion > maxVersion
    ? TlsMaterial.fail(
      "versions",
      `\`minVersion\` ${minVersion} is above \`maxVersion\` ${maxVersion}; lower the one, or raise the other`
    )
    : Either.right({ minVersion, maxVersion })
}

/**
 * RFC 7301, section 3.1: each protocol takes 1 to 255 bytes.
 *
 * @since 0.1.0
 * @category judging
 * @example
 * ```ts
 * import { TlsSettings } from "@copas/core"
 * import { Either } from "effect"
 *
 * const judged = TlsSettings.checkAlpn(["h2", ""])
 * console.log(Either.isLeft(judged) && judged.left.detail) // `alpn[1]` has 0 bytes; the name of a protocol has …
 * ```
 */
export const checkAlpn = (
  protocols: ReadonlyArray<string> | undefined
): TlsMaterial.Judged<Array<string> | undefined> => {
  if (protocols === undefined) return Either.right(undefined)
  if (protocols.length === 0) {
    return TlsMaterial.fail("alpn", "`alpn` is an empty list; name a protocol, or leave it out")
  }
  for (const [index, protocol] of protocols.entries()) {
    const length = typeof protocol === "string" ? encoder.encode(protocol).length : undefined
    if (length !== undefined && length > 0 && length < 256) continue
    const is = length === undefined ? `is ${TlsMaterial.typeOf(protocol)}` : `has ${length} bytes`
    return TlsMaterial.fail("alpn", `\`alpn[${index}]\` ${is}; the name of a protocol has 1 to 255 bytes`)
  }
  return Either.right([...protocols])
}

/**
 * The part of pre-shared keys that is known before a handshake: a key and its identity, or a hint.
 *
 * @since 0.1.0
 * @category judging
 */
export const checkPsk = (
  option: "psk.key" | "psk.identity" | "pskHint",
  value: string | Uint8Array | Redacted.Redacted<Uint8Array>
): TlsMaterial.Judged<void> => {
  const plain: unknown = Redacted.isRedacted(value) ? Redacted.value(value) : value
  const isKey = option === "psk.key"
  if (isKey ? !(plain instanceof Uint8Array) : typeof plain !== "string") {
    return TlsMaterial.fail(
      "psk",
      `\`${option}\` is ${TlsMaterial.typeOf(plain)}; give ${isKey ? "a Uint8Array" : "a string"}`
    )
  }
  const { length } = isKey ? plain as Uint8Array : encoder.encode(plain as string)
  const [least, most] = [option === "pskHint" ? 0 : 1, isKey ? longestPsk.key : longestPsk.text]
  if (length < least || length > most) {
    return TlsMaterial.fail("psk", `\`${option}\` has ${length} bytes; TLS takes ${least} to ${most}`)
  }
  return !isKey && (plain as string).includes("\0")
    ? TlsMaterial.fail("psk", `\`${option}\` contains a NUL, which TLS does not carry; leave it out`)
    : Either.void
}

/**
 * An empty list of authorities trusts nobody, and would mean the platform's own to some libraries.
 *
 * @since 0.1.0
 * @category judging
 */
export const noAuthority = (option: string): TlsMaterial.Judged<never> =>
  TlsMaterial.fail(
    "ca",
    `\`${option}\` is an empty list, which trusts nobody; give a certificate, or leave it out for the platform's own`
  )

/**
 * A server must have something to show.
 *
 * @since 0.1.0
 * @category judging
 */
export const checkServer = ({ identity, psk, serverNames }: ServerOptions): TlsMaterial.Judged<void> =>
  (identity === undefined || (Array.isArray(identity) && identity.length === 0)) && psk === undefined &&
    serverNames === undefined
    ? TlsMaterial.fail("certificate", "a server has none of `identity`, `psk` and `serverNames`; give an `identity`")
    : Either.void

/**
 * Ticket keys of 48 bytes, and a lifetime of seven days at most (RFC 8446, section 4.6.1). The lifetime is in whole
 * seconds.
 *
 * @since 0.1.0
 * @category judging
 */
export const checkTickets = (
  tickets: ServerOptions["tickets"]
): TlsMaterial.Judged<{ readonly keys: Uint8Array | undefined; readonly lifetimeSeconds: number }> => {
  if (tickets === undefined || tickets === false) return Either.right({ keys: undefined, lifetimeSeconds: 300 })
  const keys: unknown = Redacted.isRedacted(tickets.keys) ? Redacted.value(tickets.keys) : tickets.keys
  if (keys !== undefined && !(keys instanceof Uint8Array)) {
    return TlsMaterial.fail("tickets", `\`tickets.keys\` is ${TlsMaterial.typeOf(keys)}; give 48 random bytes`)
  }
  if (keys !== undefined && keys.length !== 48) {
    return TlsMaterial.fail("tickets", `\`tickets.keys\` has ${keys.length} bytes; give 48 random bytes`)
  }
  const lifetimeSeconds = Math.floor(Duration.toSeconds(tickets.lifetime ?? "5 minutes"))
  return lifetimeSeconds >= 1 && lifetimeSeconds <= 604_800
    ? Either.right({ keys, lifetimeSeconds })
    : TlsMaterial.fail(
      "tickets",
      `\`tickets.lifetime\` is ${Duration.format(Duration.decode(tickets.lifetime!))}; it is 1 second to 7 days`
    )
}
