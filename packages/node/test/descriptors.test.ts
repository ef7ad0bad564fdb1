/** A server in a process with few file descriptors. */
import * as Net from "@copas/core/Net"
import type { Socket } from "@copas/core/Socket"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as NodeNet from "../src/NodeNet.js"

const program = fileURLToPath(new URL("fixtures/fewDescriptors.ts", import.meta.url))

interface Message {
  readonly port?: number
  readonly level?: string
  readonly text?: string
  readonly connect?: string
  readonly crashed?: string
}

/** The server in a child that may have `limit` descriptors, and its messages. */
const child = (limit: number) =>
  Effect.gen(function*() {
    const messages: Array<Message> = []
    const running = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(
          "bash",
          [
            "-c",
            `ulimit -n ${limit}; exec "$0" --import tsx --conditions=copas-source "$1"`,
            process.execPath,
            program
          ],
          { stdio: ["ignore", "inherit", "inherit", "ipc"] }
        )
      ),
      (running) =>
        Effect.async<void>((resume) => {
          running.once("exit", () => resume(Effect.void))
          if (running.exitCode !== null || !running.kill("SIGKILL")) resume(Effect.void)
        })
    )
    let wake = (): void => {}
    running.on("message", (message: Message) => {
      messages.push(message)
      wake()
    })
    running.on("exit", (code) => {
      messages.push({ crashed: `exit ${code}` })
      wake()
    })
    const next = <A>(pick: (message: Message) => A | undefined): Effect.Effect<A> =>
      Effect.async((resume) => {
        wake = () => {
          const crashed = messages.find((message) => message.crashed !== undefined)
          if (crashed !== undefined) resume(Effect.die(new Error(crashed.crashed)))
          const found = messages.findIndex((message) => pick(message) !== undefined)
          if (found === -1) return
          const [message] = messages.splice(found, 1)
          resume(Effect.succeed(pick(message!)!))
        }
        wake()
      })
    return { next, ask: (question: string) => Effect.sync(() => running.send(question)) }
  })

/** Connects and asks; false when it is turned away. */
const served = (port: number): Effect.Effect<Socket | undefined, never, Net.Net | Scope.Scope> =>
  Effect.gen(function*() {
    const socket = yield* Net.connect({ host: "127.0.0.1", port, linger: 0 })
    yield* socket.send("hello\n")
    return (yield* socket.receiveLine()) === "hello" ? socket : undefined
  }).pipe(Effect.orElseSucceed(() => undefined))

it.scopedLive(
  "C04 running out of descriptors is logged and survived, and connections are accepted again afterwards",
  () =>
    Effect.gen(function*() {
      const { ask, next } = yield* child(256)
      const port = yield* next((message) => message.port)
      const scope = yield* Scope.make()
      const open: Array<Socket> = []
      for (;;) {
        const socket = yield* Scope.extend(served(port), scope)
        if (socket === undefined) break
        open.push(socket)
        if (open.length > 256) return yield* Effect.dieMessage("the limit was not reached")
      }
      expect(open.length).toBeGreaterThan(5)
      const logged = yield* next((message) => message.text?.includes("TooManyOpenFiles") === true ? message : undefined)
      expect(logged.level).toBe("WARN")
      expect(logged.text).toContain("few: ")
      expect(logged.text).toContain("ulimit -n")
      // A client within the process learns why it cannot connect.
      yield* ask("connect")
      expect(yield* next((message) => message.connect)).toMatch(/Could not connect to .*TooManyOpenFiles.*ulimit -n/)
      // Those that are served are not touched.
      for (const socket of open.slice(0, 3)) {
        yield* socket.send("still\n")
        expect(yield* socket.receiveLine()).toBe("still")
      }
      yield* Scope.close(scope, Exit.void)
      // The child sees the ends of its connections in its own time.
      const again = yield* Effect.repeat(served(port), { until: (socket) => socket !== undefined })
      expect(again).toBeDefined()
    }).pipe(Effect.provide(NodeNet.layer)),
  30_000
)
