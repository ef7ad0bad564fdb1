/**
 * Connectors through proxies of each kind: what one is, read and checked, and the connections that it makes.
 */
import * as Net from "@copas/core/Net"
import { type Family, familyOf, formatHostPort } from "@copas/core/NetAddress"
import { ConnectError, InvalidOption, type ReceiveError, type SendError } from "@copas/core/SocketError"
import * as Tls from "@copas/core/Tls"
import { within } from "@copas/core/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { type Connector, type ConnectRequest, direct, ProxyError } from "../Connector.js"
import type { Options, SocksOptions } from "../Proxy.js"
import { orFail, textOf } from "./options.js"
import { inOwnScope } from "./ownScope.js"
import * as Wire from "./proxy.js"
import { hide } from "./replies/command.js"

/** A kind of proxy, and how one speaks with it. */
interface Kind {
  /** The schemes of its URLs, with their ports. */
  readonly ports: Readonly<Record<string, number>>
  /** The port without a URL. */
  readonly portOf: (options: Options) => number
  readonly talk: Wire.Talk
  /** It takes addresses of this family only. */
  readonly family?: Family
  readonly hasPassword: boolean
}

const kinds: Readonly<Record<"http" | "socks5" | "socks4", Kind>> = {
  http: {
    ports: { http: 80, https: 443 },
    portOf: ({ tls = false }) => tls === false ? 80 : 443,
    talk: Wire.connect,
    hasPassword: true
  },
  socks5: { ports: { socks5: 1080, socks5h: 1080 }, portOf: () => 1080, talk: Wire.socks5, hasPassword: true },
  socks4: {
    ports: { socks4: 1080, socks4a: 1080 },
    portOf: () => 1080,
    talk: Wire.socks4,
    family: "IPv4",
    hasPassword: false
  }
}

const encoder = new TextEncoder()

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536

type Settings = SocksOptions & { readonly port: number }

const expectedOf = (schemes: ReadonlyArray<string>): string =>
  `a URL of ${schemes.join(", ")}, such as ${schemes[0]!}://proxy.example:3128`

const parse = (
  proxy: string | URL | SocksOptions,
  { hasPassword, portOf, ports }: Kind
): Either.Either<Settings, InvalidOption> => {
  const refuse = (value: string, expected: string) =>
    Either.left(new InvalidOption({ option: "proxy", value, expected }))
  const check = (options: SocksOptions): Either.Either<Settings, InvalidOption> => {
    const port = options.port ?? portOf(options)
    // RFC 7617 has no way to write a colon in the user, and RFC 1929 none to write more than 255 bytes.
    const password = options.password === undefined ? "" : Redacted.value(options.password)
    const isUser = (options.user === undefined || /^[^:\p{Cc}]+$/u.test(options.user)) && !/\p{Cc}/u.test(password) &&
      [options.user ?? "", password].every((text) => encoder.encode(text).length <= 255)
    if (options.host === "" || !isPort(port)) {
      return refuse(`${options.host}:${port}`, "the host and the port of a proxy")
    }
    if (!isUser) {
      return refuse(
        "a login",
        "user and password of at most 255 bytes without control characters, the user without a colon"
      )
    }
    return hasPassword || password === ""
      ? Either.right({ ...options, port })
      : refuse("a login", "a user alone: SOCKS4 knows no password")
  }
  if (typeof proxy === "object" && proxy !== null && !(proxy instanceof URL)) return check(proxy)
  const expected = expectedOf(Object.keys(ports))
  return Either.flatMap(
    Either.try(() => {
      const url = new URL(textOf(proxy))
      const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)]
      return { url, user, password }
    }).pipe(Either.mapLeft(() => new InvalidOption({ option: "proxy", value: "no URL", expected }))),
    ({ password, url, user }) => {
      const scheme = url.protocol.slice(0, -1)
      const port = Object.hasOwn(ports, scheme) ? ports[scheme] : undefined
      if (port === undefined) return refuse(`${scheme}:`, expected)
      return check({
        host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
        port: url.port === "" ? port : Number(url.port),
        tls: scheme === "https",
        ...(scheme === "socks5" || scheme === "socks4" ? { lookup: "here" } : {}),
        ...(user === "" ? {} : { user, password: Redacted.make(password) })
      })
    }
  )
}

const timedOut = ({ host, port }: ConnectRequest): ConnectError =>
  new ConnectError({ reason: "TimedOut", target: formatHostPort(host, port), attempts: [] })

/** Connects to the proxy, and has it connect to `host`. */
const ask = (
  { host: proxyHost, password, port: proxyPort, tls = false, user }: Settings,
  { talk }: Kind,
  request: ConnectRequest,
  host: string
) =>
  Effect.gen(function*() {
    const socket = yield* direct({ ...request, host: proxyHost, port: proxyPort })
    const proxy = formatHostPort(proxyHost, proxyPort)
    const lost = (error: SendError | ReceiveError) =>
      error._tag === "SocketTimeout"
        ? timedOut(request)
        : new ProxyError({ reason: "BadReply", proxy, detail: `no answer came: ${error.message}`, cause: error })
    if (tls !== false) {
      const context = tls === true ? yield* Tls.client() : Tls.isContext(tls) ? tls : yield* Tls.client(tls)
      yield* Effect.mapError(
        Tls.upgrade(socket, context, { serverName: proxyHost, handshakeTimeout: request.connectTimeout }),
        (error) =>
          error._tag === "TlsError" || error._tag === "InvalidOption" || error._tag === "UnsupportedOption"
            ? error
            : lost(error)
      )
    }
    const credentials = user === undefined
      ? undefined
      : { user, password: password === undefined ? "" : Redacted.value(password) }
    // Some proxies repeat what they were sent.
    const login = credentials === undefined ? "" : `${credentials.user}:${credentials.password}`
    const secrets = [Encoding.encodeBase64(login), credentials?.password ?? ""]
    yield* Effect.mapError(talk(socket, { host, port: request.port }, credentials), (error) => {
      if (error._tag !== "ProxyFailure") return lost(error)
      const { code, detail, reason } = error
      const shown = hide(secrets, detail)
      return new ProxyError({ reason, proxy, detail: shown, ...(code === undefined ? {} : { code }) })
    })
    return socket
  })

const through = (settings: Either.Either<Settings, InvalidOption>, kind: Kind): Connector => (request) => {
  const refuse = (option: string, value: string, expected: string) =>
    Effect.fail(new InvalidOption({ option, value: JSON.stringify(value), expected }))
  const connected = Effect.gen(function*() {
    const proxy = yield* orFail(settings)
    const { permit, port } = request
    const host = Wire.wireHost(request.host)
    if (host === undefined) {
      return yield* refuse("host", request.host, "a name in ASCII or an address: a proxy looks it up")
    }
    if (!isPort(port)) return yield* refuse("port", String(port), "1 to 65535")
    const numeric = familyOf(host)
    if (numeric !== undefined && numeric !== (kind.family ?? numeric)) {
      return yield* refuse("host", host, "a name or an IPv4 address: SOCKS4 knows no IPv6")
    }
    if (numeric === undefined && proxy.lookup !== "here") return yield* ask(proxy, kind, request, host)
    // `permit` is asked about the target where its address is known here.
    const addresses = yield* (yield* Net.Net).lookup({ host: request.host, port, family: kind.family, permit })
    const tryFrom = (at: number): ReturnType<typeof ask> =>
      Effect.catchTag(
        inOwnScope(ask(proxy, kind, request, Wire.wireHost(addresses[at]!.host)!)),
        "ProxyError",
        (error) => at + 1 < addresses.length && mayReachAnother(error) ? tryFrom(at + 1) : Effect.fail(error)
      )
    return yield* tryFrom(0)
  })
  return inOwnScope(within(connected, Duration.toMillis(request.connectTimeout), () => timedOut(request)))
}

/** SOCKS4 has one code for a target that is not reached and everything else. */
const mayReachAnother = ({ code, reason }: ProxyError): boolean => reason === "TargetUnreachable" || code === 91

/** A connector through a proxy of this kind. What is wrong with the proxy is what its connections fail with. */
export const make = (kind: keyof typeof kinds, proxy: string | URL | SocksOptions): Connector =>
  through(parse(proxy, kinds[kind]), kinds[kind])

/** A connector through the proxy that a URL of any kind names; or what is wrong with it. */
export const ofUrl = (url: string): Either.Either<Connector, InvalidOption> => {
  const scheme = /^([a-z][a-z\d+.-]*):/i.exec(url)?.[1]!.toLowerCase()
  const kind = Object.values(kinds).find(({ ports }) => scheme !== undefined && Object.hasOwn(ports, scheme))
  if (kind !== undefined) {
    return Either.map(parse(url, kind), (settings) => through(Either.right(settings), kind))
  }
  const expected = expectedOf(Object.values(kinds).flatMap(({ ports }) => Object.keys(ports)))
  return Either.left(new InvalidOption({ option: "proxy", value: "no URL of one", expected }))
}
