/**
 * An SMTP server that checks and counts what it is sent, and keeps nothing: `smtp-sink.js <size> [cert key]`. A line on its
 * input asks what it has seen.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as net from "node:net"
import * as readline from "node:readline"
import * as tls from "node:tls"
import { block, blocks, line } from "./smtp-content.js"

const [size, cert, key] = process.argv.slice(2) as [string, string?, string?]

const endOfContent = "\r\n.\r\n"

/** How often each message came, and the first thing that was wrong. */
const seen = new Map<number, number>()
let messages = 0
let wrong: string | undefined

const judge = (fault: string | undefined): void => {
  messages++
  wrong ??= fault
}

/** The base64 of the attachment, in lines of 76: its length and digest. */
const expected = (() => {
  const hash = createHash("sha256")
  let length = 0
  let rest = Buffer.alloc(0)
  const count = blocks(Number(size))
  for (let index = 0; index < count; index++) {
    const bytes = Buffer.concat([rest, block(index)])
    // The line end before the boundary is not the content's.
    const isLast = index === count - 1
    const end = isLast ? bytes.length : bytes.length - bytes.length % 57
    const lines = bytes.toString("base64", 0, end).replace(/.{76}(?!$)/g, "$&\r\n") + (isLast ? "" : "\r\n")
    hash.update(lines)
    length += lines.length
    rest = bytes.subarray(end)
  }
  return { length, digest: hash.digest("hex") }
})()

interface Checker {
  readonly push: (chunk: Buffer) => void
  readonly end: () => void
}

const smallMessage = (): Checker => {
  let content = ""
  return {
    push: (chunk) => (content += chunk.toString("latin1")),
    end: () => {
      const number = Number(/^Subject: Message (\d+) of the bench\r$/m.exec(content)?.[1])
      const lines = content.split(line).length - 1
      seen.set(number, (seen.get(number) ?? 0) + 1)
      judge(Number.isNaN(number) ? "a message without its subject" : lines === 8 ? undefined : `${lines} lines of 8`)
    }
  }
}

const attachment = (): Checker => {
  const hash = createHash("sha256")
  let head: Buffer | undefined = Buffer.alloc(0)
  let remaining = expected.length
  let tail = ""
  const take = (bytes: Buffer): void => {
    const part = bytes.subarray(0, remaining)
    hash.update(part)
    remaining -= part.length
    if (bytes.length > part.length) tail += bytes.toString("latin1", part.length)
  }
  return {
    push: (chunk) => {
      if (head === undefined) return take(chunk)
      head = Buffer.concat([head, chunk])
      const at = head.indexOf("\r\n\r\n", head.indexOf("Content-Disposition: attachment"))
      if (!head.includes("Content-Disposition: attachment") || at === -1) return
      const begun = head
      head = undefined
      take(begun.subarray(at + 4))
    },
    end: () => {
      seen.set(0, (seen.get(0) ?? 0) + 1)
      const isWhole = remaining === 0 && hash.digest("hex") === expected.digest &&
        /^\r\n--[^\r\n]+--(\r\n)?$/.test(tail)
      judge(isWhole ? undefined : `an attachment of ${expected.length - remaining} characters with other bytes`)
    }
  }
}

const converse = (socket: net.Socket): void => {
  let pending = ""
  let content: Checker | undefined
  let tail: Buffer = Buffer.alloc(0)

  const answer = (command: string): string => {
    switch (command.slice(0, 4).toUpperCase()) {
      case "EHLO":
        return "250-sink.test\r\n250-PIPELINING\r\n250-SIZE 1073741824\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
      case "DATA":
        content = expected.length === 0 ? smallMessage() : attachment()
        return "354 go ahead\r\n"
      case "QUIT":
        return "221 2.0.0 bye\r\n"
      default:
        return "250 2.1.0 ok\r\n"
    }
  }

  const commands = (chunk: Buffer): void => {
    pending += chunk.toString("latin1")
    let replies = ""
    let from = 0
    for (let at = pending.indexOf("\n"); at !== -1 && content === undefined; at = pending.indexOf("\n", from)) {
      replies += answer(pending.slice(from, at))
      from = at + 1
    }
    pending = pending.slice(from)
    socket.write(replies)
    if (replies.startsWith("221")) socket.end()
    if (content === undefined || pending === "") return
    const rest = Buffer.from(pending, "latin1")
    pending = ""
    receive(rest)
  }

  const receive = (chunk: Buffer): void => {
    if (content === undefined) return commands(chunk)
    const joined = tail.length === 0 ? chunk : Buffer.concat([tail, chunk])
    const at = joined.indexOf(endOfContent)
    const end = at === -1 ? Math.max(0, joined.length - (endOfContent.length - 1)) : at + 2
    content.push(joined.subarray(0, end))
    tail = joined.subarray(end)
    if (at === -1) return
    content.end()
    content = undefined
    socket.write("250 2.0.0 Ok: queued as 1\r\n")
    const rest = joined.subarray(at + endOfContent.length)
    tail = Buffer.alloc(0)
    if (rest.length > 0) commands(rest)
  }

  socket.setNoDelay(true)
  socket.on("data", receive)
  socket.on("error", () => {})
  socket.write("220 sink.test ESMTP\r\n")
}

const server = cert === undefined || key === undefined
  ? net.createServer(converse)
  : tls.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, converse)

server.listen(0, "127.0.0.1", () => console.log(`READY ${(server.address() as net.AddressInfo).port}`))

readline.createInterface({ input: process.stdin }).on("line", () => {
  const counts = [...seen.values()]
  console.log(
    JSON.stringify({ messages, wrong, kinds: seen.size, least: Math.min(...counts), most: Math.max(...counts) })
  )
})
