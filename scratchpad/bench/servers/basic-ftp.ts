/** Rounds of FTP with basic-ftp. */
import { Client } from "basic-ftp"
import * as fs from "node:fs"
import * as path from "node:path"
import { Writable } from "node:stream"
import { mebibyte, rounds } from "./client-rounds.js"
import { told } from "./ftp-rounds.js"

const client = new Client()
await client.access({
  host: "127.0.0.1",
  port: told.port,
  ...(told.ca === undefined ? {} : {
    secure: true,
    secureOptions: { ca: fs.readFileSync(told.ca), servername: "localhost", host: "localhost" }
  })
})

const files = async (): Promise<number> => {
  const to = path.join(told.local, "files")
  fs.rmSync(to, { recursive: true, force: true })
  await client.downloadToDir(to, "small")
  return fs.readdirSync(to).length
}

const programs: Record<string, () => Promise<number>> = {
  "ftp-download": async () => {
    await client.downloadTo(path.join(told.local, "big"), "big")
    return told.size / mebibyte
  },
  "ftp-stream": async () => {
    let bytes = 0
    const counted = new Writable({
      write: (chunk: Uint8Array, _, done) => {
        bytes += chunk.length
        done()
      }
    })
    await client.downloadTo(counted, "big")
    return bytes / mebibyte
  },
  "ftp-upload": async () => {
    await client.uploadFrom(told.big, "pub/up")
    return told.size / mebibyte
  },
  "ftp-files": files,
  "ftp-far": files
}

await rounds(programs[told.round]!)
