/** Certificate revocation lists (RFC 5280, section 5). */
import type { Certificate } from "../../../Certificate.js"
import * as Der from "../../../internal/x509/der.js"
import { equalBytes } from "./sha.js"

/** A list of what an issuer revoked (RFC 5280, section 5). Its signature is not checked. */
export interface RevocationList {
  /** The issuer's name in DER. */
  readonly issuer: Uint8Array
  readonly thisUpdate: number
  readonly nextUpdate: number
  /** Serial numbers as certificates show them. */
  readonly serials: ReadonlySet<string>
}

const isTime = (element: Der.Element | undefined): boolean => element?.tag === 0x17 || element?.tag === 0x18

/** Throws when it is malformed. */
export const readRevocationList = (der: Uint8Array): RevocationList => {
  const [body] = Der.children(Der.expect(Der.read(der), 0x30, "list"))
  const fields = Der.children(Der.expect(body, 0x30, "list body"))
  // The version is there unless it is 1.
  if (fields[0]?.tag === 0x02) fields.shift()
  const [algorithm, issuer, thisUpdate, ...rest] = fields
  Der.expect(algorithm, 0x30, "algorithm")
  const name = Der.expect(issuer, 0x30, "issuer")
  if (!isTime(thisUpdate)) throw new Der.Malformed("no date")
  const nextUpdate = isTime(rest[0]) ? rest.shift() : undefined
  const entries = rest[0]?.tag === 0x30 ? Der.children(rest[0]) : []
  return {
    issuer: name.whole,
    thisUpdate: Der.time(thisUpdate!).getTime(),
    nextUpdate: nextUpdate === undefined ? Infinity : Der.time(nextUpdate).getTime(),
    serials: new Set(entries.map((entry) => {
      const serial = Der.expect(Der.children(entry)[0], 0x02, "serial number")
      return Der.hex(serial.bytes).replace(/^0+(?=.)/, "").toUpperCase()
    }))
  }
}

/** The issuer's name in DER: the fourth field, or the third of a certificate of version 1. */
const issuerName = ({ der }: Certificate): Uint8Array => {
  const fields = Der.children(Der.children(Der.read(der))[0]!)
  return fields[fields[0]!.tag === 0xa0 ? 3 : 2]!.whole
}

/** OpenSSL's code for what the lists say of a certificate, `undefined` when it is as good as before. */
export const revocation = (
  certificate: Certificate,
  lists: ReadonlyArray<RevocationList>,
  now: number
): string | undefined => {
  const name = issuerName(certificate)
  const list = lists.find(({ issuer }) => equalBytes(issuer, name))
  if (list === undefined) return "UNABLE_TO_GET_CRL"
  if (now < list.thisUpdate) return "CRL_NOT_YET_VALID"
  if (now > list.nextUpdate) return "CRL_HAS_EXPIRED"
  return list.serials.has(certificate.serial) ? "CERT_REVOKED" : undefined
}
