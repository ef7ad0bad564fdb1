/** Which reason each code of OpenSSL and each alert becomes. */
import { Net, Tls, TlsAlert } from "@copas/core"
import { NodeNet } from "@copas/node"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NodeNetwork from "node:net"
import { codeAsTold, reasonOf } from "../../src/internal/tls/errors.js"

/** A server that answers whatever comes by one fatal alert, and hangs up. */
const refusing = (alert: number) =>
  Effect.acquireRelease(
    Effect.async<NodeNetwork.Server>((resume) => {
      const server = NodeNetwork.createServer((socket) => {
        socket.on("error", () => {})
        socket.once("data", () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, alert])))
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )

/** OpenSSL has no code for these: it takes the alert for an end. */
const unknownToOpenssl = new Set(["CLOSE_NOTIFY", "TOO_MANY_CIDS_REQUESTED", "GENERAL_ERROR", "ECH_REQUIRED"])

layer(NodeNet.layer, { excludeTestServices: true })((it) => {
  for (const { code: alert, name, reason } of TlsAlert.alerts) {
    const expected = unknownToOpenssl.has(name) ? "ClosedInHandshake" : reason
    it.scoped(`T07 the alert ${name} is ${expected}, by whatever name this version of OpenSSL calls it`, () =>
      Effect.gen(function*() {
        const server = yield* refusing(alert)
        const { port } = server.address() as NodeNetwork.AddressInfo
        const context = yield* Tls.client()
        const error = yield* Effect.flip(Net.connect({ host: "127.0.0.1", port, tls: context, linger: 0 }))
        expect(error).toMatchObject({ _tag: "TlsError", reason: expected })
        if (!unknownToOpenssl.has(name)) {
          expect((error as { readonly code?: string }).code).toMatch(
            new RegExp(`^ERR_SSL_(SSLV3|TLSV1|TLSV13)_(ALERT_)?${name}$`)
          )
        }
      }))
  }

  for (const { name, reason } of TlsAlert.alerts) {
    for (const family of ["SSLV3", "TLSV1", "TLSV13", "SSL/TLS"]) {
      for (const word of ["ALERT_", ""]) {
        it(`T07 ERR_SSL_${family}_${word}${name} is ${reason}`, () => {
          const code = `ERR_SSL_${family}_${word}${name}`
          expect(reasonOf(code)).toBe(reason)
          expect(reasonOf(codeAsTold(code))).toBe(reason)
          expect(codeAsTold(code)).not.toContain("SSL/TLS")
        })
      }
    }
  }

  it("T07 an alert that nobody assigned is RefusedByPeer, any other code of TLS ProtocolViolation, anything else Unknown", () => {
    expect(reasonOf("ERR_SSL_TLSV1_ALERT_WHO_KNOWS")).toBe("RefusedByPeer")
    expect(reasonOf("ERR_SSL_SSL/TLS_ALERT_WHO_KNOWS")).toBe("RefusedByPeer")
    expect(reasonOf("ERR_SSL_BAD_PACKET_LENGTH")).toBe("ProtocolViolation")
    expect(reasonOf("EWHATEVER")).toBe("Unknown")
    expect(reasonOf(undefined)).toBe("Unknown")
  })
})
