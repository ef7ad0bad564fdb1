/** The message of every error. */
import { Future, Lock, Semaphore, SocketError, TlsError, WorkQueue } from "@copas/core"
import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"

const partial = new Uint8Array(3)
const socket = "echo:client_1"

/** One of each, with numbers as a clock gives them. */
const messages: ReadonlyArray<readonly [error: Error, message: RegExp]> = [
  [
    new Lock.LockTimeout({ lock: "ledger", afterMillis: 20, waitedMillis: 22 }),
    /^ledger could not be acquired within 20 ms; .*raise `timeout`$/
  ],
  [new Lock.LockTimeout({ lock: "ledger", afterMillis: 0, waitedMillis: 0 }), /could not be acquired at once; /],
  [new Lock.LockTimeout({ lock: "ledger", afterMillis: 22.057607999999618, waitedMillis: 23 }), / within 22 ms; /],
  [new Lock.LockTimeout({ lock: "ledger", afterMillis: 0.2, waitedMillis: 1 }), / within 1 ms; /],
  [new Lock.LockDestroyed({ lock: "ledger", waitedMillis: 0 }), /was destroyed.*make a new lock$/],
  [new Lock.LockNotOwned({ lock: "ledger" }), /does not hold it; release it in the fiber that acquired it/],
  [
    new Semaphore.SemaphoreTimeout({ semaphore: "slots", requested: 1, afterMillis: 20 }),
    /^slots: 1 permit could not be taken within 20 ms; .*raise `timeout`$/
  ],
  [new Semaphore.SemaphoreTimeout({ semaphore: "slots", requested: 2, afterMillis: 20.4 }), /2 permits .* 20 ms; /],
  [new Semaphore.SemaphoreDestroyed({ semaphore: "slots" }), /was destroyed.*make a new semaphore$/],
  [
    new Semaphore.TooManyPermits({ semaphore: "slots", operation: "take", permits: 3, max: 2 }),
    /holds 2 permits at most, so 3 can never be taken at once; take fewer/
  ],
  [
    new Semaphore.TooManyPermits({ semaphore: "slots", operation: "give", permits: 3, max: 2 }),
    /is full now: of the 3 given, the rest was dropped/
  ],
  [
    new WorkQueue.QueueTimeout({ queue: "mails", operation: "pop", afterMillis: 20.1, size: 0, workers: 0 }),
    /^mails: no item came within 20 ms; push one, or raise `timeout`$/
  ],
  [
    new WorkQueue.QueueTimeout({ queue: "mails", operation: "finish", afterMillis: 20, size: 1, workers: 2 }),
    /not finished within 20 ms: 1 item and 2 workers are left; add workers, or raise `timeout`$/
  ],
  [new WorkQueue.QueueDestroyed({ queue: "mails", abandoned: 1 }), /was destroyed, and 1 item in it dropped; /],
  [new WorkQueue.QueueDestroyed({ queue: "mails", abandoned: 0 }), /has ended; make a new queue$/],
  [new Future.FutureCancelled({ future: "page" }), /add a new one with `Future.add`/],
  // A server's peer connects, not the server.
  [
    new SocketError.SocketBroken({ operation: "receive", socket, reason: "Reset", partial, bytesSent: 0 }),
    /broke during receive: Reset: the peer.* reset it; what was under way on it is lost, and a client may connect again$/
  ],
  [
    new SocketError.SocketTimeout({
      operation: "receive",
      socket,
      timeout: "receive",
      afterMillis: 20.0576,
      partial,
      bytesSent: 0
    }),
    /no byte moved for 20 ms; 3 bytes had come, and can still be read; raise `timeouts.receive` if the peer is only slow$/
  ],
  [
    new SocketError.SocketTimeout({
      operation: "receive",
      socket,
      timeout: "message",
      afterMillis: 20.0576,
      partial,
      bytesSent: 0
    }),
    /the message was not complete 20 ms after its first byte; 3 bytes had come, and can still be read; raise `timeouts.message` if/
  ],
  [
    new SocketError.SocketTimeout({
      operation: "send",
      socket,
      timeout: "send",
      afterMillis: 20,
      partial,
      bytesSent: 1
    }),
    /1 byte of it had been sent; raise `timeouts.send` if the peer is only slow$/
  ],
  [
    new SocketError.SocketClosed({ operation: "send", socket, by: "here", partial, bytesSent: 0 }),
    /send on a socket that was closed here, or shut down for sending; open a new one to continue$/
  ],
  [
    new SocketError.SocketClosed({ operation: "receive", socket, by: "here", partial, bytesSent: 0 }),
    /receive on a socket that was closed here; open a new one to continue$/
  ],
  [new SocketError.SocketClosed({ operation: "receive", socket, by: "peer", partial, bytesSent: 0 }), /after 3 bytes /],
  [new SocketError.LineTooLong({ socket, limit: 1 }), /within 1 byte; raise `maxLength`, or close the connection$/],
  [
    new SocketError.MessageTooLong({ operation: "receive", socket, limit: 10 }),
    /more than 10 bytes came before the peer finished; raise `maxBytes`, or read it in pieces with `receive`$/
  ],
  [
    new SocketError.MessageTooLong({ operation: "send", socket, limit: 65_507 }),
    /a datagram of more than 65507 bytes cannot be sent here; send less at a time$/
  ],
  [
    new SocketError.AcceptError({ reason: "TooManyOpenFiles", address: "127.0.0.1:7", count: 1, cause: undefined }),
    /Could not accept 1 connection on 127.0.0.1:7: .*raise `ulimit -n`$/
  ]
]

describe("a message says in plain words what happened, in round numbers, and what to do", () => {
  for (const [error, message] of messages) {
    it(`B ${error.name}: ${error.message}`, () => {
      expect(error.message).toMatch(message)
      expect(error.message).not.toMatch(/anew|not to be had|raise the bound|\(s\)|\d\.\d{3}|undefined|\[object/)
    })
  }
})

describe("every reason has an advice, and the advice fits the kind of address", () => {
  const cause = new Error("connect EL3HLT")
  const target = "/run/app.sock"

  const says = (error: Error & { readonly reason: string }): void => {
    if (error.reason === "Unknown") expect(error.message).toContain(`the system says "${cause.message}"`)
    expect(error.message).toMatch(new RegExp(`: ${error.reason}: \\w.{6,}`))
    expect(error.message).not.toMatch(/undefined|\[object|see the cause/)
  }

  it("S10 ConnectError and BindError of a host and port, of a datagram socket and of a path", () => {
    for (const transport of SocketError.TransportKind.literals) {
      const connects = SocketError.ConnectReason.literals.map((reason) =>
        new SocketError.ConnectError({ reason, target, transport, attempts: [], cause })
      )
      const binds = SocketError.BindReason.literals.map((reason) =>
        new SocketError.BindError({ reason, target, transport, cause })
      )
      for (const error of [...connects, ...binds]) {
        says(error)
        const isOfPorts = error.reason === "AddressInUse" || error.reason === "AddressNotAvailable"
        // The local port of a connection: no path has one.
        if (transport === "unix" && !(isOfPorts && error._tag === "ConnectError")) {
          expect(error.message).not.toMatch(/\bports?\b/)
        }
      }
    }
    expect(new SocketError.BindError({ reason: "AddressInUse", target: "127.0.0.1:53", transport: "udp" }).message)
      .toBe(
        "Could not bind 127.0.0.1:53: AddressInUse: another socket has the port; close it, or use another port "
          + "(0 lets the system choose)"
      )
  })

  it("S01 AcceptError, SocketBroken and DatagramError", () => {
    for (const reason of SocketError.AcceptReason.literals) {
      says(new SocketError.AcceptError({ reason, address: target, count: 2, cause }))
    }
    for (const reason of SocketError.BrokenReason.literals) {
      says(new SocketError.SocketBroken({ operation: "send", socket, reason, partial, bytesSent: 0, cause }))
    }
    for (const reason of SocketError.DatagramReason.literals) {
      for (const operation of ["send", "receive", "join", "connect"] as const) {
        says(new SocketError.DatagramError({ operation, socket, target, reason, cause }))
      }
    }
  })

  it("S08 a group that cannot be joined is not spoken of as a datagram", () => {
    const of = (operation: "join" | "send", reason: SocketError.DatagramReason): string =>
      new SocketError.DatagramError({ operation, socket, target: "239.1.1.1", reason }).message
    expect(of("join", "OutOfMemory")).not.toContain("send slower")
    expect(of("join", "AccessDenied")).not.toContain("broadcast")
    expect(of("join", "AddressInUse")).toContain("a member of the group already")
    expect(of("send", "AddressInUse")).not.toContain("group")
    expect(of("send", "Unknown")).toMatch(/: Unknown: the system gave no reason$/)
  })

  it("S01 an error that was encoded without its kind of address is of TCP", () => {
    const encoded = { _tag: "BindError", reason: "AddressInUse", target: "127.0.0.1:80" } as const
    expect(Schema.decodeSync(SocketError.BindError)(encoded).transport).toBe("tcp")
    const error = new SocketError.BindError({ reason: "NotASocket", target, transport: "unix" })
    expect(Schema.decodeSync(SocketError.BindError)(Schema.encodeSync(SocketError.BindError)(error))).toEqual(error)
  })

  it("T12 every reason of TLS says what happened and what to do, in one line", () => {
    const say = (fields: Omit<ConstructorParameters<typeof TlsError.TlsError>[0], "subject">): string =>
      new TlsError.TlsError({ subject: "mail.test:465", ...fields }).message
    for (const reason of TlsError.TlsReason.literals) {
      const message = say({ reason, code: "ERR_X" })
      expect(message).toMatch(/^mail\.test:465: TLS failed: \w+: [^\n]{20,}; [^\n]{15,} \[ERR_X\]$/)
      expect(message.length).toBeLessThan(260)
    }
    expect(say({ reason: "ChainTooLong", depth: 3 })).toMatch(/ChainTooLong \(3\): .* `maxDepth` allows; raise it/)
    expect(say({ reason: "BadMaterial", part: "key", detail: "`identity.key` is undefined", code: "ERR_X" })).toBe(
      "mail.test:465: BadMaterial (key): `identity.key` is undefined"
    )
  })
})
