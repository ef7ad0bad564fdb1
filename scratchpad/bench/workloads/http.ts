/** Many small answers, and a large one, over HTTP. */
import { spawn, spawnSync } from "node:child_process"
import * as crypto from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Certificates from "../../../packages/node/test/certificates.js"
import { block, mebibyte, small, smallFiles } from "../load/http-content.js"
import type { ClientWorkload, PeerGoal } from "../model.js"
import { loadCore, pinned } from "../program.js"
import { answers, freePort, memory } from "./server-ports.js"

const missing = (): string | undefined =>
  spawnSync("sh", ["-c", "PATH=$PATH:/usr/sbin command -v nginx"]).status === 0 ? undefined : "bash .ci/servers (nginx)"

interface Site {
  readonly root: string
  readonly size: number
  readonly digest: string
  readonly cert: string
  readonly key: string
}

/** One for all the runs of a process, which removes it at its end: a gigabyte is not written again for each. */
const makeSite = async (size: number): Promise<Site> => {
  const where = fs.mkdtempSync(path.join(memory, "copas-bench-http-"))
  process.on("exit", () => fs.rmSync(where, { recursive: true, force: true }))
  // Else a bench that is stopped leaves a gigabyte in memory.
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1))
  const root = path.join(where, "root")
  fs.mkdirSync(path.join(root, "small"), { recursive: true })
  for (let index = 0; index < smallFiles; index++) fs.writeFileSync(path.join(root, "small", `${index}`), small(index))
  const hash = crypto.createHash("sha1")
  const buffer = new Uint8Array(mebibyte)
  const big = fs.openSync(path.join(root, "big"), "w")
  for (let index = 0; index < size / mebibyte; index++) {
    hash.update(block(index, buffer))
    fs.writeSync(big, buffer)
  }
  fs.closeSync(big)
  const made = await Certificates.make({ hosts: ["127.0.0.1"] })
  const [cert, key] = [path.join(where, "cert.pem"), path.join(where, "key.pem")]
  fs.writeFileSync(cert, made.chain)
  fs.writeFileSync(key, made.key)
  return { root, size, digest: hash.digest("hex"), cert, key }
}

let site: Promise<Site> | undefined

const config = (where: string, { cert, key, root }: Site, port: number, isTls: boolean): string =>
  [
    "daemon off;",
    "master_process off;",
    `pid ${where}/pid;`,
    "events { worker_connections 4096; }",
    "http {",
    "  access_log off;",
    ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((what) => `  ${what}_temp_path ${where}/${what};`),
    "  default_type application/octet-stream;",
    "  sendfile on;",
    "  open_file_cache max=64 inactive=1h;",
    "  keepalive_requests 1000000000;",
    "  keepalive_timeout 1h;",
    "  send_timeout 1h;",
    "  server {",
    `    listen 127.0.0.1:${port} backlog=4096${isTls ? " ssl http2" : ""};`,
    `    root ${root};`,
    ...(isTls ? [`    ssl_certificate ${cert};`, `    ssl_certificate_key ${key};`] : []),
    "  }",
    "}",
    ""
  ].join("\n")

const start = (isTls: boolean): ClientWorkload["start"] => async (quick) => {
  const files = await (site ??= makeSite((quick ? 64 : 1024) * mebibyte))
  const where = fs.mkdtempSync(path.join(os.tmpdir(), "copas-bench-"))
  const port = await freePort()
  const file = path.join(where, "nginx.conf")
  const errors = path.join(where, "errors")
  fs.writeFileSync(file, config(where, files, port, isTls))
  const child = spawn("sh", [
    "-c",
    "PATH=$PATH:/usr/sbin; exec \"$@\"",
    "sh",
    ...(pinned ? ["taskset", "-c", String(loadCore)] : []),
    "nginx",
    "-p",
    where,
    "-e",
    errors,
    "-c",
    file
  ], { stdio: "ignore" })
  const gone = new Promise<void>((resolve) => child.on("close", () => resolve()))
  const kill = () => void child.kill("SIGKILL")
  process.on("exit", kill)
  await answers(port, () => child.exitCode !== null, () => `nginx does not start: ${fs.readFileSync(errors, "utf8")}`)
  return {
    args: [
      `${isTls ? "https" : "http"}://127.0.0.1:${port}`,
      String(quick ? 2000 : 5000),
      String(files.size),
      files.digest,
      files.cert
    ],
    pid: child.pid!,
    stop: async () => {
      kill()
      process.off("exit", kill)
      await gone
      fs.rmSync(where, { recursive: true, force: true })
    }
  }
}

const described = (options: {
  readonly name: string
  readonly title: string
  readonly figure: string
  readonly rate?: string
  readonly isTls?: boolean
  readonly goals?: ReadonlyArray<PeerGoal>
}): ClientWorkload => ({
  kind: "clients",
  counts: options.rate === undefined ? "result" : "cpu",
  name: options.name,
  group: "http",
  title: options.title,
  mode: options.name,
  baseline: "undici",
  repeats: 5,
  figure: { label: options.figure, digits: 1 },
  columns: [
    ...(options.rate === undefined ? [] : [{ label: options.rate, digits: 0 }]),
    { label: "peak RSS above start MiB", digits: 1 }
  ],
  ...(options.goals === undefined ? {} : { goals: options.goals }),
  missing,
  start: start(options.isTls === true)
})

const get = { figure: "CPU µs a request", rate: "requests/s" }
const download = { figure: "CPU µs a MiB", rate: "MiB/s" }
const ratio = (peer: string, target: number, stretch: number, to?: string): PeerGoal => ({
  peer,
  by: "ratio",
  target,
  stretch,
  ...(to === undefined ? {} : { to })
})
/** MiB of memory above bare undici's. */
const within = (peer: string): PeerGoal => ({ peer, by: "memory", target: 40 })

export const httpWorkloads: ReadonlyArray<ClientWorkload> = [
  described({
    name: "http-small",
    title: "answers of 1 KiB, 50 at once",
    ...get,
    goals: [
      ratio("copas-undici", 0.95, 1),
      ratio("copas-exchange", 0.8, 0.9),
      ratio("copas-http", 0.6, 0.75),
      ratio("copas-client", 0.55, 0.7),
      ratio("copas-client", 2, 2.5, "effect-undici")
    ]
  }),
  described({
    name: "http-download",
    title: "an answer of 1 GiB",
    ...download,
    goals: [
      ratio("copas-exchange", 0.8, 0.95),
      ratio("copas-http", 0.75, 0.9),
      ratio("copas-client", 0.7, 0.85),
      within("copas-exchange"),
      within("copas-http"),
      within("copas-client")
    ]
  }),
  described({ name: "http-small-tls", title: "answers of 1 KiB over TLS, 50 at once", ...get, isTls: true }),
  described({ name: "http-download-tls", title: "an answer of 1 GiB over TLS", ...download, isTls: true }),
  described({
    name: "http-small-h2",
    title: "answers of 1 KiB over one connection of HTTP/2, 50 at once",
    ...get,
    isTls: true
  }),
  described({
    name: "http-slow",
    title: "50 downloads of which only the first chunk is read: memory in buffers that each holds",
    figure: "KiB held"
  })
]
