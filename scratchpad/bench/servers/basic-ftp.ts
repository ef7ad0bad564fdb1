import { Client } from "basic-ftp"
import * as fs from "node:fs"
import * as path from "node:path"
import { Readable, Writable } from "node:stream"
import { block, mebibyte, rounds, told } from "./ftp-rounds.js"

const client = new Client()
await client.access({ host: "127.0.0.1", port: told.port })

const programs: Record<string, () => Promise<number>> = {
  "ftp-download": async () => {
    let count = 0
    const sink = new Writable({
      write: (chunk: Buffer, _, done) => {
        count += chunk.length
        done()
      }
    })
    await client.downloadTo(sink, "big")
    return count / mebibyte
  },
  "ftp-upload": async () => {
    let left = told.size
    const source = new Readable({
      read() {
        left -= block.length
        this.push(left >= 0 ? block : null)
      }
    })
    await client.uploadFrom(source, "pub/up")
    return told.size / mebibyte
  },
  "ftp-files": async () => {
    const to = path.join(told.local, "files")
    fs.rmSync(to, { recursive: true, force: true })
    await client.downloadToDir(to, "small")
    return fs.readdirSync(to).length
  }
}

await rounds(programs[told.mode]!)
