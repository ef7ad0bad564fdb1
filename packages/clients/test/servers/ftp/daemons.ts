/** Starts vsftpd, ProFTPD, Pure-FTPd and pyftpdlib with the settings that the tests need. */
import { Effect, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { freePort } from "../../../../node/test/servers/freePort.js"
import { certificate, directory, own, owner, start } from "../daemon.js"

export interface Daemon {
  readonly host: string
  readonly port: number
  /** The directory that clients may write to, here and as they see it. */
  readonly files: string
  readonly directory: string
  readonly ca: string
}

const lines = (settings: Readonly<Record<string, string>>, between: string): string =>
  Object.entries(settings).map(([name, value]) => `${name}${between}${value}\n`).join("")

export type Security = "plain" | "explicit" | "implicit"

/** vsftpd for anonymous clients, which may write to `pub`. */
export const vsftpd = (security: Security): Effect.Effect<Daemon, never, Scope.Scope> =>
  Effect.gen(function*() {
    const where = yield* directory
    const port = yield* freePort
    const root = path.join(where, "root")
    const files = path.join(root, "pub")
    const empty = path.join(where, "empty")
    for (const each of [root, files, empty]) fs.mkdirSync(each)
    own(files)
    const { cert, key } = certificate(where)
    const config = path.join(where, "vsftpd.conf")
    fs.writeFileSync(
      config,
      lines({
        listen: "YES",
        listen_address: "127.0.0.1",
        listen_port: String(port),
        background: "NO",
        anonymous_enable: "YES",
        local_enable: "NO",
        anon_root: root,
        ftp_username: owner,
        no_anon_password: "YES",
        write_enable: "YES",
        anon_upload_enable: "YES",
        anon_mkdir_write_enable: "YES",
        anon_other_write_enable: "YES",
        anon_world_readable_only: "NO",
        anon_umask: "022",
        // Its filter knows the system calls of its time, and the kernels of containers have others.
        seccomp_sandbox: "NO",
        secure_chroot_dir: empty,
        connect_from_port_20: "NO",
        async_abor_enable: "YES",
        ...(security === "plain" ? {} : {
          ssl_enable: "YES",
          allow_anon_ssl: "YES",
          force_anon_data_ssl: "YES",
          force_anon_logins_ssl: "YES",
          require_ssl_reuse: "YES",
          implicit_ssl: security === "implicit" ? "YES" : "NO",
          ssl_tlsv1: "YES",
          ssl_ciphers: "HIGH",
          rsa_cert_file: cert,
          rsa_private_key_file: key
        })
      }, "=")
    )
    fs.chmodSync(config, 0o600)
    yield* start("vsftpd", [config], port)
    return { host: "127.0.0.1", port, files, directory: "pub", ca: cert }
  })

/** ProFTPD with TLS required on both connections; the user is `me`, the password `secret`. */
export const proftpd: Effect.Effect<Daemon, never, Scope.Scope> = Effect.gen(function*() {
  const where = yield* directory
  const port = yield* freePort
  const files = path.join(where, "files")
  fs.mkdirSync(files)
  own(files)
  const [uid, gid] = ["-u", "-g"].map((flag) => execFileSync("id", [flag, owner], { encoding: "utf8" }).trim())
  const hash = execFileSync("openssl", ["passwd", "-6", "secret"], { encoding: "utf8" }).trim()
  const users = path.join(where, "passwd")
  const groups = path.join(where, "group")
  fs.writeFileSync(users, `me:${hash}:${uid}:${gid}::${files}:/bin/sh\n`, { mode: 0o600 })
  fs.writeFileSync(groups, `${owner}:x:${gid}:\n`, { mode: 0o600 })
  const { cert, key } = certificate(where)
  const config = path.join(where, "proftpd.conf")
  fs.writeFileSync(
    config,
    [
      "Include /etc/proftpd/modules.conf",
      "LoadModule mod_tls.c",
      "LoadModule mod_deflate.c",
      "ServerName copas",
      "ServerType standalone",
      "DefaultServer on",
      "UseIPv6 off",
      "UseReverseDNS off",
      "DefaultAddress 127.0.0.1",
      "SocketBindTight on",
      `Port ${port}`,
      `User ${owner}`,
      `Group ${owner}`,
      "AuthOrder mod_auth_file.c",
      `AuthUserFile ${users}`,
      `AuthGroupFile ${groups}`,
      "RequireValidShell off",
      "AllowStoreRestart on",
      "AllowRetrieveRestart on",
      "AllowOverwrite on",
      "WtmpLog off",
      "TransferLog none",
      `SystemLog ${path.join(where, "log")}`,
      `PidFile ${path.join(where, "pid")}`,
      `ScoreboardFile ${path.join(where, "score")}`,
      `DelayTable ${path.join(where, "delay")}`,
      "DelayEngine off",
      "MaxInstances 30",
      "DeflateEngine on",
      "TLSEngine on",
      "TLSRequired on",
      "TLSProtocol TLSv1.2 TLSv1.3",
      `TLSECCertificateFile ${cert}`,
      `TLSECCertificateKeyFile ${key}`,
      `TLSLog ${path.join(where, "tls.log")}`,
      ""
    ].filter((line) => !line.startsWith("Include") || fs.existsSync(line.slice(8))).join("\n")
  )
  yield* start("proftpd", ["-n", "-q", "-c", config], port)
  return { host: "127.0.0.1", port, files, directory: ".", ca: cert }
})

/** Pure-FTPd, in clear or with TLS required on both connections; the user is `me`, the password `secret`. */
export const pureftpd = (security: "plain" | "explicit"): Effect.Effect<Daemon, never, Scope.Scope> =>
  Effect.gen(function*() {
    const where = yield* directory
    const port = yield* freePort
    const files = path.join(where, "files")
    fs.mkdirSync(files)
    own(files)
    const users = path.join(where, "passwd")
    const database = path.join(where, "users.pdb")
    execFileSync(
      "pure-pw",
      ["useradd", "me", "-u", owner, "-g", owner, "-d", files, "-f", users, "-F", database, "-m"],
      { input: "secret\nsecret\n", stdio: ["pipe", "ignore", "ignore"] }
    )
    const { cert, key } = certificate(where)
    const both = path.join(where, "both.pem")
    fs.writeFileSync(both, fs.readFileSync(cert, "utf8") + fs.readFileSync(key, "utf8"), { mode: 0o600 })
    yield* start(
      "pure-ftpd",
      `-S 127.0.0.1,${port} -l puredb:${database} -g ${path.join(where, "pid")} -f none -E -u 1 -H -A -D -z`.split(" ")
        .concat("-c 50 -C 50 -L 100000:20".split(" "), security === "plain" ? ["-Y", "0"] : ["-Y", "3", "-2", both]),
      port
    )
    return { host: "127.0.0.1", port, files, directory: ".", ca: cert }
  })

/** How pyftpdlib differs from itself: `pyftpd.py` knows these by name. */
export type PyftpdMode = "plain" | "tls" | "dos" | "latin1" | "no-epsv" | "epsv-only" | "bad-pasv"

/** pyftpdlib; the user is `me`, the password `secret`. */
export const pyftpdlib = (mode: PyftpdMode): Effect.Effect<Daemon, never, Scope.Scope> =>
  Effect.gen(function*() {
    const where = yield* directory
    const port = yield* freePort
    const files = path.join(where, "files")
    fs.mkdirSync(files)
    const { cert, key } = certificate(where)
    const script = path.join(import.meta.dirname, "pyftpd.py")
    // The system's interpreter: others do not have the system's packages.
    yield* start("/usr/bin/python3", [script, String(port), files, mode, cert, key], port)
    return { host: "127.0.0.1", port, files, directory: ".", ca: cert }
  })
