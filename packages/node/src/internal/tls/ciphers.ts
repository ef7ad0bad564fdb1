/** What the name of a cipher says: key exchange, authentication, encryption, bits. */
import type { TlsInfo } from "@copas/core/TlsConnection"

type Described = Pick<TlsInfo, "authentication" | "bits" | "encryption" | "keyExchange" | "mac">

/** What the beginning of OpenSSL's name of a cipher says of key exchange and authentication. */
const beginnings: ReadonlyArray<readonly [RegExp, string, string]> = [
  // TLS 1.3 agrees on both apart from the cipher (RFC 8446, section 4.2).
  [/^TLS_/, "any", "any"],
  [/^ECDHE-ECDSA/, "ECDH", "ECDSA"],
  [/^ECDHE-PSK/, "ECDHEPSK", "PSK"],
  [/^ECDHE/, "ECDH", "RSA"],
  [/^DHE-PSK/, "DHEPSK", "PSK"],
  [/^DHE-DSS/, "DH", "DSS"],
  [/^(DHE|EDH)/, "DH", "RSA"],
  [/^RSA-PSK/, "RSAPSK", "RSA"],
  [/^PSK/, "PSK", "PSK"],
  [/^ADH/, "DH", "None"],
  [/^AECDH/, "ECDH", "None"],
  [/^SRP/, "SRP", "SRP"]
]

/** Takes OpenSSL's name of a cipher apart, as `openssl ciphers -v` shows it. */
export const describe = (name: string): Described => {
  const [, keyExchange = "RSA", authentication = "RSA"] = beginnings.find(([pattern]) => pattern.test(name)) ?? []
  const exchange = { keyExchange, authentication }
  if (name.includes("CHACHA20")) return { ...exchange, encryption: "CHACHA20/POLY1305", bits: 256, mac: "AEAD" }
  const [, block = "unknown", size = "0"] = /(AES|CAMELLIA|ARIA)[_-]?(128|256)/.exec(name) ?? []
  const bits = Number(size)
  if (name.includes("GCM")) return { ...exchange, encryption: `${block}GCM(${bits})`, bits, mac: "AEAD" }
  if (name.includes("CCM")) {
    const short = /CCM_?8/.test(name) ? "8" : ""
    return { ...exchange, encryption: `${block}CCM${short}(${bits})`, bits, mac: "AEAD" }
  }
  const mac = /SHA384|SHA256|MD5/.exec(name)?.[0] ?? "SHA1"
  if (name.includes("NULL")) return { ...exchange, encryption: "None", bits: 0, mac }
  if (name.includes("DES-CBC3")) return { ...exchange, encryption: "3DES(168)", bits: 168, mac }
  return { ...exchange, encryption: `${block}(${bits})`, bits, mac }
}
