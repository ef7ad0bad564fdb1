/** Starts nginx, squid, Dante and microsocks with the settings that the HTTP tests need. */
import { Effect, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { gzipSync } from "node:zlib"
import { freePort } from "../../../../node/test/servers/freePort.js"
import { certificate, directory, own, owner, start } from "../daemon.js"

const write = (file: string, lines: ReadonlyArray<string>): void => fs.writeFileSync(file, lines.join("\n") + "\n")

/** The user `ada` and the password `p:w@rd`, as htpasswd writes them. */
const passwordLine = (): string => {
  const hash = execFileSync("openssl", ["passwd", "-apr1", "-stdin"], { input: "p:w@rd", encoding: "utf8" }).trim()
  return `ada:${hash}`
}

const mebibyte = 1 << 20

export interface Nginx {
  /** HTTP/1.1 in clear. */
  readonly port: number
  /** The same under TLS, with HTTP/2. */
  readonly tlsPort: number
  /** Under TLS, for clients with a certificate. */
  readonly mutualPort: number
  /** The authority of its certificate, and of clients' ones: a file in PEM. */
  readonly ca: string
  /** A certificate and its key that it takes of clients. */
  readonly client: { readonly cert: string; readonly key: string }
  /** What is served, and what PUT makes. */
  readonly files: string
  /** 64 MiB at `/large`. */
  readonly large: Uint8Array
  /** The request lines and statuses so far. */
  readonly log: () => ReadonlyArray<string>
}

const line = "long text that gzip makes shorter; "

/** nginx, with a backend that never answers at `/hang`. */
export const nginx = (silentPort: number): Effect.Effect<Nginx, never, Scope.Scope> =>
  Effect.gen(function*() {
    const where = yield* directory
    const [port, tlsPort, mutualPort] = [yield* freePort, yield* freePort, yield* freePort]
    const { cert, key } = certificate(where)
    fs.chmodSync(key, 0o644)
    const [files, temporary] = ["files", "temporary"].map((name) => {
      const made = path.join(where, name)
      fs.mkdirSync(made)
      own(made)
      return made
    }) as [string, string]
    const large = randomBytes(64 * mebibyte)
    const text = Buffer.from(line.repeat(10_000))
    const zipped = gzipSync(text)
    const contents: Record<string, Uint8Array | string> = {
      large,
      "text.txt": text,
      landing: "landed",
      plain: "this is no gzip",
      "cut.gz": zipped.subarray(0, -6),
      "twice.gz": gzipSync(zipped),
      bomb: gzipSync(Buffer.alloc(32 * mebibyte)),
      ten: "0123456789"
    }
    for (const [name, content] of Object.entries(contents)) fs.writeFileSync(path.join(files, name), content)
    const passwords = path.join(where, "passwords")
    write(passwords, [passwordLine()])
    const access = path.join(where, "access")
    const config = path.join(where, "nginx.conf")
    const common = [
      `root ${files};`,
      "client_max_body_size 128m;",
      ...[301, 302, 303, 307, 308].map((code) => `location = /redirect/${code} { return ${code} /landing; }`),
      ...[300, 304].map((code) =>
        `location = /redirect/${code} { add_header Location /landing always; return ${code}; }`
      ),
      "location = /loop { return 302 /loop; }",
      "location = /far { return 302 $arg_to; }",
      `location = /secrets { return 200 "$http_authorization|$http_cookie|$http_proxy_authorization|$args"; }`,
      `location = /method { return 200 "$request_method $server_protocol"; }`,
      "location = /text.txt { gzip on; gzip_types *; }",
      "location = /plain { add_header Content-Encoding gzip; }",
      "location = /cut.gz { add_header Content-Encoding gzip; }",
      `location = /twice.gz { add_header Content-Encoding "gzip, gzip"; }`,
      "location = /bomb { add_header Content-Encoding gzip; }",
      `location = /hang { proxy_pass http://127.0.0.1:${silentPort}; }`,
      "location = /drop { return 444; }",
      "location = /drip { limit_rate 8k; alias " + path.join(files, "drip") + "; }",
      "location = /small-body { client_max_body_size 1k; dav_methods PUT; }",
      `location = /private { auth_basic "here"; auth_basic_user_file ${passwords}; alias ${
        path.join(files, "landing")
      }; }`,
      "location /put/ { dav_methods PUT DELETE; create_full_put_path on; }",
      "location = /busy { add_header Retry-After 1 always; return 503; }"
    ]
    fs.writeFileSync(path.join(files, "drip"), Buffer.alloc(12 * 1024, "drip"))
    write(config, [
      "daemon off;",
      "worker_processes 1;",
      `user ${owner};`,
      `pid ${path.join(where, "pid")};`,
      `error_log ${path.join(where, "error")} warn;`,
      "events {}",
      "http {",
      `log_format line '$request|$status|$connection|$connection_requests';`,
      `access_log ${access} line;`,
      ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
        `${name}_temp_path ${path.join(temporary, name)};`
      ),
      "keepalive_requests 50;",
      `server { listen 127.0.0.1:${port}; listen [::1]:${port}; ${common.join("\n")} }`,
      `server { listen 127.0.0.1:${tlsPort} ssl http2; ssl_certificate ${cert}; ssl_certificate_key ${key}; ${
        common.join("\n")
      } }`,
      `server { listen 127.0.0.1:${mutualPort} ssl; ssl_certificate ${cert}; ssl_certificate_key ${key};`,
      `ssl_client_certificate ${cert}; ssl_verify_client on;`,
      `location / { return 200 "$ssl_client_s_dn"; } }`,
      "}"
    ])
    yield* start("nginx", ["-c", config, "-e", path.join(where, "error")], port)
    return {
      port,
      tlsPort,
      mutualPort,
      ca: cert,
      // It is its own authority.
      client: { cert, key },
      files,
      large,
      log: () => fs.existsSync(access) ? fs.readFileSync(access, "utf8").split("\n").slice(0, -1) : []
    }
  })

export interface Squid {
  /** In clear. */
  readonly port: number
  /** TLS from the first byte. */
  readonly tlsPort: number
  readonly ca: string
}

/**
 * squid: the user is `ada`, the password `p:w@rd`. It takes CONNECT to every port of this machine, except `denied`.
 */
export const squid = (denied: number): Effect.Effect<Squid, never, Scope.Scope> =>
  Effect.gen(function*() {
    const where = yield* directory
    const [port, tlsPort] = [yield* freePort, yield* freePort]
    const { cert, key } = certificate(where)
    fs.chmodSync(key, 0o644)
    own(where)
    const passwords = path.join(where, "passwords")
    write(passwords, [passwordLine()])
    const config = path.join(where, "squid.conf")
    write(config, [
      `http_port 127.0.0.1:${port}`,
      `https_port 127.0.0.1:${tlsPort} tls-cert=${cert} tls-key=${key}`,
      `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${passwords}`,
      "auth_param basic realm here",
      "acl known proxy_auth REQUIRED",
      `acl denied port ${denied}`,
      "http_access deny denied",
      "http_access allow known",
      "http_access deny all",
      "cache deny all",
      `pid_filename ${path.join(where, "pid")}`,
      `access_log stdio:${path.join(where, "access")}`,
      `cache_log ${path.join(where, "cache")}`,
      `coredump_dir ${where}`,
      `cache_effective_user ${owner}`,
      "shutdown_lifetime 0 seconds",
      "pinger_enable off",
      "netdb_filename none",
      // Its names are those of its own processes: two squids of one name find each other's.
      `visible_hostname squid.example.test`
    ])
    yield* start("squid", ["-N", "-f", config, "-n", `copas${port}`], port)
    return { port, tlsPort, ca: cert }
  })

/** Dante, which lets everyone in, and refuses the port `denied`. */
export const dante = (denied: number): Effect.Effect<{ readonly port: number }, never, Scope.Scope> =>
  Effect.gen(function*() {
    const where = yield* directory
    const port = yield* freePort
    const config = path.join(where, "danted.conf")
    write(config, [
      `logoutput: ${path.join(where, "log")}`,
      `internal: 127.0.0.1 port = ${port}`,
      "external: lo",
      "clientmethod: none",
      "socksmethod: none",
      "user.privileged: root",
      `user.unprivileged: ${owner}`,
      "client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }",
      `socks block { from: 127.0.0.0/8 to: 0.0.0.0/0 port = ${denied} }`,
      "socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 command: connect }",
      "socks pass { from: 127.0.0.0/8 to: ::/0 command: connect }"
    ])
    yield* start("danted", ["-f", config, "-p", path.join(where, "pid"), "-N", "1"], port)
    return { port }
  })

/** microsocks: the user is `ada`, the password `p:w@rd`. */
export const microsocks: Effect.Effect<{ readonly port: number }, never, Scope.Scope> = Effect.gen(function*() {
  const port = yield* freePort
  yield* start("microsocks", ["-i", "127.0.0.1", "-p", String(port), "-u", "ada", "-P", "p:w@rd"], port)
  return { port }
})
