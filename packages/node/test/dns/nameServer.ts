/** A name server whose answers a test decides. */
import { Udp } from "@copas/core"
import type { DatagramSocket } from "@copas/core"
import { NodeDns, NodeNet } from "@copas/node"
import { Effect } from "effect"

/** RFC 1035, section 4.1.1. */
export const codes = { noError: 0, formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4, refused: 5 }

/** The name that a query asks about: section 4.1.2. */
const nameIn = (query: Uint8Array): string => {
  const labels: Array<string> = []
  for (let at = 12; query[at] !== 0 && at < query.length; at += query[at]! + 1) {
    labels.push(Buffer.from(query.subarray(at + 1, at + 1 + query[at]!)).toString("latin1"))
  }
  return labels.join(".")
}

/** The type of the record that a query asks for. */
export const types = { A: 1, PTR: 12, AAAA: 28 }
const typeIn = (query: Uint8Array): number => {
  const end = 12 + nameIn(query).length + 2
  return query[end]! * 256 + query[end + 1]!
}

/** IPv4, or IPv6 with all its eight groups. */
const bytesOf = (address: string): ReadonlyArray<number> =>
  address.includes(":")
    ? address.split(":").flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255])
    : address.split(".").map(Number)

const reply = (query: Uint8Array, code: number, address: string | undefined): Uint8Array => {
  const end = 12 + nameIn(query).length + 2 + 4
  const answer = Buffer.from(query.subarray(0, end))
  answer[2] = 0x84 | (answer[2]! & 1)
  answer[3] = 0x80 | code
  answer.writeUInt16BE(address === undefined ? 0 : 1, 6)
  answer.writeUInt32BE(0, 8)
  if (address === undefined) return answer
  const data = bytesOf(address)
  // The name by reference, the type, class IN, 60 seconds, the address.
  const record = [0xc0, 12, 0, data.length === 4 ? types.A : types.AAAA, 0, 1, 0, 0, 0, 60, 0, data.length, ...data]
  return Buffer.concat([answer, Buffer.from(record)])
}

/** Serves what `answer` says of a name: a code, an address, bytes as they stand, or nothing at all. */
export const nameServer = (
  answer: (name: string, type: number) => number | string | Uint8Array | undefined
) =>
  Effect.gen(function*() {
    const socket: DatagramSocket.DatagramSocket = yield* Udp.bind({ host: "127.0.0.1" })
    const asked: Array<string> = []
    const serve = Effect.flatMap(socket.receiveFrom, ({ data, from }) => {
      const name = nameIn(data)
      asked.push(name)
      const said = answer(name, typeIn(data))
      if (said === undefined) return Effect.void
      if (said instanceof Uint8Array) return socket.sendTo(Buffer.concat([data.subarray(0, 2), said]), from)
      return socket.sendTo(typeof said === "string" ? reply(data, 0, said) : reply(data, said, undefined), from)
    })
    yield* Effect.forkScoped(Effect.ignore(Effect.forever(serve)))
    return { address: `127.0.0.1:${socket.port}`, asked }
  })

/** What the program finds with that name server alone. */
export const asking = <A, E, R>(
  answer: Parameters<typeof nameServer>[0],
  program: (asked: ReadonlyArray<string>) => Effect.Effect<A, E, R>,
  options: NodeDns.Options = {}
) =>
  Effect.gen(function*() {
    const { address, asked } = yield* nameServer(answer)
    return yield* Effect.provide(
      program(asked),
      NodeDns.layerWith({ timeout: "2 seconds", tries: 1, ...options, servers: [address] })
    )
  }).pipe(Effect.scoped, Effect.provide(NodeNet.layer))

// ---- records of any type

/** A part of a name, or a text of a record, behind its length. */
export const label = (text: string): ReadonlyArray<number> => [text.length, ...Buffer.from(text)]
/** A name as it is sent: RFC 1035, section 3.1. */
export const encoded = (name: string): ReadonlyArray<number> => [...name.split(".").flatMap(label), 0]
/** A number of 16 bits. */
export const short = (value: number): ReadonlyArray<number> => [value >> 8, value & 255]

/** A server that answers every question with one record of the given type and data; RFC 1035, section 4.1.3. */
export const records = (type: number, ...data: ReadonlyArray<ReadonlyArray<number>>) =>
  Effect.gen(function*() {
    const socket: DatagramSocket.DatagramSocket = yield* Udp.bind({ host: "127.0.0.1" })
    const serve = Effect.flatMap(socket.receiveFrom, ({ data: query, from }) => {
      const end = query.indexOf(0, 12) + 5
      const answers = data.flatMap((one) => [0xc0, 12, ...short(type), 0, 1, 0, 0, 0, 60, ...short(one.length), ...one])
      const head = [query[0]!, query[1]!, 0x84 | (query[2]! & 1), 0x80, 0, 1, ...short(data.length), 0, 0, 0, 0]
      return socket.sendTo(new Uint8Array([...head, ...query.subarray(12, end), ...answers]), from)
    })
    yield* Effect.forkScoped(Effect.ignore(Effect.forever(serve)))
    return `127.0.0.1:${socket.port}`
  })
