/** SMTP servers that follow a script, line by line. */
import type { Net } from "@copas/core"
import { NetMemory } from "@copas/core/testing"
import { expect } from "@effect/vitest"
import { Cause, Effect, type Scope } from "effect"
import { Message, type Smtp, SmtpSession } from "../../src/index.js"
import { leavesNothing } from "../ftp/networks.js"
import { type Peer, scripted } from "../scripted.js"

export { leavesNothing, until } from "../ftp/networks.js"
export type { Peer } from "../scripted.js"

/**
 * Follows a script: `S: ` is what the server says, `C: ` is the line that must come, `C~ ` a pattern for it, `X` cuts the
 * connection. Lines of the server that stand together go out in one write. Before it says something the client must have
 * said nothing more than the script has.
 */
export const follow = (peer: Peer, script: string): Effect.Effect<void, unknown> => {
  const lines = script.split("\n").map((line) => line.trimStart()).filter((line) => line !== "")
  const step = (at: number): Effect.Effect<void, unknown> => {
    const line = lines[at]
    if (line === undefined) return Effect.void
    if (line === "X") return peer.socket.abort
    const rest = line.slice(3)
    if (line.startsWith("C: ") || line === "C:") {
      return Effect.zipRight(peer.expect(new RegExp(`^${rest.replace(/[^\w ]/g, "\\$&")}$`)), step(at + 1))
    }
    if (line.startsWith("C~ ")) return Effect.zipRight(peer.expect(new RegExp(rest)), step(at + 1))
    if (!line.startsWith("S: ")) return Effect.dieMessage(`no line of a script: ${line}`)
    const end = lines.findIndex((other, index) => index > at && !other.startsWith("S: "))
    const group = lines.slice(at, end < 0 ? undefined : end)
    const text = group.map((other) => `${other.slice(3)}\r\n`).join("")
    return Effect.zipRight(
      Effect.flatMap(peer.socket.stats, ({ receiveBuffered }) =>
        receiveBuffered === 0
          ? peer.say(text)
          : Effect.flatMap(
            peer.socket.receive(),
            (more) => Effect.dieMessage(`the client said too early: ${new TextDecoder().decode(more)}`)
          )),
      step(at + group.length)
    )
  }
  return Effect.tapDefect(step(0), (cause) => Effect.sync(() => unexpected.push(Cause.pretty(cause))))
}

/** What clients said that was not in the script. */
const unexpected: Array<string> = []

/** The greeting, and EHLO with these extensions. */
export const hello = (...extensions: ReadonlyArray<string>): string =>
  ["S: 220 mx.test ESMTP", "C: EHLO [127.0.0.1]"].concat(
    ["mx.test", ...extensions].map((line, index, all) => `S: 250${index === all.length - 1 ? " " : "-"}${line}`)
  ).join("\n")

/** A session in clear with such a server. */
export const against = (
  script: string | ((peer: Peer) => Effect.Effect<unknown, unknown>),
  options: Smtp.Defaults = {}
): Effect.Effect<SmtpSession.Session, SmtpSession.ConnectFailure, Net.Net | Scope.Scope> =>
  Effect.flatMap(
    Effect.orDie(scripted((peer) => typeof script === "string" ? follow(peer, script) : script(peer))),
    (where) => SmtpSession.connect({ ...where, tls: "none", ...options })
  )

/** A message that takes three lines: two and the dot. */
export const message = (
  to: string | ReadonlyArray<string> = "b@b.test",
  content = "A: b\r\n\r\nhello\r\n"
): Message.Message => {
  const made = Message.raw(content, { envelope: { from: "a@a.test", to } })
  if (made._tag === "Left") throw made.left
  return made.right
}

/** What `message` looks like on the wire, with its dot. */
export const content = "C: A: b\nC:\nC: hello\nC: ."

/** A whole envelope with PIPELINING. */
export const alone = "C: MAIL FROM:<a@a.test>\nC: RCPT TO:<b@b.test>\nC: DATA"
/** The same with its replies, up to the go-ahead. */
export const one = `${alone}\nS: 250 ok\nS: 250 ok\nS: 354 go`
/** The session works on, and ends. */
export const works = "C: NOOP\nS: 250 ok\nC: QUIT"

/** On a network in memory, of which nothing is left open; every script went as it was written. */
export const inMemory = <A, E, R>(
  use: Effect.Effect<A, E, R | Net.Net | Scope.Scope>
): Effect.Effect<A, E, Exclude<Exclude<R, Scope.Scope>, Net.Net>> => {
  const run: Effect.Effect<A, E, Exclude<Exclude<R, Scope.Scope>, Net.Net>> = Effect.provide(
    leavesNothing(use),
    NetMemory.layer
  ) as never
  const check = Effect.sync(() => expect(unexpected.splice(0)).toEqual([]))
  return Effect.ensuring(run, check)
}
