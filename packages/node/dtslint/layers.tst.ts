/** Type tests of the layers of `@copas/node`: what each provides and requires. */
import type { Copas, Dns, HttpTransport, Net, Socket } from "@copas/core"
import type { InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type { TlsError } from "@copas/core/TlsError"
import { NodeCopas, NodeDns, NodeNet, NodeSocket, NodeUndici } from "@copas/node"
import type { HttpClient } from "@effect/platform"
import type { Effect, Layer, Scope } from "effect"
import type { Socket as NodeSocketModel } from "node:net"
import { describe, expect, it } from "tstyche"

describe("layers on Node", () => {
  it("C01 the dispatcher's layer provides dispatcher, network and names, and requires nothing", () => {
    expect(NodeCopas.layer).type.toBe<Layer.Layer<Copas.Copas | Net.Net | Dns.Dns | HttpTransport.HttpTransport>>()
    expect(NodeNet.layer).type.toBe<Layer.Layer<Net.Net>>()
  })

  it("S09 layerDns requires the names that the program provides", () => {
    expect(NodeCopas.layerDns).type.toBe<
      Layer.Layer<
        Copas.Copas | Net.Net | HttpTransport.HttpTransport,
        never,
        Dns.Dns
      >
    >()
    expect(NodeDns.layerWith({ servers: ["192.0.2.1"] })).type.toBe<Layer.Layer<Dns.Dns, InvalidOption>>()
  })

  it("T11 HTTP over these sockets requires the network, and its context may be wrong", () => {
    expect(NodeUndici.layerHttpClient()).type.toBe<
      Layer.Layer<HttpClient.HttpClient, TlsError | InvalidOption | UnsupportedOption, Net.Net>
    >()
  })

  it("C14 a socket of Node's that is taken over belongs to the scope", () => {
    expect(NodeSocket.fromNodeSocket).type.toBeCallableWith({} as NodeSocketModel)
    expect<ReturnType<typeof NodeSocket.fromNodeSocket>>().type.toBe<
      Effect.Effect<Socket.Socket, InvalidOption | UnsupportedOption, Net.Net | Scope.Scope>
    >()
  })
})
