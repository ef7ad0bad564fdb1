/**
 * Options with their defaults filled in and checked, once for a session or a pool.
 */
import type * as Net from "@copas/core/Net"
import * as NetAddress from "@copas/core/NetAddress"
import type { InvalidOption, UnsupportedOption } from "@copas/core/SocketError"
import type * as Tls from "@copas/core/Tls"
import type { TlsError } from "@copas/core/TlsError"
import * as Effect from "effect/Effect"
import { type Connector, direct } from "../../Connector.js"
import type { Auth, Mechanism, Options } from "../../SmtpSession.js"
import { count, millis, orFail, refuse, tlsClient } from "../options.js"
import * as Parser from "../replies/parser.js"
import * as Mechanisms from "./sasl/mechanisms.js"

export interface Settings {
  readonly host: string
  readonly port: number
  /** Host and port, for errors. */
  readonly server: string
  readonly protocol: "smtp" | "lmtp"
  readonly tls: "implicit" | "starttls" | "opportunistic" | "none"
  readonly tlsContext: Tls.ClientContext | undefined
  readonly serverName: string
  readonly auth: Auth | undefined
  readonly mechanisms: ReadonlyArray<Mechanism>
  readonly allowInsecureAuth: boolean
  readonly name: string | undefined
  readonly connectMillis: number
  readonly greetingMillis: number
  readonly commandMillis: number
  readonly dataMillis: number
  readonly finalMillis: number
  readonly closeMillis: number
  readonly replyLimit: number
  readonly extensionLimit: number
  readonly isDirect: boolean
  readonly connector: Connector
}

const modes = ["implicit", "starttls", "opportunistic", "none"] as const

// RFC 5321, sections 2.3.5 and 4.1.3. Containers are called `web_1`, which is no domain: servers refuse it, some late.
const domain =
  /^(?=.{1,255}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/
const literal = /^\[(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9A-Fa-f:.]+)\]$/

const authOf = (auth: Auth | undefined): Effect.Effect<Auth | undefined, InvalidOption> => {
  if (auth === undefined) return Effect.succeed(undefined)
  const { mechanisms, password, token, user } = auth
  if (password !== undefined && token !== undefined) return refuse("auth", "both", "a password or a token, not both")
  if (password === undefined && token === undefined && mechanisms === undefined) {
    return refuse("auth", "neither", "a password, a token, or mechanisms with credentials of their own")
  }
  return user === undefined && (password !== undefined || token !== undefined)
    ? refuse("auth.user", "missing", "a user")
    : Effect.succeed(auth)
}

/** What SCRAM derives for a log-in is kept as long as that is used: a service or a pool derives it once. */
const derived = new WeakMap<Auth, ReadonlyArray<Mechanism>>()

const builtInFor = (auth: Auth, rounds: Parameters<typeof Mechanisms.builtIn>[0]): ReadonlyArray<Mechanism> => {
  const known = derived.get(auth) ?? Mechanisms.builtIn(rounds)
  derived.set(auth, known)
  return known
}

export const make = (
  options: Options
): Effect.Effect<Settings, InvalidOption | UnsupportedOption | TlsError, Net.Net> =>
  Effect.gen(function*() {
    const { name, protocol = "smtp", timeouts = {} } = options
    if (options.host === "") return yield* refuse("host", "empty", "a name or an address")
    if (protocol !== "smtp" && protocol !== "lmtp") return yield* refuse("protocol", protocol, "smtp or lmtp")
    const usual = protocol === "lmtp" ? 24 : options.tls === "implicit" ? 465 : 587
    const port = yield* count("port", options.port, usual, 1)
    if (port > 65_535) return yield* refuse("port", port, "a number from 1 to 65535")
    const tls = options.tls ?? (port === 465 ? "implicit" : "starttls")
    if (!modes.includes(tls)) return yield* refuse("tls", tls, modes.join(", "))
    if (name !== undefined && !domain.test(name) && !literal.test(name)) {
      return yield* refuse("name", name, "a domain of letters, digits, hyphens and dots, or an address literal")
    }
    const auth = yield* authOf(options.auth)
    const rounds = yield* orFail(Mechanisms.rounds(auth?.rounds))
    return {
      host: options.host,
      port,
      server: NetAddress.formatHostPort(options.host, port),
      protocol,
      tls,
      tlsContext: tls === "none" ? undefined : yield* tlsClient(options.tlsContext),
      serverName: options.serverName ?? options.host,
      auth,
      mechanisms: auth === undefined
        ? []
        : yield* orFail(Mechanisms.resolve(builtInFor(auth, rounds), auth.mechanisms)),
      allowInsecureAuth: options.allowInsecureAuth ?? false,
      name,
      connectMillis: yield* millis("timeouts.connect", timeouts.connect, "30 seconds"),
      greetingMillis: yield* millis("timeouts.greeting", timeouts.greeting, "30 seconds"),
      commandMillis: yield* millis("timeouts.command", timeouts.command, "5 minutes"),
      dataMillis: yield* millis("timeouts.data", timeouts.data, "3 minutes"),
      finalMillis: yield* millis("timeouts.final", timeouts.final, "10 minutes"),
      closeMillis: yield* millis("timeouts.close", timeouts.close, "5 seconds"),
      replyLimit: yield* count("replyLimit", options.replyLimit, Parser.defaultLimit, 128),
      extensionLimit: yield* count("extensionLimit", options.extensionLimit, 1000, 1),
      isDirect: options.connector === undefined,
      connector: options.connector ?? direct
    }
  })
