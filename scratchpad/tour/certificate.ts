// The certificate library wants it to be there first.
import "reflect-metadata"
import * as X509 from "@peculiar/x509"
import { Effect } from "effect"
import { webcrypto } from "node:crypto"

/** A certificate for `localhost` that is its own authority, made for this run. */
export const selfSigned = Effect.promise(async () => {
  X509.cryptoProvider.set(webcrypto as never)
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as never as {
    readonly privateKey: never
    readonly publicKey: never
  }
  const certificate = await X509.X509CertificateGenerator.createSelfSigned({
    name: "CN=localhost, O=Copas tour",
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new X509.BasicConstraintsExtension(true, 0, true),
      new X509.SubjectAlternativeNameExtension([{ type: "dns", value: "localhost" }])
    ]
  })
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)
  return { certificate: certificate.toString("pem"), key: X509.PemConverter.encode(key, "PRIVATE KEY") }
})
