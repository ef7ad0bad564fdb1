/** Certificates made for a test: authorities, servers, clients, good and bad ones. */
import "reflect-metadata"
import * as X509 from "@peculiar/x509"
import * as Crypto from "node:crypto"

const { webcrypto } = Crypto
X509.cryptoProvider.set(webcrypto as never)

const ec = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
const rsa = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048
}

const day = 86_400_000

export interface Made {
  readonly certificate: X509.X509Certificate
  readonly keys: Crypto.webcrypto.CryptoKeyPair
  /** The certificate and those of its issuers, without the root. */
  readonly chain: string
  readonly pem: string
  readonly key: string
  readonly subject: string
}

export interface Wanted {
  readonly name?: string
  /** Alternative names; an address is taken for an address. */
  readonly hosts?: ReadonlyArray<string>
  readonly issuer?: Made
  readonly isAuthority?: boolean
  readonly pathLength?: number
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly kind?: "ec" | "rsa"
  readonly usage?: "server" | "client"
  readonly serial?: string
  readonly signWith?: Made
}

export const exportKey = async (key: Crypto.webcrypto.CryptoKey): Promise<string> =>
  X509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")

let serial = 1

export const make = async (wanted: Wanted = {}): Promise<Made> => {
  const algorithm = wanted.kind === "rsa" ? rsa : ec
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as Crypto.webcrypto.CryptoKeyPair
  const { hosts = [], isAuthority = false, issuer } = wanted
  const subject = `CN=${wanted.name ?? hosts[0] ?? "test"}, O=Copas`
  const extensions: Array<X509.Extension> = [
    new X509.BasicConstraintsExtension(isAuthority, wanted.pathLength, true),
    await X509.SubjectKeyIdentifierExtension.create(keys.publicKey as never)
  ]
  if (isAuthority) {
    extensions.push(
      new X509.KeyUsagesExtension(X509.KeyUsageFlags.keyCertSign | X509.KeyUsageFlags.cRLSign, true)
    )
  } else {
    extensions.push(
      new X509.ExtendedKeyUsageExtension([
        wanted.usage === "client" ? X509.ExtendedKeyUsage.clientAuth : X509.ExtendedKeyUsage.serverAuth
      ])
    )
  }
  if (hosts.length > 0) {
    extensions.push(
      new X509.SubjectAlternativeNameExtension(
        hosts.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? "ip" as const : "dns" as const, value }))
      )
    )
  }
  const signer = wanted.signWith ?? issuer
  const certificate = await X509.X509CertificateGenerator.create({
    serialNumber: wanted.serial ?? (serial++).toString(16).padStart(2, "0"),
    subject,
    issuer: issuer?.subject ?? subject,
    notBefore: wanted.notBefore ?? new Date(Date.now() - day),
    notAfter: wanted.notAfter ?? new Date(Date.now() + 30 * day),
    publicKey: keys.publicKey as never,
    signingKey: (signer?.keys ?? keys).privateKey as never,
    signingAlgorithm:
      (signer === undefined ? algorithm : signer.keys.privateKey.algorithm.name === ec.name ? ec : rsa) as never,
    extensions
  })
  const pem = `${certificate.toString("pem")}\n`
  return {
    certificate,
    keys,
    chain: issuer === undefined || issuer.chain === "" ? pem : pem + issuer.chain,
    pem,
    key: await exportKey(keys.privateKey),
    subject
  }
}

/** A root, whose own certificate is not part of the chains below it. */
export const authority = async (wanted: Wanted = {}): Promise<Made> => {
  const made = await make({ name: "Test Root", isAuthority: true, ...wanted })
  return wanted.issuer === undefined ? { ...made, chain: "" } : made
}

export const revocationList = async (
  issuer: Made,
  revoked: ReadonlyArray<Made>,
  nextUpdate = new Date(Date.now() + day)
): Promise<string> => {
  const list = await X509.X509CrlGenerator.create({
    issuer: issuer.subject,
    thisUpdate: new Date(Date.now() - 2 * day),
    nextUpdate,
    entries: revoked.map(({ certificate }) => ({
      serialNumber: certificate.serialNumber,
      revocationDate: new Date(Date.now() - day)
    })),
    signingAlgorithm: ec,
    signingKey: issuer.keys.privateKey as never
  })
  return X509.PemConverter.encode(list.rawData, "X509 CRL")
}

/** What `Tls.server` and `Tls.client` take. */
export const identity = (made: Made): { readonly certificate: string; readonly key: string } => ({
  certificate: made.chain,
  key: made.key
})

export const encryptedKey = (made: Made, passphrase: string): string =>
  Crypto.createPrivateKey(made.key).export({
    type: "pkcs8",
    format: "pem",
    cipher: "aes-256-cbc",
    passphrase
  }) as string
