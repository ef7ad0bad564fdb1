/** CGI scripts in sh, Perl and Lua, asked by curl. */
import { Copas } from "@copas/core"
import { Cgi, NodeHttpServer, NodeNet } from "@copas/node"
import { HttpRouter } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { spawn, spawnSync } from "node:child_process"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import { join } from "node:path"
import { scripts } from "../cgi/site.js"
import { portOf } from "../portOf.js"

/** Says which method it was asked by, for what, and the digest of what it was sent; as its RFC's variables have it. */
const languages: Readonly<Record<string, { readonly program: string; readonly script: string }>> = {
  sh: {
    program: "sh",
    script: `
printf 'Content-Type: text/plain\\r\\nX-Path: %s\\r\\n\\r\\n' "$PATH_INFO"
printf '%s %s %s ' "$REQUEST_METHOD" "$QUERY_STRING" "\${CONTENT_LENGTH:-none}"
sha1sum | cut -d ' ' -f 1 | tr -d '\\n'
`
  },
  perl: {
    program: "perl",
    script: `
use strict; use warnings; use Digest::SHA;
binmode(STDIN); binmode(STDOUT);
my $sha = Digest::SHA->new(1);
my $left = $ENV{CONTENT_LENGTH} || 0;
while ($left > 0) { my $got = read(STDIN, my $part, $left > 65536 ? 65536 : $left); last unless $got; $sha->add($part); $left -= $got; }
print "Content-Type: text/plain\\n", "X-Path: ", ($ENV{PATH_INFO} // ""), "\\n\\n";
print join(" ", $ENV{REQUEST_METHOD}, $ENV{QUERY_STRING}, $ENV{CONTENT_LENGTH} // "none", $sha->hexdigest);
`
  },
  lua: {
    program: "lua5.4",
    script: `
local left = tonumber(os.getenv("CONTENT_LENGTH") or "0")
local file = os.tmpname()
local out = assert(io.open(file, "wb"))
while left > 0 do
  local part = io.read(math.min(left, 65536))
  if part == nil then break end
  out:write(part)
  left = left - #part
end
out:close()
local sum = io.popen("sha1sum " .. file):read(40)
os.remove(file)
io.write("Content-Type: text/plain\\n", "X-Path: ", os.getenv("PATH_INFO") or "", "\\n\\n")
io.write(table.concat({ os.getenv("REQUEST_METHOD"), os.getenv("QUERY_STRING"), os.getenv("CONTENT_LENGTH") or "none", sum }, " "))
`
  }
}

const has = (program: string): boolean => spawnSync(program, ["-v"], { stdio: "ignore" }).error === undefined

const curl = (...args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.async((resume) => {
    const child = spawn("curl", ["--silent", "--show-error", "--max-time", "60", ...args], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let said = ""
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString()
    })
    child.on("error", (error) => resume(Effect.die(error)))
    child.on("close", (code) => resume(code === 0 ? Effect.succeed(said) : Effect.dieMessage(`curl: ${code}: ${said}`)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const sha1 = (bytes: Uint8Array): string => Crypto.createHash("sha1").update(bytes).digest("hex")

describe("CGI, by curl", () => {
  for (const [name, { program, script }] of Object.entries(languages)) {
    it.scopedLive.skipIf(!has(program))(
      `X05 a script in ${name} gets and gives what curl sends and takes (skipped without ${program})`,
      () =>
        Effect.gen(function*() {
          const root = yield* scripts({ [`script.${name}`]: script })
          const app = yield* Cgi.make({
            root,
            interpreter: { [`.${name}`]: program },
            env: { PATH: process.env["PATH"]! }
          })
          const server = yield* NodeHttpServer.make({ listen: { port: 0 }, limits: { body: 32 * 1024 * 1024 } })
          yield* server.serve(HttpRouter.empty.pipe(HttpRouter.mountApp("/cgi-bin", app)))
          const port = portOf(server)
          const url = `http://127.0.0.1:${port}/cgi-bin/script.${name}/a%20b?q=1`
          const empty = sha1(new Uint8Array())

          expect(yield* curl(url)).toBe(`GET q=1 none ${empty}`)
          expect(yield* curl("--http1.0", url)).toBe(`GET q=1 none ${empty}`)
          expect(yield* curl("--head", url)).toMatch(/^x-path: \/a b\r$/im)
          expect(yield* curl("--data", "abc", url)).toBe(`POST q=1 3 ${sha1(Buffer.from("abc"))}`)

          const upload = Crypto.randomBytes(16 * 1024 * 1024)
          const file = join(root, "upload")
          Fs.writeFileSync(file, upload)
          const expected = `PUT q=1 ${upload.length} ${sha1(upload)}`
          expect(yield* curl("--upload-file", file, url)).toBe(expected)
          expect(yield* curl("--header", "Transfer-Encoding: chunked", "--upload-file", file, url)).toBe(expected)
          // Two requests of one connection, in one run.
          expect(yield* curl(url, url)).toBe(`GET q=1 none ${empty}`.repeat(2))
        }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NodeNet.layer)))
    )
  }
})
