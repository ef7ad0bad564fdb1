// The limit inside Node: node:http, node:https and node:http2, and nothing else.
import * as http from "node:http"
import * as http2 from "node:http2"
import * as https from "node:https"
import { handler, identity, mode, ready } from "./handler.js"

const listener = handler()
if (mode === "http-server-tls" || mode === "http-server-h2") {
  const { chain: cert, key } = await identity()
  ready(
    mode === "http-server-tls"
      ? https.createServer({ cert, key }, listener)
      : http2.createSecureServer({ cert, key }, listener as unknown as Parameters<typeof http2.createSecureServer>[1])
  )
} else {
  ready(http.createServer(listener))
}
