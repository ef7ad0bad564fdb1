/** The stop of the tour about the HTTP server, and its site, which `--serve` keeps up. */
import { Body, Http, type HttpRequest } from "@copas/clients"
import {
  Cgi,
  HttpLimits,
  HttpMethods,
  HttpServerStatus,
  NodeHttpServer,
  Redirect,
  ServerSentEvents,
  StaticFiles
} from "@copas/node"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Chunk, Effect, Logger, LogLevel, Option, Schedule, type Scope, Stream } from "effect"
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Station } from "./station.js"

/** A folder of the tour's own, with files and a script, and a link that leads out of it. */
const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "copas-tour-"))
    writeFileSync(join(path, "index.html"), "<!doctype html><title>Copas for Effect</title><h1>It works</h1>\n")
    writeFileSync(join(path, "digits.txt"), "0123456789".repeat(10))
    writeFileSync(
      join(path, "who.sh"),
      "printf 'Content-Type: text/plain\\n\\n%s asks for %s' \"$REMOTE_ADDR\" \"$PATH_INFO\"\n"
    )
    symlinkSync("/etc/hostname", join(path, "outside"))
    return path
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Serves files, a script, events and an upload; its URL. */
export const startSite = (port: number) =>
  Effect.gen(function*() {
    const root = yield* folder
    const files = yield* StaticFiles.make(root)
    const scripts = yield* Cgi.make({ root, interpreter: { ".sh": "sh" } })
    const ticks = Stream.map(Stream.fromSchedule(Schedule.spaced("100 millis")), (count) => ({ data: `tick ${count}` }))
    const upload = Effect.gen(function*() {
      const { stream } = yield* HttpServerRequest.HttpServerRequest
      const size = yield* Stream.runFold(stream, 0, (size, bytes) => size + bytes.length)
      return HttpServerResponse.text(`${size} bytes`)
    })
    const site = HttpRouter.empty.pipe(
      HttpRouter.get("/events", ServerSentEvents.response(ticks)),
      HttpRouter.post("/upload", HttpLimits.withBody(upload, 1_000_000)),
      HttpRouter.get("/old", Redirect.to(301, "/files/digits.txt")),
      HttpRouter.mountApp("/files", files),
      HttpRouter.mountApp("/cgi-bin", scripts),
      HttpMethods.withNotAllowed
    )
    const server = yield* NodeHttpServer.make({ listen: { host: "127.0.0.1", port }, name: "site", http2: "clear" })
    // The tour says itself where it is.
    yield* Logger.withMinimumLogLevel(server.serve(site), LogLevel.Warning)
    const at = server.address._tag === "TcpAddress" ? server.address.port : port
    return { server, url: `http://127.0.0.1:${at}` }
  })

export const httpServer: Station = {
  title: "An HTTP server: files, a CGI script, events, limits",
  visit: Effect.gen(function*() {
    const { server, url } = yield* startSite(0)
    const client = yield* Http.make()
    const ask = (path: string, options: Partial<HttpRequest.RequestOptions> = {}) =>
      Effect.scoped(Effect.flatMap(client.request({ url: url + path, ...options }), ({ whole }) => whole))
    const lines: Array<string> = []

    const ranges = yield* ask("/files/digits.txt", { headers: { range: "bytes=0-4,90-" } })
    lines.push(`two ranges of a file: ${ranges.status}, ${ranges.header("content-type")?.split(";")[0]}`)
    const tag = (yield* ask("/files/digits.txt")).header("etag") ?? "none"
    const again = yield* ask("/files/digits.txt", { headers: { "if-none-match": tag } })
    lines.push(`the file again, with its tag ${tag}: ${again.status}`)
    lines.push(`a link out of the folder: ${(yield* ask("/files/outside")).status}`)
    const old = yield* ask("/old")
    lines.push(`a redirect, followed to ${new URL(old.url).pathname}: ${old.status}`)
    lines.push(`a CGI script in sh: ${(yield* ask("/cgi-bin/who.sh/the%20way")).text}`)

    const events = Effect.flatMap(client.request({ url: `${url}/events` }), ({ body }) =>
      body.pipe(
        Stream.decodeText(),
        Stream.splitLines,
        Stream.filter((line) => line.startsWith("data:")),
        Stream.take(3),
        Stream.runCollect
      ))
    lines.push(`the first of endless events: ${Chunk.join(yield* Effect.scoped(events), ", ")}`)
    const large = yield* ask("/upload", { method: "POST", body: Body.text("x".repeat(1_000_001)) })
    lines.push(`a body of a byte too many: ${large.status}`)
    lines.push(`DELETE of what can be read: ${(yield* ask("/old", { method: "DELETE" })).status}`)

    const status = yield* Effect.provideService(HttpServerStatus.current, HttpServer.HttpServer, server)
    const { byClass, requests } = Option.getOrThrow(status)
    lines.push(`the server counts ${requests} requests: ${JSON.stringify(byClass)}`)
    return lines
  })
}
