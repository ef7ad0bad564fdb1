/** An FTP server that says what a test scripts. */
import { Net, type Socket } from "@copas/core"
import { Effect, type Scope } from "effect"
import { Ftp, type FtpSession } from "../../src/index.js"
import * as Base from "../scripted.js"

/** A peer that says what a test has it say. */
export interface Peer extends Base.Peer {
  /** The whole log-in, from the greeting to FEAT. */
  readonly welcome: Effect.Effect<void, unknown>
  /** Answers EPSV, and gives the data connection once the client made it. */
  readonly passive: Effect.Effect<Effect.Effect<Socket.Socket, unknown, Scope.Scope>, unknown, Scope.Scope>
  /** TYPE, SIZE with the answer given, EPSV, and the transfer's command answered by 150: gives the data connection. */
  readonly transfer: (size: string) => Effect.Effect<Socket.Socket, unknown, Scope.Scope>
}

const makePeer = (net: Net.Service, peer: Base.Peer): Peer => {
  const { expect, say } = peer
  const passive = Effect.gen(function*() {
    const listener = yield* net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
    yield* expect(/^EPSV$/)
    yield* say(`229 (|||${listener.port}|)\r\n`)
    return listener.accept
  })
  return {
    ...peer,
    passive,
    welcome: Effect.gen(function*() {
      yield* say("220 Hello\r\n")
      yield* expect(/^USER /)
      yield* say("230 Welcome\r\n")
      yield* expect(/^FEAT$/)
      yield* say("500 What?\r\n")
    }),
    transfer: (size) =>
      Effect.gen(function*() {
        yield* expect(/^TYPE I$/)
        yield* say("200 Ok\r\n")
        if (size !== "") {
          yield* expect(/^SIZE /)
          yield* say(`${size}\r\n`)
        }
        const accept = yield* passive
        const data = yield* accept
        yield* expect(/^(?:RETR|STOR|APPE) /)
        yield* say("150 Here it comes\r\n")
        return data
      })
  }
}

/** Starts a peer that has one conversation, and gives what it takes to connect to it. */
export const scripted = <E, R>(
  talk: (peer: Peer) => Effect.Effect<unknown, E, R>
): Effect.Effect<Base.Where, unknown, Net.Net | Scope.Scope | R> =>
  Effect.flatMap(Net.Net, (net) => Base.scripted((peer) => talk(makePeer(net, peer))))

/** A session with such a peer. */
export const against = <E, R>(
  talk: (peer: Peer) => Effect.Effect<unknown, E, R>,
  options: Ftp.Defaults = {}
): Effect.Effect<FtpSession.Session, unknown, Net.Net | Scope.Scope | R> =>
  Effect.gen(function*() {
    const where = yield* scripted(talk)
    const ftp = yield* Ftp.make({ ...where, ...options })
    return yield* ftp.connect()
  })
