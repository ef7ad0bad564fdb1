/**
 * TLS in the midst of a conversation: RFC 4217, section 4, and RFC 3207.
 */
import * as Effect from "effect/Effect"
import { ProtocolViolation } from "../../ReplyError.js"
import type { Channel } from "./channel.js"

/**
 * Runs `say`, which sends `verb` and gives the server's go-ahead; checks that nothing came after it, since anybody may
 * have put there what came in clear; and runs `upgrade`, which does the handshake and forgets what was learnt in clear.
 */
export const startTls = <E, E2>(
  channel: Channel,
  verb: string,
  say: Effect.Effect<unknown, E>,
  upgrade: Effect.Effect<void, E2>
): Effect.Effect<void, E | E2 | ProtocolViolation> =>
  say.pipe(
    Effect.zipRight(channel.socket.stats),
    Effect.flatMap(({ receiveBuffered }): Effect.Effect<void, E2 | ProtocolViolation> =>
      channel.isQuiet && receiveBuffered === 0
        ? upgrade
        : channel.loseWith(
          new ProtocolViolation({
            ...channel.origin,
            what: `something came in clear after the reply to ${verb}, where nothing may`,
            received: `${receiveBuffered} bytes or more`
          })
        )
    )
  )
