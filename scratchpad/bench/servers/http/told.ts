/** What the HTTP programs share: what they are told, and what they check. */
import * as crypto from "node:crypto"
import * as fs from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import * as v8 from "node:v8"
import * as vm from "node:vm"
import { Checked, checkSmall, mebibyte, smallFiles } from "../../load/http-content.js"

const [mode, origin, requests, size, digest, ca] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string
]

/** `small`, `download` or `slow`. */
export const kind = mode.split("-")[1]!
export const isHttp2 = mode.endsWith("-h2")
export const authority = fs.readFileSync(ca, "utf8")

/** Requests at once, and connections at most: HTTP/2 has one for all. */
export const atOnce = 50
export const connections = isHttp2 ? 1 : atOnce

export const requestsEach = Number(requests)
export const big = `${origin}/big`
const smalls = Array.from({ length: smallFiles }, (_, index) => `${origin}/small/${index}`)

/** What a round does: requests, or MiB. */
export const done = kind === "small" ? requestsEach : Number(size) / mebibyte

/** Gives the address of a small file, and checks what came of it. */
export const smallUrl = (number: number): string => smalls[number % smallFiles]!
export const checkBody = (number: number, body: Uint8Array): void => checkSmall(number % smallFiles, body)

/** The first download is checked byte by byte, and warms up; the ones that are measured by two words a chunk. */
let isFirst = true

export const checkedDownload = (): { readonly take: (chunk: Uint8Array) => void; readonly end: () => void } => {
  const checked = new Checked(Number(size))
  if (!isFirst) return checked
  isFirst = false
  const hash = crypto.createHash("sha1")
  return {
    take: (chunk) => {
      checked.take(chunk)
      hash.update(chunk)
    },
    end: () => {
      checked.end()
      if (hash.digest("hex") !== digest) throw new Error("BYTES WRONG: the download's digest is not the file's")
    }
  }
}

v8.setFlagsFromString("--expose-gc")
const collect = vm.runInNewContext("gc") as () => void

/** Memory in buffers that is in use, in KiB. */
const inBuffers = async (): Promise<number> => {
  for (let times = 0; times < 3; times++) {
    collect()
    // What a finalizer frees is free after the event loop's turn.
    await sleep(20)
  }
  return process.memoryUsage().arrayBuffers / 1024
}

/** KiB of buffers for each of the downloads that `stall` begins and does not read. */
export const heldBy = async (stall: () => Promise<void>): Promise<number> => {
  const before = await inBuffers()
  await stall()
  // What the client takes in without being asked has come by then.
  await sleep(1000)
  return Math.max(0, await inBuffers() - before) / atOnce
}
