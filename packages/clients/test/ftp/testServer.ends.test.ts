/** What the FTP server for tests leaves open when a client, a transfer or the server ends at any step: nothing. */
import { type Listener, Net, type Socket } from "@copas/core"
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Random, Scope, TestClock } from "effect"
import { FtpServer } from "../../src/testing/index.js"
import { leavesNothing, networks, passing, pattern, until } from "./networks.js"

/** The network of the context, and the listeners that it opened: `sockets` of the network does not have those. */
const watched = Effect.map(Net.Net, (net) => {
  const listeners: Array<Listener.Listener> = []
  const listen = (options: never): Effect.Effect<Listener.Listener, unknown, Scope.Scope> =>
    Effect.tap(net.listen(options), (listener) => Effect.sync(() => listeners.push(listener)))
  const isOpen = (listener: Listener.Listener): boolean =>
    !(JSON.parse(JSON.stringify(listener)) as { readonly isClosed: boolean }).isClosed
  return { net: { ...net, listen } as Net.Service, open: () => listeners.filter(isOpen).length }
})

/** How many operations a fiber of the server takes until it yields: Effect's number, or few, which make it yield anywhere. */
const paces = Array.from({ length: 30 }, (_, index) => index < 15 ? 2048 : index)

const transfers = ["RETR /a", "STOR /b", "MLSD /", "LIST /", "STOU", "RETR /nope"]

/** What the client says after that, without waiting for the transfer's end. */
const behind = ["ABOR", "NOOP\r\nABOR", "SIZE /a", "SIZE /a\r\nABOR", "EPSV", "EPSV\r\nPASV\r\nEPSV", "QUIT", ""]

type Choose = <A>(of: ReadonlyArray<A>) => Effect.Effect<A>

const chooser = (seed: string): Choose => {
  const random = Random.make(seed)
  return (of) => Effect.map(random.nextIntBetween(0, of.length), (index) => of[index]!)
}

type Opening = Effect.Effect<Socket.InetSocket, unknown, Net.Net | Scope.Scope>

/** One client from its log-in to its end, which is that of its scope. */
const visit = (
  { host, port }: FtpServer.FtpServer,
  arrangement: string,
  choose: Choose
): Effect.Effect<void, unknown, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const socket = yield* Net.connect({ host, port, linger: 0 })
    const reply = (code: string): Effect.Effect<string, unknown> =>
      Effect.flatMap(socket.receiveLine(), (line) => line.startsWith(code) ? Effect.succeed(line) : reply(code))
    const transfer = yield* choose(transfers)
    const last = yield* choose(behind)
    // Together, the transfer and what ends it come to the server before the transfer's first step.
    const isPipelined = yield* choose([true, false])
    const rest = isPipelined ? `${transfer}\r\n${last}\r\n` : ""
    yield* socket.send("USER anonymous\r\nPASS x\r\nTYPE I\r\n")
    yield* reply("200")
    const connect = (line: string): Opening => {
      const numbers = line.match(/\d+/g)!.map(Number)
      const at = line.startsWith("229") ? numbers[1]! : numbers[5]! * 256 + numbers[6]!
      return Net.connect({ host, port: at, linger: 0 })
    }
    let data: Opening
    if (arrangement === "EPRT" || arrangement === "PORT") {
      const listener = yield* Net.listen({ host, port: 0, linger: 0 })
      const own = arrangement === "EPRT"
        ? `|1|${host}|${listener.port}|`
        : `${host.replaceAll(".", ",")},${listener.port >> 8},${listener.port & 255}`
      yield* socket.send(`${arrangement} ${own}\r\n${rest}`)
      yield* reply("200")
      data = listener.accept
    } else {
      yield* socket.send(`${arrangement}\r\n${rest}`)
      const verbs = arrangement.match(/EPSV|PASV/g)!
      const lines = yield* Effect.forEach(verbs, (verb) => reply(verb === "EPSV" ? "229" : "227"))
      data = connect(lines.at(-1)!)
    }
    if (isPipelined) {
      if (/^(?:NOOP\r\n)?ABOR$/.test(last)) yield* reply("226")
      return
    }
    yield* socket.send(`${transfer}\r\n`)
    const use = yield* choose(["never", "open", "some"])
    if (use !== "never") {
      // Where the transfer is refused, nothing comes to a listener of the client's.
      const opened = yield* Effect.raceFirst(data, Effect.as(reply("550"), undefined))
      if (opened !== undefined && use === "some") {
        yield* opened.send(pattern(1000))
        yield* Effect.ignore(opened.receive())
      }
    }
    if (last !== "") yield* socket.send(`${last}\r\n`)
    if (/^(?:NOOP\r\n)?ABOR$/.test(last)) yield* reply("226")
    if (last === "QUIT" && use === "some") yield* Effect.ignore(reply("221"))
  })

describe.each(networks)("the FTP server for tests, %s", (network, layer) => {
  // In memory a client is through after some 20 steps, on Node after some turns of the event loop.
  const [to, stride, longStride] = network === "in memory" ? [24, 1, 1] : [400, 23, 3]
  const times = Sampling.size({ short: 4, long: 60 })
  it.effect.each([["EPSV"], ["PASV"], ["EPSV\r\nPASV\r\nEPSV"], ["PRET RETR /a\r\nPASV"], ["EPRT"], ["PORT"]])(
    "C34 whenever a client or the server ends, no listener, connection or fiber is left: %j",
    ([arrangement = ""]) => {
      const name = `${network}, ${arrangement}`
      const test = (steps: number, time: number) =>
        leavesNothing(Effect.gen(function*() {
          const choose = chooser(`${name}, ${steps}, ${time}`)
          const end = yield* choose(["client", "server"])
          const { net, open } = yield* watched
          const before = yield* Fiber.roots
          const scope = yield* Scope.make()
          const quirks = { pret: arrangement.startsWith("PRET"), noop: yield* choose(["at once", "behind"] as const) }
          const server = yield* FtpServer.make({ files: { "/a": pattern(200_000) }, quirks }).pipe(
            Scope.extend(scope),
            Effect.provideService(Net.Net, net),
            Effect.withMaxOpsBeforeYield(yield* choose(paces))
          )
          const client = yield* Effect.fork(Effect.scoped(visit(server, arrangement, choose)))
          yield* passing(steps)
          if (end === "server") yield* Scope.close(scope, Exit.void)
          yield* Fiber.interrupt(client)
          yield* until(Effect.map(server.connections, ({ control, data }) => control + data === 0))
          expect(open()).toBe(end === "server" ? 0 : 1)
          yield* Scope.close(scope, Exit.void)
          expect(open()).toBe(0)
          // A deadline on the clock of a test has a fiber; that of a connection which was given up may wait for its time.
          yield* TestClock.adjust("5 seconds")
          yield* until(Effect.map(Fiber.roots, (roots) => roots.every((fiber) => before.includes(fiber))))
        }))
      return Effect.provide(
        Sampling.forEachIn(
          name,
          { to, stride, longStride },
          (steps) => Effect.forEach(Array.from({ length: times }), (_, time) => test(steps, time), { discard: true })
        ),
        layer
      )
    }
  )
})
