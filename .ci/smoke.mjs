// What a runtime other than Node can do of this library: one small conversation for each row of the README's table.
// consumers.mjs copies it beside the installed packages, makes the certificate, and runs it: RUNTIME smoke.mjs [what does
// not work there]... It fails when the table is no longer true, in either direction.
import { Copas, Net, Tls, Udp } from "@copas/core"
import { NodeCopas, NodeHttpServer, NodeUndici } from "@copas/node"
import { HttpClient, HttpServerResponse } from "@effect/platform"
import { Effect, Option } from "effect"
import { createServer } from "node:http"

const echo = (socket) => socket.forEachLine((line) => socket.send(`${line}\n`))
const ask = (socket) => Effect.zipRight(socket.send("hello\n"), socket.receiveLine())
const identity = { certificate: { path: "certificate.pem" }, key: { path: "key.pem" } }
const secured = Effect.all({
  server: Tls.server({ identity }),
  client: Tls.client({ ca: { path: "certificate.pem" } })
})

const served = (options, use, handler = echo) =>
  Effect.scoped(Effect.gen(function*() {
    const listener = yield* Net.listen(options)
    const server = yield* Copas.addServer(listener, handler)
    const said = yield* use(listener.address)
    yield* Copas.removeServer(server)
    return said
  }))

const local = { host: "127.0.0.1", port: 0 }
const path = `copas-smoke-${process.pid}.sock`
const connected = (options, use = ask) => Effect.scoped(Effect.flatMap(Net.connect(options), use))

const cases = {
  TCP: served(local, ({ port }) => connected({ host: "127.0.0.1", port })),
  "Unix-domain sockets": served({ path }, () => connected({ path })),
  UDP: Effect.scoped(Effect.gen(function*() {
    const [one, other] = [yield* Udp.bind(local), yield* Udp.bind(local)]
    yield* one.sendTo("hello", { host: "127.0.0.1", port: other.port })
    const receive = Effect.isEffect(other.receiveFrom) ? other.receiveFrom : other.receiveFrom()
    return new TextDecoder().decode((yield* receive).data)
  })),
  TLS: Effect.flatMap(
    secured,
    ({ client, server }) =>
      served({ ...local, tls: server }, ({ port }) => connected({ host: "localhost", port, tls: client }))
  ),
  STARTTLS: Effect.flatMap(secured, ({ client, server }) =>
    served(
      local,
      ({ port }) =>
        connected({ host: "127.0.0.1", port }, (socket) =>
          Effect.gen(function*() {
            yield* socket.send("STARTTLS\n")
            yield* socket.receiveLine()
            yield* Tls.upgrade(socket, client, { serverName: "localhost" })
            return yield* ask(socket)
          })),
      (socket) =>
        Effect.gen(function*() {
          yield* socket.receiveLine()
          yield* socket.send("go ahead\n")
          yield* Tls.upgrade(socket, server)
          yield* echo(socket)
        })
    )),
  "TLS session resumption": Effect.flatMap(
    secured,
    ({ client, server }) =>
      served({ ...local, tls: server }, ({ port }) => {
        const once = connected({ host: "localhost", port, tls: client }, (socket) =>
          Effect.map(ask(socket), (said) =>
            Option.getOrThrow(socket.tls).isResumed ? said : "a whole handshake"))
        return Effect.zipRight(once, once)
      })
  ),
  "TLS with pre-shared keys": Effect.gen(function*() {
    const key = new Uint8Array(32).fill(7)
    const server = yield* Tls.server({ psk: () => Option.some(key) })
    const client = yield* Tls.client({ psk: { identity: "sensor", key } })
    return yield* served({ ...local, tls: server }, ({ port }) => connected({ host: "127.0.0.1", port, tls: client }))
  }),
  "HTTP (`NodeUndici`)": Effect.scoped(Effect.gen(function*() {
    const server = createServer((_, response) => response.end("hello"))
    yield* Effect.async((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
    const response = yield* HttpClient.get(`http://127.0.0.1:${server.address().port}/`)
    return yield* response.text
  })).pipe(Effect.provide(NodeUndici.layerHttpClient({}))),
  "HTTP server (`NodeHttpServer`), HTTP/1.1": Effect.scoped(Effect.gen(function*() {
    const server = yield* NodeHttpServer.make({ listen: local })
    yield* server.serve(HttpServerResponse.text("hello"))
    const response = yield* Effect.promise(() => fetch(`http://127.0.0.1:${server.address.port}/`))
    return yield* Effect.promise(() => response.text())
  }))
}

const without = process.argv.slice(2)
let wrong = 0
for (const [name, effect] of Object.entries(cases)) {
  const exit = await Effect.runPromiseExit(
    Copas.run(effect).pipe(Effect.timeout("20 seconds"), Effect.provide(NodeCopas.layer))
  )
  const works = exit._tag === "Success" && exit.value === "hello"
  console.log(`${works ? "works" : "does not work"}: ${name}`)
  if (works !== without.includes(name)) continue
  wrong++
  console.log(exit._tag === "Success" ? `it said ${exit.value}` : String(exit.cause))
}
for (const name of without.filter((name) => !(name in cases))) throw new Error(`no such case: ${name}`)
process.exit(wrong === 0 ? 0 : 1)
