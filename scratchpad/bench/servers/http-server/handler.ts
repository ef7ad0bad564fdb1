/** What the servers on Node's own modules share: a handler for each mode, identities, and the line that says the port. */
import * as fs from "node:fs"
import type * as http from "node:http"
import type * as net from "node:net"
import { join } from "node:path"
import { Readable } from "node:stream"
import * as Certificates from "../../../../packages/node/test/certificates.js"
import { hello, makeFolder, pageName, part, parts } from "../../load/http-server-content.js"

const length = Buffer.byteLength(hello)

const says: http.RequestListener = (_, response) => {
  response.writeHead(200, { "content-type": "text/plain", "content-length": length })
  response.end(hello)
}

/** Reads a file as one writes that by hand: opened for each request, and streamed. */
const sends = (folder: string): http.RequestListener => (_, response) => {
  const path = join(folder, pageName)
  fs.stat(path, (error, stats) => {
    if (error !== null) return void response.writeHead(404).end()
    response.writeHead(200, {
      "content-type": "text/plain",
      "content-length": stats.size,
      "last-modified": stats.mtime.toUTCString()
    })
    fs.createReadStream(path).pipe(response)
  })
}

const streams: http.RequestListener = (_, response) => {
  let left = parts
  response.writeHead(200, { "content-type": "application/octet-stream" })
  new Readable({
    read() {
      this.push(left-- > 0 ? part : null)
    }
  }).pipe(response)
}

export const mode = process.argv[2]!

export const handler = (): http.RequestListener =>
  mode === "http-server-file" ? sends(makeFolder()) : mode === "http-server-slow" ? streams : says

export const identity = () => Certificates.make({ hosts: ["localhost"] })

export const ready = (server: net.Server): void => {
  server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
    console.log(`READY ${(server.address() as net.AddressInfo).port}`)
  })
}
