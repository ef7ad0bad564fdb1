/** Downloads, uploads and many small files over FTP. */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { ClientWorkload } from "../model.js"
import { bundle } from "../peers/node-peer.js"
import { expectLine, loadCore, pinned, start as startProgram } from "../program.js"
import { answers, freePort, memory } from "./server-ports.js"

const mebibyte = 1 << 20

const missing = (): string | undefined => {
  if (process.getuid?.() !== 0) return "vsftpd is started as root"
  return spawnSync("sh", ["-c", "command -v vsftpd"]).status === 0 ? undefined : "bash .ci/servers (vsftpd)"
}

const tlsSettings = [
  "ssl_enable=YES",
  "allow_anon_ssl=YES",
  "force_anon_data_ssl=YES",
  "force_anon_logins_ssl=YES",
  "ssl_tlsv1=YES",
  "ssl_ciphers=HIGH"
]

/** vsftpd with a big file and a directory of small ones; `pub` takes uploads. */
const startWith = (isTls: boolean): ClientWorkload["start"] => async (quick) => {
  const where = fs.mkdtempSync(path.join(memory, "copas-bench-ftp-"))
  fs.chmodSync(where, 0o755)
  const root = path.join(where, "root")
  for (const each of ["root", "root/pub", "root/small", "empty", "local"]) fs.mkdirSync(path.join(where, each))
  fs.chmodSync(path.join(root, "pub"), 0o777)
  const size = (quick ? 64 : 1024) * mebibyte
  // No holes: what is read is to be there.
  const block = Buffer.alloc(mebibyte, "copas")
  const big = fs.openSync(path.join(root, "big"), "w")
  for (let at = 0; at < size; at += block.length) fs.writeSync(big, block)
  fs.closeSync(big)
  const files = quick ? 100 : 1000
  for (let index = 0; index < files; index++) {
    fs.writeFileSync(path.join(root, "small", `file-${index}`), block.subarray(0, 1000 + index))
  }
  const port = await freePort()
  const [cert, key] = [path.join(where, "cert.pem"), path.join(where, "key.pem")]
  if (isTls) {
    const words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    const names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert]
    execFileSync("openssl", [...words.split(" "), ...names], { stdio: "ignore" })
  }
  const config = path.join(where, "vsftpd.conf")
  fs.writeFileSync(
    config,
    [
      "listen=YES",
      "listen_address=127.0.0.1",
      `listen_port=${port}`,
      "background=NO",
      "anonymous_enable=YES",
      "local_enable=NO",
      `anon_root=${root}`,
      "ftp_username=daemon",
      "no_anon_password=YES",
      "write_enable=YES",
      "anon_upload_enable=YES",
      "anon_other_write_enable=YES",
      "anon_world_readable_only=NO",
      "seccomp_sandbox=NO",
      `secure_chroot_dir=${path.join(where, "empty")}`,
      ...(isTls ? [...tlsSettings, `rsa_cert_file=${cert}`, `rsa_private_key_file=${key}`] : []),
      ""
    ].join("\n"),
    { mode: 0o600 }
  )
  const [file, ...args] = [...(pinned ? ["taskset", "-c", String(loadCore)] : []), "vsftpd", config]
  const child = spawn(file!, args, { stdio: "ignore", detached: true })
  const gone = new Promise<void>((resolve) => child.on("close", () => resolve()))
  await answers(port, () => child.exitCode !== null, () => "vsftpd does not start")
  return {
    args: [String(port), String(size), path.join(where, "local"), path.join(root, "big"), ...(isTls ? [cert] : [])],
    pid: child.pid!,
    stop: async () => {
      process.kill(-child.pid!, "SIGTERM")
      await gone
      fs.rmSync(where, { recursive: true, force: true })
    }
  }
}

const start = startWith(false)
const startTls = startWith(true)

/** What one round trip to the server that is far takes is twice this. */
const farMillis = 5

const startFar: ClientWorkload["start"] = async (quick) => {
  const server = await start(quick)
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "copas-bench-"))
  const program = path.join(directory, "ftp-delay.mjs")
  await bundle(new URL("../load/ftp-delay.ts", import.meta.url), program)
  const proxy = startProgram(loadCore, [process.execPath, program, server.args[0]!, String(farMillis)])
  const port = await expectLine(proxy, "READY")
  return {
    args: [String(port), ...server.args.slice(1)],
    pid: server.pid,
    stop: async () => {
      await proxy.stop()
      fs.rmSync(directory, { recursive: true, force: true })
      await server.stop()
    }
  }
}

const described = (
  name: string,
  title: string,
  each: string,
  target: number,
  startServer: ClientWorkload["start"] = start,
  more: Partial<Pick<ClientWorkload, "counts" | "group" | "figure">> = {}
): ClientWorkload => ({
  kind: "clients",
  counts: "clock",
  name,
  group: "ftp",
  title,
  mode: name,
  baseline: "basic-ftp",
  figure: { label: `ms a ${each}`, digits: 3 },
  columns: [
    { label: each === "MiB" ? "MiB/s" : "files/s", digits: 0 },
    { label: "CPU µs each", digits: 0 },
    { label: "RSS growth MiB", digits: 1 }
  ],
  goal: { by: "ratio", target },
  missing,
  start: startServer,
  ...more
})

const cpu = { counts: "cpu", group: "ftp-tls", figure: { label: "CPU µs a MiB", digits: 0 } } as const

export const ftpWorkloads: ReadonlyArray<ClientWorkload> = [
  described("ftp-download", "a file of 1 GiB from vsftpd to a file; also to be within 0.8 of curl", "MiB", 1.2),
  described("ftp-upload", "a file of 1 GiB to vsftpd; also to be within 0.8 of curl", "MiB", 1.2),
  described("ftp-files", "1 000 small files from vsftpd to a local directory; ours over a pool of 8", "file", 1),
  described(
    "ftp-far",
    `the same from a server that is ${2 * farMillis} ms away, there and back`,
    "file",
    4,
    startFar
  ),
  // The goals are 0.75, 1.5 and 1 of basic-ftp's CPU time.
  described("ftp-tls-download", "a file of 1 GiB from vsftpd under TLS, to a file", "MiB", 1 / 0.75, startTls, cpu),
  described("ftp-tls-stream", "the same, as a stream", "MiB", 1 / 1.5, startTls, cpu),
  described("ftp-tls-upload", "a file of 1 GiB to vsftpd under TLS", "MiB", 1, startTls, cpu),
  described(
    "ftp-tls-files",
    "1 000 small files from vsftpd under TLS to a local directory; ours over a pool of 8",
    "file",
    1,
    startTls,
    { group: "ftp-tls" }
  )
]
