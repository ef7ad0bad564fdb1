/**
 * One connection of the test server: its state, its replies, and how it ends before its time.
 */
import type { InetSocket } from "@copas/core/Socket"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ChannelBinding } from "../../../SmtpSession.js"
import type { Ending, Limit, Phase, Quirks, Recipient } from "../../SmtpServer.js"
import type { Path } from "./envelope.js"
import { channelBinding, offered } from "./extensions.js"
import { Reader } from "./reader.js"
import type { Shared } from "./shared.js"

export type Conversation = Effect.Effect<void, unknown>

/** The connection ends now: what a conversation fails with. */
export class End {
  readonly how: "close" | "reset"
  constructor(how: "close" | "reset") {
    this.how = how
  }
}

/** What has come of a message's content. */
export interface Content {
  /** Its first `size` bytes are the content, as far as it is kept. */
  bytes: Uint8Array
  size: number
  /** The reply that refuses it. */
  refused: string | undefined
}

/** A mail transaction (RFC 5321, section 3.3). */
export interface Transaction {
  readonly mail: Path
  readonly recipients: Array<Recipient>
  /** `undefined` before DATA or the first BDAT. */
  content: Content | undefined
}

const enhanced = /^(\d{3}[ -])\d\.\d{1,3}\.\d{1,3} /gm

export class Client {
  readonly shared: Shared
  readonly socket: InetSocket
  readonly reader: Reader
  readonly number: number
  /** What the next reply is about. */
  phase: Phase = "CONNECT"
  /** The name in EHLO; `undefined` before that. */
  name: string | undefined = undefined
  /** What EHLO listed last, by keyword. */
  extensions: ReadonlyMap<string, string> = new Map()
  user: string | undefined = undefined
  transaction: Transaction | undefined = undefined
  transactions = 0
  /** The last reply was a challenge: the next line is no command, and may be a secret. */
  awaitsSecret = false
  private errors = 0

  constructor(shared: Shared, socket: InetSocket, number: number) {
    this.shared = shared
    this.socket = socket
    this.number = number
    this.reader = new Reader(socket)
  }

  get quirks(): Quirks {
    return this.shared.quirks
  }

  get isSecure(): boolean {
    return Option.isSome(this.socket.tls)
  }

  /** Forgets what was learnt in clear. RFC 3207, section 4.2. */
  forget(): void {
    this.name = undefined
    this.extensions = new Map()
    this.user = undefined
    this.transaction = undefined
  }

  /** RFC 5321, section 4.1.4. `isExtended` is false for HELO. */
  greet(name: string, isExtended: boolean): ReadonlyArray<string> {
    const lines = isExtended ? offered(this.shared, this.socket) : []
    this.name = name
    this.transaction = undefined
    const extensions = new Map<string, string>()
    for (const line of lines) {
      const [, word = "", parameters = ""] = /^([A-Za-z0-9-]+)[ =]?(.*)$/.exec(line) ?? []
      const keyword = word.toUpperCase()
      // `AUTH` and `AUTH=`, as old clients want it, are one.
      extensions.set(keyword, `${extensions.get(keyword) ?? ""} ${parameters}`.trim())
    }
    this.extensions = extensions
    return lines
  }

  readonly channelBinding = (type: ChannelBinding["type"]): Uint8Array | undefined => channelBinding(this.socket, type)

  readonly has = (extension: string): boolean => this.extensions.has(extension)

  /** The scripted reply at this phase, if it refuses. */
  get refusal(): string | undefined {
    const reply = this.quirks.replies?.[this.phase]
    return reply !== undefined && /^[45]/.test(reply) ? reply : undefined
  }

  /**
   * Replies at this phase. The reply to what succeeds may be scripted; a connection may end here, before the reply or
   * because of it.
   */
  reply(text: string): Conversation {
    return Effect.suspend(() => {
      const { phase, quirks } = this
      const ending = quirks.endings?.[phase]
      if (ending !== undefined) return this.end(ending)
      const scripted = quirks.replies?.[phase]
      const isScripted = scripted !== undefined && (text === scripted || /^[23]/.test(text))
      return this.send(isScripted ? scripted : this.plain(text))
    })
  }

  /** Ends the connection. */
  end(ending: Ending): Conversation {
    switch (ending) {
      case "close":
      case "reset":
        return Effect.fail(new End(ending))
      case "421":
        return this.send(this.plain("421 4.3.2 The server shuts down"))
      case "silence":
        return this.reader.drain
    }
  }

  /** Sends a reply as it is to be, and ends the connection after 221 and 421. */
  send(text: string): Conversation {
    return Effect.gen(this, function*() {
      const { phase, quirks } = this
      if (/^[45]/.test(text)) this.errors += 1
      const { most, reply } = limit(quirks.maxErrors, Infinity, this.plain("421 4.7.0 Too many errors"))
      const whole = this.errors > most ? reply : text
      for (const pause of [quirks.delay, quirks.delays?.[phase]]) if (pause !== undefined) yield* Effect.sleep(pause)
      if (quirks.tarpit !== undefined) {
        for (let error = 0; error < this.errors; error++) yield* Effect.sleep(quirks.tarpit)
      }
      const after = quirks.after?.[phase] ?? ""
      this.awaitsSecret = whole.startsWith("334")
      yield* this.write(this.shaped(whole) + after)
      if (/^(?:421|221)/m.test(whole) || /^421/m.test(after)) return yield* Effect.fail(new End("close"))
    })
  }

  /** A reply without its enhanced codes, where these are not offered (RFC 2034, section 3). */
  plain(text: string): string {
    return this.has("ENHANCEDSTATUSCODES") ? text : text.replace(enhanced, "$1")
  }

  /** Its lines, as this server writes replies. */
  private shaped(text: string): string {
    const { bare, multiline } = this.quirks
    const code = text.slice(0, 3)
    // A challenge is its text.
    const isOne = code !== "334" && !text.includes("\n")
    const whole = isOne && bare === true
      ? code
      : isOne && multiline === true
      ? `${code}-First\n${code}-999 is no code\n${code}-\n${text}`
      : text
    return `${whole.replaceAll("\n", "\r\n")}\r\n`
  }

  private write(text: string): Conversation {
    const bytes = utf8.encode(text)
    const { split } = this.quirks
    if (split === undefined) return this.socket.send(bytes)
    const from = (at: number): Conversation =>
      at >= bytes.length
        ? Effect.void
        : this.socket.send(bytes.subarray(at, at + Math.max(1, split))).pipe(
          Effect.zipRight(this.socket.flush),
          Effect.zipRight(Effect.yieldNow()),
          Effect.zipRight(Effect.suspend(() => from(at + Math.max(1, split))))
        )
    return from(0)
  }

  /** Takes note of what has arrived of a message; a connection may end or stand still here. */
  arrived(before: number, piece: Uint8Array): Conversation {
    return Effect.suspend(() => {
      const { endContentAfter = 1, endings, stallAfter = Infinity } = this.quirks
      const count = before + piece.length
      const ending = endings?.CONTENT
      if (ending !== undefined && count >= endContentAfter) {
        this.phase = "CONTENT"
        return this.end(ending)
      }
      return count >= stallAfter ? this.shared.until(() => count < (this.quirks.stallAfter ?? Infinity)) : Effect.void
    })
  }
}

const utf8 = new TextEncoder()

/** What a limit is, and the reply past it. */
export const limit = (
  given: Limit | undefined,
  most: number,
  reply: string
): { readonly most: number; readonly reply: string } =>
  given === undefined ? { most, reply } : typeof given === "number" ? { most: given, reply } : given
