// The limit inside Node: connections, and the least that sends a message over each. It checks nothing but codes.
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as net from "node:net"
import * as tls from "node:tls"
import { block, blocks, filename, recipient, sender, subject, text } from "../load/smtp-content.js"
import { rounds } from "./client-rounds.js"
import { connections, done, told } from "./smtp-rounds.js"

const eol = "\r\n"

/** Two characters of base64 for each 12 bits, as they lie in memory. */
const pairs = (() => {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  return Uint16Array.from(
    { length: 4096 },
    (_, bits) => letters.charCodeAt(bits >> 6) | letters.charCodeAt(bits & 63) << 8
  )
})()
const lineEnd = 13 | 10 << 8

/** Lines of 76 characters, each with its line end, for whole lines of input; 57 bytes a line. */
const encode = (bytes: Uint8Array, into: Uint16Array): Uint8Array => {
  let out = 0
  for (let at = 0; at < bytes.length;) {
    for (const end = at + 57; at < end; at += 3) {
      const bits = bytes[at]! << 16 | bytes[at + 1]! << 8 | bytes[at + 2]!
      into[out++] = pairs[bits >> 12]!
      into[out++] = pairs[bits & 4095]!
    }
    into[out++] = lineEnd
  }
  return new Uint8Array(into.buffer, 0, out * 2)
}

const buffers = Array.from({ length: 4 }, () => new Uint16Array(1150 * 39 + 39))

const connect = async (): Promise<(number: number) => Promise<void>> => {
  const socket = told.isTls
    ? tls.connect({ port: told.port, host: "127.0.0.1", ca: fs.readFileSync(told.ca), servername: "localhost" })
    : net.connect({ port: told.port, host: "127.0.0.1" })
  socket.setNoDelay(true)
  let buffered = ""
  let wanted = 0
  let resolve: () => void = () => {}
  socket.on("data", (chunk: Buffer) => {
    buffered += chunk.toString("latin1")
    for (let at = buffered.indexOf(eol); at !== -1; at = buffered.indexOf(eol)) {
      if (buffered.charCodeAt(0) >= 0x34) throw new Error(buffered)
      if (buffered[3] !== "-") wanted--
      buffered = buffered.slice(at + 2)
    }
    if (wanted <= 0) resolve()
  })
  const replies = (count: number): Promise<void> => {
    wanted += count
    return new Promise((done) => (resolve = done))
  }
  const write = (bytes: Uint8Array | string): Promise<void> | undefined =>
    socket.write(bytes) ? undefined : new Promise((done) => socket.once("drain", done))
  await replies(1)
  void write(`EHLO [127.0.0.1]${eol}`)
  await replies(1)

  const group = `MAIL FROM:<${sender}>${eol}RCPT TO:<${recipient}>${eol}DATA${eol}`
  const head = (number: number): string =>
    `From: ${sender}${eol}To: ${recipient}${eol}Subject: ${subject(number)}${eol}` +
    `Date: ${new Date().toUTCString().replace("GMT", "+0000")}${eol}Message-ID: <${randomUUID()}@example.test>${eol}` +
    `MIME-Version: 1.0${eol}`
  const plain = `Content-Type: text/plain; charset=us-ascii${eol}Content-Transfer-Encoding: 7bit${eol}${eol}${text}`
  const bounded = `--=bound${eol}`
  const mixed = `Content-Type: multipart/mixed; boundary="=bound"${eol}${eol}${bounded}${plain}${bounded}` +
    `Content-Type: application/octet-stream; name=${filename}${eol}Content-Transfer-Encoding: base64${eol}` +
    `Content-Disposition: attachment; filename=${filename}${eol}${eol}`

  const attachment = async (): Promise<void> => {
    // What a block leaves of its last line is the beginning of the next block's first.
    const joint = Buffer.alloc(57)
    let rest = 0
    for (let index = 0; index < blocks(told.size); index++) {
      const bytes = block(index)
      const from = rest === 0 ? 0 : bytes.copy(joint, rest)
      const end = bytes.length - (bytes.length - from) % 57
      if (from > 0) void write(encode(joint, new Uint16Array(39)))
      const waits = write(encode(bytes.subarray(from, end), buffers[index % 4]!))
      rest = bytes.copy(joint, 0, end)
      // A buffer is used again four blocks later.
      if (waits !== undefined) await waits
    }
    const last = joint.toString("base64", 0, rest)
    void write(`${last}${rest === 0 ? "" : eol}--=bound--${eol}.${eol}`)
  }

  return async (number) => {
    void write(group)
    await replies(3)
    if (told.size === 0) {
      void write(`${head(number)}${plain}.${eol}`)
      return replies(1)
    }
    const answered = replies(1)
    void write(head(number) + mixed)
    await attachment()
    return answered
  }
}

const sessions = await Promise.all(Array.from({ length: connections }, connect))

await rounds(async () => {
  let next = 0
  await Promise.all(sessions.map(async (send) => {
    while (next < told.messages) await send(next++)
  }))
  return done
})
