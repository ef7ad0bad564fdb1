/** Server names and protocols in the form in which a handshake takes them. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as NetAddress from "../../NetAddress.js"
import { InvalidOption } from "../../SocketError.js"
import type { ClientContext, ConnectTlsOptions, ServerContext } from "../../TlsContext.js"
import type { UpgradeRequest } from "../../TlsTransport.js"
import { checkConnect } from "./checks.js"

// ---- names

const badName = (value: string): Effect.Effect<never, InvalidOption> =>
  Effect.fail(
    new InvalidOption({ option: "serverName", value: JSON.stringify(value), expected: "a host name or an address" })
  )

/** A name as it goes over the wire: without the root's dot, international ones in ASCII (RFC 6066, section 3). */
const asciiName = (name: string): Effect.Effect<string, InvalidOption> => {
  const bare = name.endsWith(".") ? name.slice(0, -1) : name
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/^[\u0021-\u007e]+$/.test(bare) && bare.length <= 255 && !/[/\\@?#]/.test(bare)) return Effect.succeed(bare)
  // eslint-disable-next-line no-control-regex -- as above
  if (!/[^\u0000-\u007f]/.test(bare) || /[\u0000-\u0020\u007f/\\@?#:]/.test(bare)) return badName(name)
  return Effect.mapError(
    Effect.try(() => new URL(`http://${bare}`).hostname),
    () => new InvalidOption({ option: "serverName", value: JSON.stringify(name), expected: "a host name" })
  )
}

/** What a client asks for. `host` is what it connected to, as the caller gave it. */
export const clientRequest = (
  context: ClientContext,
  options: Omit<ConnectTlsOptions, "context">,
  host: string | undefined,
  port: number
): Effect.Effect<Omit<UpgradeRequest, "early">, InvalidOption> =>
  Effect.map(Effect.zipLeft(asciiName(options.serverName ?? host ?? "localhost"), checkConnect(options)), (name) => {
    const isNumeric = NetAddress.familyOf(name) !== undefined
    return {
      role: "client",
      context: context.native,
      serverName: isNumeric ? undefined : name,
      verifyName: name,
      sessionKey: options.sessionKey ?? NetAddress.formatHostPort(name, port),
      session: options.session === undefined ? undefined : Redacted.value(options.session),
      alpn: options.alpn,
      dane: options.dane
    }
  })

export const serverRequest = (context: ServerContext): Omit<UpgradeRequest, "early"> => ({
  role: "server",
  context: context.native,
  serverName: undefined,
  verifyName: undefined,
  sessionKey: undefined,
  session: undefined,
  alpn: undefined,
  dane: undefined
})
