/** What scripts write to stderr, as lines for the log: bounded in length and in number. Pure: the caller tells the time. */

const longest = 1000
/** Lines a second, of all scripts of one handler. */
const mostLines = 50

/** How many lines may be logged: of one handler, whose scripts share it. */
export class Allowance {
  private second = Number.NEGATIVE_INFINITY
  private lines = 0
  private dropped = 0

  /** Whether a line may be logged now; and how many were not since the last one that was. */
  take(now: number): { readonly isAllowed: boolean; readonly dropped: number } {
    const second = Math.floor(now / 1000)
    if (second !== this.second) {
      this.second = second
      this.lines = 0
    }
    if (this.lines === mostLines) {
      this.dropped++
      return { isAllowed: false, dropped: 0 }
    }
    this.lines++
    const dropped = this.dropped
    this.dropped = 0
    return { isAllowed: true, dropped }
  }
}

/** Controls, and what terminals and viewers of logs take for a line's end or for a change of direction. */
// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

const escape = (text: string): string =>
  text.replace(unprintable, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** The lines of one script. */
export class Lines {
  private readonly decoder = new TextDecoder()
  private line = ""
  private isCut = false

  private readonly allowance: Allowance

  constructor(allowance: Allowance) {
    this.allowance = allowance
  }

  /** The lines that these bytes complete and that may be logged. */
  push(bytes: Uint8Array, now: number): ReadonlyArray<string> {
    return this.take(this.decoder.decode(bytes, { stream: true }), now)
  }

  /** The last line, which no line feed ended. */
  end(now: number): ReadonlyArray<string> {
    return [...this.take(this.decoder.decode(), now), ...this.ended(now)]
  }

  private take(text: string, now: number): ReadonlyArray<string> {
    const lines: Array<string> = []
    let from = 0
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", from)) {
      this.add(text.slice(from, at))
      from = at + 1
      lines.push(...this.ended(now))
    }
    this.add(text.slice(from))
    return lines
  }

  private add(text: string): void {
    const room = longest - this.line.length
    if (text.length > room) this.isCut = true
    this.line += text.slice(0, room)
  }

  private ended(now: number): ReadonlyArray<string> {
    const line = `${escape(this.line.replace(/\r$/, ""))}${this.isCut ? "…" : ""}`
    this.line = ""
    this.isCut = false
    if (line === "") return []
    const { dropped, isAllowed } = this.allowance.take(now)
    if (!isAllowed) return []
    return dropped === 0 ? [line] : [`(${dropped} lines more than ${mostLines} a second were dropped)`, line]
  }
}
