/** What a read takes from the buffer: chunks, lines, lengths, delimiters, everything. */
import * as Effect from "effect/Effect"
import { isEndOfConversation, LineTooLong, MessageTooLong, type ReceiveError } from "../../SocketError.js"
import type { LineOptions, ReceiveOptions } from "../../SocketOptions.js"
import { withFiber } from "../effect/suspend.js"
import { aCount, invalid, isCount } from "../time/optionValues.js"
import type { Inbound } from "./inbound.js"
import * as SocketFailure from "./socketFailure.js"

const defaultMaxLength = 65536
const defaultMaxBytes = 16 * 1024 * 1024

const lineFeed = new Uint8Array([10])
const carriageReturn = 13

const encoder = new TextEncoder()

/** A wrong bound is a mistake of the program, not of the peer, and no program can continue from it. */
const refuse = (option: string, value: unknown, expected: string): Effect.Effect<never> =>
  Effect.die(invalid(option, value, expected))

const takeArrived = (inbound: Inbound): Effect.Effect<Uint8Array> | undefined =>
  inbound.buffer.size === 0 ? undefined : Effect.succeed(inbound.buffer.takeChunk(Infinity))

export const receive = (inbound: Inbound, options?: ReceiveOptions): Effect.Effect<Uint8Array, ReceiveError> => {
  if (options === undefined) return inbound.read(takeArrived, 0)
  const { into, joined = false, maxBytes = Infinity } = options
  if (into?.length === 0) return refuse("into", into, "at least a byte of room")
  const most = into === undefined ? maxBytes : Math.min(maxBytes, into.length)
  if (options.maxBytes !== undefined && !isCount(maxBytes, 1)) return refuse("maxBytes", maxBytes, aCount(1))
  return inbound.read(
    ({ buffer }) =>
      buffer.size === 0
        ? undefined
        : Effect.succeed(joined ? buffer.take(Math.min(buffer.size, most), into) : buffer.takeChunk(maxBytes)),
    0,
    joined
  )
}

/** The next line where it is there, `undefined` where more must come, `false` where it is too long. */
const lineOf = (inbound: Inbound, maxLength: number, encoding: "utf-8" | "latin1"): string | undefined | false => {
  const { buffer, socket } = inbound
  const end = buffer.indexOf(lineFeed)
  if (end === -1) {
    // A CR may still turn out to belong to the delimiter.
    return buffer.size > maxLength + 1 ? false : undefined
  }
  const drop = end > 0 && buffer.byteAt(end - 1) === carriageReturn ? 2 : 1
  const length = end + 1 - drop
  return length > maxLength ? false : buffer.takeText(length, drop, encoding, socket.netState.platform.decode)
}

const takeLine = (
  inbound: Inbound,
  maxLength: number,
  encoding: "utf-8" | "latin1"
): Effect.Effect<string, LineTooLong> | undefined => {
  const line = lineOf(inbound, maxLength, encoding)
  return line === undefined ? undefined : line === false ? tooLong(inbound, maxLength) : Effect.succeed(line)
}

const tooLong = (inbound: Inbound, limit: number): Effect.Effect<never, LineTooLong> =>
  Effect.fail(new LineTooLong({ socket: inbound.socket.name, limit }))

const takeDefaultLine = (inbound: Inbound): Effect.Effect<string, LineTooLong> | undefined =>
  takeLine(inbound, defaultMaxLength, "utf-8")

export const receiveLine = (
  inbound: Inbound,
  options: LineOptions | undefined
): Effect.Effect<string, ReceiveError | LineTooLong> => {
  if (options === undefined) return inbound.read(takeDefaultLine, defaultMaxLength + 2)
  const { encoding = "utf-8", maxLength = defaultMaxLength } = options
  if (!isCount(maxLength, 0)) return refuse("maxLength", maxLength, aCount(0))
  return inbound.read((self) => takeLine(self, maxLength, encoding), maxLength + 2)
}

/**
 * Runs `f` for each line. Those that are there already cost no read of their own: each is taken when `f` is done with the
 * one before, and an interruption between the two loses none.
 */
export const forEachLine = <E, R>(
  inbound: Inbound,
  f: (line: string) => Effect.Effect<unknown, E, R>,
  options: LineOptions | undefined
): Effect.Effect<void, E | ReceiveError | LineTooLong, R> => {
  const { encoding = "utf-8", maxLength = defaultMaxLength } = options ?? {}
  const read = receiveLine(inbound, options)
  const take = (self: Inbound): string | undefined => {
    const line = lineOf(self, maxLength, encoding)
    return line === false ? undefined : line
  }
  type Loop = Effect.Effect<never, E | ReceiveError | LineTooLong, R>
  const lines: Loop = withFiber((fiber) => {
    const again = (): Loop => loop
    const arrived = (first: string): Loop => {
      let line: string | undefined = first
      return Effect.flatMap(
        Effect.whileLoop({
          while: () => line !== undefined,
          body: () => f(line!),
          step: () => {
            line = inbound.takeNow(fiber, take)
          }
        }),
        again
      )
    }
    const next = (): Loop => {
      const line = inbound.takeNow(fiber, take)
      return line === undefined ? loop : arrived(line)
    }
    // Often a line comes alone.
    const round = (line: string): Loop => Effect.flatMap(f(line), next)
    const loop: Loop = Effect.flatMap(read, round)
    return loop
  })
  return endNormally(inbound, lines)
}

/** Runs `f` for each chunk. Like `Effect.forever`, which yields at each round: a read yields by itself when it is time. */
export const forEachChunk = <E, R>(
  inbound: Inbound,
  f: (chunk: Uint8Array) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, E | ReceiveError, R> => {
  type Loop = Effect.Effect<never, E | ReceiveError, R>
  const again = (): Loop => loop
  const loop: Loop = Effect.flatMap(receive(inbound), (chunk) => Effect.flatMap(f(chunk), again))
  return endNormally(inbound, loop)
}

/** What the loop's body reads elsewhere has ends of its own, which are not this one's. */
const endNormally = <E, R>({ socket }: Inbound, loop: Effect.Effect<never, E, R>): Effect.Effect<void, E, R> =>
  Effect.catchAll(loop, (error) => isEndOfConversation(error, socket) ? Effect.void : Effect.fail(error))

export const receiveExactly = (inbound: Inbound, length: number): Effect.Effect<Uint8Array, ReceiveError> => {
  if (!isCount(length, 0)) return refuse("length", length, aCount(0))
  if (length === 0) return Effect.succeed(SocketFailure.noBytes)
  return inbound.read(
    ({ buffer }) => buffer.size < length ? undefined : Effect.succeed(buffer.take(length)),
    length
  )
}

export const receiveAll = (
  inbound: Inbound,
  maxBytes = defaultMaxBytes
): Effect.Effect<Uint8Array, ReceiveError | MessageTooLong> => {
  if (!isCount(maxBytes, 0)) return refuse("maxBytes", maxBytes, aCount(0))
  return inbound.read((self): Effect.Effect<Uint8Array, MessageTooLong> | undefined => {
    const { buffer, ended, socket } = self
    if (buffer.size > maxBytes) {
      return Effect.fail(new MessageTooLong({ operation: "receive", socket: socket.name, limit: maxBytes }))
    }
    return ended ? Effect.succeed(buffer.take(buffer.size)) : undefined
  }, maxBytes + 1)
}

export const receiveUntil = (
  inbound: Inbound,
  delimiter: string | Uint8Array,
  maxLength = defaultMaxLength
): Effect.Effect<Uint8Array, ReceiveError | LineTooLong> => {
  if (!isCount(maxLength, 0)) return refuse("maxLength", maxLength, aCount(0))
  const mark = typeof delimiter === "string" ? encoder.encode(delimiter) : delimiter.slice()
  if (mark.length === 0) return refuse("delimiter", "", "at least one byte")
  return inbound.read((self): Effect.Effect<Uint8Array, LineTooLong> | undefined => {
    const { buffer } = self
    const end = buffer.indexOf(mark)
    if (end > maxLength || (end === -1 && buffer.size >= maxLength + mark.length)) return tooLong(self, maxLength)
    if (end === -1) return undefined
    const bytes = buffer.take(end)
    buffer.skip(mark.length)
    return Effect.succeed(bytes)
  }, maxLength + mark.length)
}
