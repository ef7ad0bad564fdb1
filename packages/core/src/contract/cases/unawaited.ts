/** Programs that add servers and end without waiting for them. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import * as Copas from "../../Copas.js"
import type * as Net from "../../Net.js"
import type * as Server from "../../Server.js"
import * as Udp from "../../Udp.js"
import { ask, dial, type DispatcherCase, echo, test } from "./dispatcherSupport.js"
import { begin, holds, listening, mentions, same, until } from "./support.js"

type Program = Effect.Effect<unknown, unknown, Copas.Copas | Net.Net | Scope.Scope>

/** The warnings of a program that has a dispatcher of its own and ends with it, and whether it succeeded. */
const warnings = (program: Program) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (LogLevel.greaterThanEqual(logLevel, LogLevel.Warning)) lines.push(String(message))
    })
    const exit = yield* Effect.exit(program.pipe(
      Effect.scoped,
      Effect.provide(Layer.merge(Copas.layer, Logger.add(logger)))
    ))
    return { lines, isSuccess: Exit.isSuccess(exit) }
  })

const added = (name: string) => Effect.flatMap(listening(), (listener) => Copas.addServer(listener, echo, { name }))

const bound = Udp.bind({ host: "127.0.0.1" })
const addedDatagrams = Effect.flatMap(bound, (socket) => Copas.addServer(socket, () => Effect.never, { name: "bell" }))

const warned: ReadonlyArray<readonly [what: string, server: string, program: Program]> = [
  ["a server", "echo", added("echo")],
  ["a server of datagrams", "bell", addedDatagrams],
  ["the first of several servers to end", "last", Effect.zipRight(added("first"), added("last"))],
  [
    "a server whose program only looks on",
    "echo",
    Effect.zipRight(added("echo"), Effect.zip(Copas.status, Copas.finished))
  ],
  [
    "a server whose scope ends before run begins",
    "early",
    Effect.zipRight(Effect.scoped(added("early")), Copas.run(Effect.void))
  ]
]

const afterwards = (use: (server: Server.Server) => Program): Program => Effect.flatMap(added("echo"), use)

const failing: ReadonlyArray<readonly [why: string, program: Program]> = [
  ["its program failed", Effect.zipRight(added("echo"), Effect.fail("no"))],
  ["its program died", Effect.zipRight(added("echo"), Effect.die("no"))],
  ["its program was interrupted", Effect.zipRight(added("echo"), Effect.interrupt)],
  ["its datagram program failed", Effect.zipRight(addedDatagrams, Effect.fail("no"))]
]

const silent: ReadonlyArray<readonly [why: string, program: Program]> = [
  ["run was called", Effect.zipRight(Copas.run(Effect.void), added("echo"))],
  ["run waits for it", Copas.run(Effect.tap(added("echo"), (server) => Copas.removeServer(server)))],
  ["step was called", Effect.zipRight(added("echo"), Copas.step(0))],
  ["drain was called", Effect.zipRight(Copas.drain(0), added("echo"))],
  ["a fiber waits for the exit", Effect.zipRight(added("echo"), begin(Copas.waitForExit))],
  ["it was removed", afterwards((server) => Copas.removeServer(server))],
  ["it was removed, its listener kept open", afterwards((server) => Copas.removeServer(server, { keepOpen: true }))],
  ["its listener was closed", afterwards((server) => server.listener.close)],
  ["all was cancelled", Effect.zipRight(added("echo"), Copas.cancelAll)],
  ["the exit was announced", Effect.zipRight(added("echo"), Copas.exit)],
  ["nothing serves the listener", listening()],
  ["nothing serves the datagram socket", bound],
  ["it is a layer, which ends with what it was provided to", Layer.build(Copas.serve(echo, { port: 0 }))],
  [
    "a connection was served",
    Effect.flatMap(
      listening(),
      (listener) =>
        Effect.zipRight(Copas.addServer(listener, echo), Effect.flatMap(dial(listener), (client) => ask(client, "?")))
    )
  ],
  [
    "a connection to another server was served",
    Effect.gen(function*() {
      const listener = yield* listening()
      yield* Copas.addServer(listener, echo)
      yield* ask(yield* dial(listener), "?")
      yield* added("idle")
    })
  ],
  [
    "a connection was accepted before it was added",
    Effect.gen(function*() {
      const listener = yield* listening()
      yield* dial(listener)
      yield* listener.accept
      yield* Copas.addServer(listener, echo)
    })
  ],
  [
    "a datagram came",
    Effect.gen(function*() {
      const socket = yield* bound
      yield* Copas.addServer(socket, () => Effect.never)
      yield* (yield* bound).sendTo("ring", socket.localAddress)
      yield* until(Effect.map(socket.stats, ({ datagramsReceived }) => datagramsReceived === 1))
    })
  ]
]

/** The cases. */
export const cases: ReadonlyArray<DispatcherCase> = [
  ...warned.map(([what, server, program]) =>
    test(
      `C04 one line warns that a program ended without waiting for ${what}`,
      Effect.gen(function*() {
        const { isSuccess, lines } = yield* warnings(program)
        holds(isSuccess, "the program succeeds")
        same(lines.length, 1, "the number of warnings")
        mentions(lines[0]!, `The server ${server} ended`, "Copas.run", "Layer.launch(Copas.serve(")
      })
    )
  ),
  ...[...failing, ...silent].map(([why, program], index) =>
    test(
      `C04 no line warns of a server that ended where ${why}`,
      Effect.map(warnings(program), (seen) =>
        same(seen, { lines: [], isSuccess: index >= failing.length }, "what was seen"))
    )
  )
]
