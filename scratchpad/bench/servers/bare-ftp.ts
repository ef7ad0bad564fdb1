// The limit inside Node: eight control connections, and the least that fetches a file over each. It checks nothing.
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import { rounds } from "./client-rounds.js"
import { told } from "./ftp-rounds.js"

const eol = "\r\n"

const connect = (port: number): net.Socket => net.connect({ port, host: "127.0.0.1", noDelay: true })

const login = async (): Promise<(name: string, local: string) => Promise<void>> => {
  const control = connect(told.port)
  let buffered = ""
  let waiting: ((line: string) => void) | undefined
  const pump = (): void => {
    const end = buffered.indexOf(eol)
    if (end === -1 || waiting === undefined) return
    const line = buffered.slice(0, end)
    buffered = buffered.slice(end + eol.length)
    const resolve = waiting
    waiting = undefined
    resolve(line)
  }
  control.on("data", (chunk: Buffer) => {
    buffered += chunk.toString("latin1")
    pump()
  })
  const reply = (): Promise<string> =>
    new Promise((resolve) => {
      waiting = resolve
      pump()
    })
  const command = (text: string): Promise<string> => {
    control.write(text + eol)
    return reply()
  }
  await reply()
  if ((await command("USER anonymous")).startsWith("3")) await command("PASS bench@")
  await command("TYPE I")
  return async (name, local) => {
    const data = connect(Number(/\|\|\|(\d+)\|/.exec(await command("EPSV"))?.[1]))
    const chunks: Array<Buffer> = []
    data.on("data", (chunk: Buffer) => chunks.push(chunk))
    const ended = new Promise((resolve) => data.on("end", resolve))
    await command(`RETR small/${name}`)
    await ended
    await reply()
    await fs.promises.writeFile(local, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
  }
}

const sessions = await Promise.all(Array.from({ length: 8 }, login))
const names = fs.readdirSync(path.join(path.dirname(told.big), "small"))

await rounds(async () => {
  const to = path.join(told.local, "files")
  fs.rmSync(to, { recursive: true, force: true })
  fs.mkdirSync(to)
  let next = 0
  await Promise.all(sessions.map(async (get) => {
    for (let name = names[next++]; name !== undefined; name = names[next++]) await get(name, path.join(to, name))
  }))
  return names.length
})
