/** Many small messages, and one with a large attachment, over SMTP. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Certificates from "../../../packages/node/test/certificates.js"
import type { ClientWorkload, Goal } from "../model.js"
import { bundle } from "../peers/node-peer.js"
import { expectLine, loadCore, start as startProgram } from "../program.js"

const mebibyte = 1 << 20

/** What the sink says of what it was sent. */
interface Seen {
  readonly messages: number
  readonly wrong?: string
  readonly kinds: number
  readonly least: number
  readonly most: number
}

const start = (messages: number, size: number, isTls: boolean): ClientWorkload["start"] => async (quick) => {
  const [count, bytes] = quick ? [Math.min(messages, 200), Math.min(size, 4 * mebibyte)] : [messages, size]
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "copas-bench-"))
  const program = path.join(directory, "smtp-sink.mjs")
  await bundle(new URL("../load/smtp-sink.ts", import.meta.url), program)
  const [cert, key] = [path.join(directory, "cert.pem"), path.join(directory, "key.pem")]
  if (isTls) {
    const made = await Certificates.make({ hosts: ["localhost"] })
    fs.writeFileSync(cert, made.chain)
    fs.writeFileSync(key, made.key)
  }
  const sink = startProgram(loadCore, [process.execPath, program, String(bytes), ...(isTls ? [cert, key] : [])])
  const port = await expectLine(sink, "READY")
  return {
    args: [String(port), String(count), String(bytes), cert],
    pid: sink.pid,
    fault: async () => {
      sink.tell("seen")
      const seen = JSON.parse(await sink.line()) as Seen
      if (seen.wrong !== undefined) return seen.wrong
      return seen.kinds === count && seen.least === seen.most
        ? undefined
        : `of ${count} messages ${seen.kinds} came, the rarest ${seen.least} times and the most frequent ${seen.most} times`
    },
    stop: async () => {
      await sink.stop()
      fs.rmSync(directory, { recursive: true, force: true })
    }
  }
}

const described = (options: {
  readonly name: string
  readonly title: string
  readonly unit: string
  readonly rate: string
  readonly goal?: Goal
  readonly start: ClientWorkload["start"]
}): ClientWorkload => ({
  kind: "clients",
  counts: "cpu",
  name: options.name,
  group: "smtp",
  title: options.title,
  mode: options.name,
  baseline: "nodemailer",
  figure: { label: `CPU µs a ${options.unit}`, digits: 1 },
  columns: [
    { label: options.rate, digits: 0 },
    { label: "peak RSS above start MiB", digits: 1 }
  ],
  ...(options.goal === undefined ? {} : { goal: options.goal }),
  missing: () => undefined,
  start: options.start
})

const small = (name: string, title: string, isTls: boolean, goal?: Goal): ClientWorkload =>
  described({
    name,
    title,
    unit: "message",
    rate: "messages/s",
    start: start(10_000, 0, isTls),
    ...(goal === undefined ? {} : { goal })
  })

const large = (name: string, title: string, isTls: boolean, goal?: Goal): ClientWorkload =>
  described({
    name,
    title,
    unit: "MiB",
    rate: "MiB/s",
    start: start(1, 256 * mebibyte, isTls),
    ...(goal === undefined ? {} : { goal })
  })

// 0.4 of nodemailer's CPU time, and 0.5; the stretch 0.28 and 0.4.
export const smtpWorkloads: ReadonlyArray<ClientWorkload> = [
  small("smtp-messages", "10 000 small messages over a pool of 8", false, {
    by: "ratio",
    target: 2.5,
    stretch: 3.57
  }),
  small("smtp-messages-tls", "the same under TLS", true),
  large("smtp-attachment", "an attachment of 256 MiB as a stream; also to take 16 MiB of memory at most", false, {
    by: "ratio",
    target: 2,
    stretch: 2.5
  }),
  large("smtp-attachment-tls", "the same under TLS", true)
]
