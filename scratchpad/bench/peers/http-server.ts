/** The peers of the HTTP server's workloads: Node's own servers, Effect's, and the layers of this library. */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { page, pageName } from "../load/http-server-content.js"
import type { Peer } from "../model.js"
import { works } from "./installed.js"
import { nodePeer } from "./node-peer.js"

const modes = ["small", "storm", "tls", "h2", "file", "idle", "slow"] as const
type Mode = typeof modes[number]

const programs = (program: string, which: ReadonlyArray<Mode> = modes): Record<string, string> =>
  Object.fromEntries(which.map((mode) => [`http-server-${mode}`, `http-server/${program}`]))

const inMode = (name: string, title: string, program: string, which?: ReadonlyArray<Mode>): Peer =>
  nodePeer({ name, title, programs: programs(program, which) })

/** One port that is free now: nginx takes no other answer. */
const freePort = (): string =>
  execFileSync(process.execPath, [
    "-e",
    "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close() })"
  ], { encoding: "utf8" }).trim()

const nginxConfig = (folder: string, port: string): string =>
  [
    "daemon off;",
    "master_process off;",
    `pid ${folder}/pid;`,
    "events { worker_connections 1024; }",
    "http {",
    "  access_log off;",
    ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((what) => `  ${what}_temp_path ${folder}/${what};`),
    "  default_type text/plain;",
    "  sendfile on;",
    "  keepalive_requests 1000000000;",
    `  server { listen 127.0.0.1:${port}; root ${folder}; }`,
    "}",
    ""
  ].join("\n")

const nginx: Peer = {
  name: "nginx",
  title: "nginx",
  modes: ["http-server-file"],
  missing: () => works("sh", "-c", "PATH=$PATH:/usr/sbin command -v nginx") ? undefined : "bash .ci/servers (nginx)",
  build: async () => {},
  command: () => {
    const folder = fs.mkdtempSync(join(tmpdir(), "copas-bench-"))
    process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }))
    const port = freePort()
    fs.writeFileSync(join(folder, pageName), page)
    fs.writeFileSync(join(folder, "nginx.conf"), nginxConfig(folder, port))
    // The process becomes nginx; another one says when that listens.
    const said = `(until nc -z 127.0.0.1 ${port}; do sleep 0.05; done; echo READY ${port}) &`
    const begin = `PATH=$PATH:/usr/sbin; ${said} exec nginx -p ${folder} -e ${folder}/errors -c ${folder}/nginx.conf`
    return ["sh", "-c", begin]
  }
}

const xavante: Peer = {
  name: "xavante",
  title: "Xavante, Lua 5.1",
  modes: ["http-server-small", "http-server-storm"],
  missing: () =>
    works("lua5.1", "-e", "require 'xavante'")
      ? undefined
      : "apt-get install lua5.1 lua-socket lua-coxpcall, and Copas 2 and Xavante on the LUA_PATH",
  build: async () => {},
  command: () => ["lua5.1", fileURLToPath(new URL("../servers/xavante.lua", import.meta.url))]
}

export const httpServerPeers: ReadonlyArray<Peer> = [
  inMode("http-bare", "bare `node:http`", "bare"),
  inMode("http-send", "@fastify/send on `node:http`", "send", ["file"]),
  nginx,
  xavante,
  inMode(
    "http-effect",
    "@effect/platform-node's server, `HttpRouter`",
    "effect",
    modes.filter((mode) => mode !== "h2")
  ),
  inMode("http-effect-app", "the same without a router", "effect-app", ["small"]),
  inMode(
    "http-lent",
    "`NodeSocket.lend` to `node:http`",
    "lent",
    modes.filter((mode) => mode !== "h2" && mode !== "file")
  ),
  inMode("http-copas", "**`NodeHttpServer`**, `HttpRouter` (files: `StaticFiles`)", "copas"),
  inMode("http-copas-app", "the same without a router", "copas-app", ["small"]),
  inMode("http-copas-file", "the same, `HttpServerResponse.file`", "copas-file", ["file"])
]
