// The limit inside Node for TLS: node:tls and nothing else.
import type * as net from "node:net"
import * as tls from "node:tls"
import * as Certificates from "../../../packages/node/test/certificates.js"

const made = await Certificates.make({ hosts: ["localhost"] })

const server = tls.createServer({ cert: made.chain, key: made.key, noDelay: true }, (socket) => {
  socket.on("error", () => {})
  socket.on("data", (chunk) => {
    if (!socket.write(chunk)) socket.pause()
  })
  socket.on("drain", () => socket.resume())
})
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`READY ${(server.address() as net.AddressInfo).port}`)
})
