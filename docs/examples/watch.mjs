// What an instrumented example calls: see instrument.mjs.
import * as Effect from "effect/Effect"
import { format } from "node:util"

const sites = new Map()
const oneBlank = (text) => text.replace(/\s+/g, " ").trim()

/** Notes what each of these lines must print; one that is never reached prints nothing. */
export const expectations = (expected) => {
  for (const [line, comment] of expected) sites.set(line, { comment: oneBlank(comment), printed: [] })
}

/** `log`, of `console` or of Effect's `Console`, with what it prints noted for the comment of its line. */
export const prints = (line, log) => (...values) => {
  const note = () => {
    sites.get(line).printed.push(oneBlank(format(...values)))
  }
  const result = log(...values)
  if (Effect.isEffect(result)) return Effect.zipLeft(result, Effect.sync(note))
  note()
}

/** Waits for a promise, or for a fiber of Effect's; gives all else as it is. */
export const settled = (value) =>
  typeof value?.addObserver === "function"
    ? new Promise((resolve, reject) => {
      value.addObserver((exit) => exit._tag === "Success" ? resolve() : reject(new Error(String(exit))))
    })
    : value

const matches = (comment, text) => {
  const parts = comment.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
  return new RegExp(`^${parts.join(".*")}$`).test(text)
}

let isAtEnd = false
/** The example has run to its last line, and everything at its top level has settled. */
export const atEnd = () => {
  isAtEnd = true
}

process.on("exit", (code) => {
  // What was not printed then follows from that.
  if (code !== 0) return
  if (!isAtEnd) {
    // As Node ends with an unsettled await; it says so after this listener.
    process.exitCode = 13
    return
  }
  for (const [line, { comment, printed }] of sites) {
    const holds = printed.length > 0 &&
      (printed.every((text) => matches(comment, text)) || matches(comment, printed.join(", then ")))
    if (holds) continue
    process.exitCode = 1
    process.stderr.write(
      `line ${line}: prints ${printed.join(", then ") || "nothing"}, and its comment says ${comment}\n`
    )
  }
})
