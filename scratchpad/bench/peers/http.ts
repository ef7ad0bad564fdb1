/** The peers of the HTTP workloads: undici as it comes, what is built on it, and the layers of this library. */
import type { Peer } from "../model.js"
import { nodePeer } from "./node-peer.js"

const modes = ["http-small", "http-download", "http-small-tls", "http-download-tls", "http-small-h2", "http-slow"]

/** NodeUndici speaks HTTP/1.1 alone. */
const modesOfUndici = modes.filter((mode) => mode !== "http-small-h2")

const programs = (program: string, which: ReadonlyArray<string> = modes): Record<string, string> =>
  Object.fromEntries(which.map((mode) => [mode, `http/${program}`]))

export const httpPeers: ReadonlyArray<Peer> = [
  nodePeer({ name: "undici", title: "bare undici, `dispatch`", programs: programs("dispatch") }),
  nodePeer({ name: "undici-request", title: "bare undici, `request`", programs: programs("request") }),
  nodePeer({ name: "fetch", title: "undici's `fetch`", programs: programs("fetch") }),
  nodePeer({ name: "got", title: "got", module: "got", programs: programs("got") }),
  nodePeer({ name: "effect-undici", title: "Effect's `HttpClient` on bare undici", programs: programs("effect") }),
  nodePeer({
    name: "effect-copas",
    title: "Effect's `HttpClient` on `NodeUndici`",
    programs: programs("effect-lent", modesOfUndici)
  }),
  nodePeer({
    name: "copas-undici",
    title: "undici over Copas sockets, `dispatch`",
    programs: programs("lent", modesOfUndici)
  }),
  nodePeer({ name: "copas-exchange", title: "`HttpTransport.exchange`", programs: programs("exchange") }),
  nodePeer({ name: "copas-http", title: "**`Http.bytes`, `Http.download`**", programs: programs("copas") }),
  nodePeer({
    name: "copas-client",
    title: "`HttpClient` of `Http.layerHttpClient`",
    programs: programs("copas-client")
  })
]
