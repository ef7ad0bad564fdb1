/** Options of datagram sockets, and which sockets receive broadcasts and multicasts. */
import * as Effect from "effect/Effect"
import { format, type InetAddress } from "../../NetAddress.js"
import * as Udp from "../../Udp.js"
import { bound } from "./datagramSupport.js"
import { type Case, defect, failure, same, test, textOf } from "./support.js"

const group = "239.255.77.1"
const loopback = { interface: "127.0.0.1" }

export const cases: ReadonlyArray<Case> = [
  test(
    "S04 what is set on a datagram socket is read back",
    Effect.gen(function*() {
      const socket = yield* bound({ ttl: 9, broadcast: true, multicastTtl: 3, multicastLoop: false })
      same(yield* socket.getOption("ttl"), 9)
      same(yield* socket.getOption("broadcast"), true)
      same(yield* socket.getOption("multicastTtl"), 3)
      same(yield* socket.getOption("multicastLoop"), false)
      yield* socket.setOption("ttl", 17)
      same(yield* socket.getOption("ttl"), 17)
    })
  ),
  test(
    "S04 a value that makes no sense is an InvalidOption, when the socket is made and later",
    Effect.gen(function*() {
      const wrong = [
        { ttl: 0 },
        { ttl: 256 },
        { multicastTtl: -1 },
        { sendBufferSize: 0.5 },
        { multicastInterface: "eth0" },
        { maxQueued: 0 },
        { maxQueuedBytes: -1 },
        { timeouts: { receive: "nonsense" as "1 second" } }
      ]
      for (const options of wrong) yield* failure(Effect.scoped(bound(options)), "InvalidOption")
      const socket = yield* bound()
      same((yield* failure(socket.setOption("ttl", 1000), "InvalidOption")).option, "ttl")
    })
  ),
  test(
    "S04 an option that the platform cannot set is an UnsupportedOption, never dropped",
    Effect.gen(function*() {
      same((yield* failure(Effect.scoped(bound({ dontRoute: true })), "UnsupportedOption")).option, "dontRoute")
      same((yield* failure(Effect.scoped(bound({ bindToDevice: "lo" })), "UnsupportedOption")).option, "bindToDevice")
      const socket = yield* bound()
      yield* failure(socket.setOption("dontRoute", true), "UnsupportedOption")
      yield* failure(socket.getOption("bindToDevice"), "UnsupportedOption")
    })
  ),
  test(
    "S08 broadcasting wants the option, and says so",
    Effect.gen(function*() {
      const socket = yield* Udp.bind()
      const error = yield* failure(socket.sendTo("x", { host: "255.255.255.255", port: 9 }), "DatagramError")
      same(error.reason, "AccessDenied")
    })
  ),
  test(
    "S08 a member of a group hears what is sent to it until its scope ends",
    Effect.gen(function*() {
      const member = yield* Udp.bind({ host: "0.0.0.0" })
      const { port } = member.localAddress
      const sender = yield* Udp.bind({ host: "127.0.0.1", multicastInterface: "127.0.0.1", multicastTtl: 0 })
      const to = { host: group, port }
      yield* Effect.scoped(Effect.gen(function*() {
        yield* member.join(group, loopback)
        yield* sender.sendTo("to the group", to)
        same(textOf(yield* member.receive()), "to the group")
        const again = yield* failure(Effect.scoped(member.join(group, loopback)), "DatagramError")
        same([again.reason, again.operation, again.target], ["AddressInUse", "join", group])
      }))
      yield* sender.sendTo("not heard", to)
      yield* sender.sendTo("heard", { host: "127.0.0.1", port })
      same(textOf(yield* member.receive()), "heard")
      yield* Effect.scoped(member.join(group, loopback))
    })
  ),
  test(
    "S08 every socket that shares the port and joined hears a group",
    Effect.gen(function*() {
      const one = yield* Udp.bind({ host: "0.0.0.0", reuseAddress: true })
      const { port } = one.localAddress
      const two = yield* Udp.bind({ host: "0.0.0.0", port, reuseAddress: true })
      yield* one.join(group, loopback)
      yield* two.join(group, loopback)
      const sender = yield* bound({ multicastInterface: "127.0.0.1" })
      yield* sender.sendTo("to both", { host: group, port })
      same(textOf(yield* one.receive()), "to both")
      same(textOf(yield* two.receive()), "to both")
    })
  ),
  test(
    "S08 a source-specific membership hears its source alone",
    Effect.gen(function*() {
      const group = "232.1.1.7"
      const member = yield* Udp.bind({ host: "0.0.0.0" })
      const { port } = member.localAddress
      yield* member.join(group, { interface: "127.0.0.1", source: "127.0.0.1" })
      const other = yield* Udp.bind({ host: "127.0.0.2", multicastInterface: "127.0.0.1" })
      const source = yield* Udp.bind({ host: "127.0.0.1", multicastInterface: "127.0.0.1" })
      yield* other.sendTo("from elsewhere", { host: group, port })
      yield* source.sendTo("from the source", { host: group, port })
      same(textOf(yield* member.receive()), "from the source")
    })
  ),
  test(
    "S08 what is no group, source or interface is an InvalidOption, and an interface that is not here a DatagramError",
    Effect.gen(function*() {
      const socket = yield* bound()
      same((yield* failure(Effect.scoped(socket.join("127.0.0.1")), "InvalidOption")).option, "group")
      same((yield* failure(Effect.scoped(socket.join("ff02::1")), "InvalidOption")).option, "group")
      same((yield* failure(Effect.scoped(socket.join(group, { source: "x" })), "InvalidOption")).option, "source")
      same(
        (yield* failure(Effect.scoped(socket.join(group, { interface: "lo" })), "InvalidOption")).option,
        "interface"
      )
      const error = yield* failure(Effect.scoped(socket.join(group, { interface: "192.0.2.77" })), "DatagramError")
      same(error.reason, "AddressNotAvailable")
    })
  ),
  test(
    "C33 `permit` is asked about every address that a datagram is to go to: of a name, a numeric one, a sender, a peer",
    Effect.gen(function*() {
      const receiver = yield* bound()
      const { port } = receiver
      const asked: Array<string> = []
      let isPermitted = false
      const permit = (address: InetAddress): boolean => {
        asked.push(format(address))
        return isPermitted
      }
      const socket = yield* bound({ permit })
      yield* receiver.sendTo("hello", { host: "127.0.0.1", port: socket.port })
      const { from } = yield* socket.receiveFrom
      const target = `127.0.0.1:${port}`
      for (const host of ["127.0.0.1", "localhost"]) {
        same((yield* failure(socket.sendTo("x", { host, port }), "DatagramError")).reason, "NotPermitted", "to a host")
        same((yield* failure(socket.connect({ host, port }), "ConnectError")).reason, "NotPermitted", "the peer")
      }
      same((yield* failure(socket.sendTo("x", from), "DatagramError")).reason, "NotPermitted", "a reply")
      same((yield* failure(socket.offerTo("x", from), "DatagramError")).reason, "NotPermitted", "an offer")
      same(asked, [target, target, target, target, target, target], "what was asked")
      const options = { host: "127.0.0.1", port, permit }
      const refused = yield* failure(Effect.scoped(Udp.connect(options)), "ConnectError")
      same(refused.attempts, [{ address: target, reason: "NotPermitted" }], "what was refused")
      isPermitted = true
      yield* socket.sendTo("a reply", from)
      same(textOf(yield* receiver.receive()), "a reply", "the only datagram")
      const client = yield* Udp.connect(options)
      yield* client.send("from a client")
      same(textOf(yield* receiver.receive()), "from a client", "the next")
    })
  ),
  test(
    "C33 what `permit` throws is a defect of that call alone, and what is no boolean an InvalidOption",
    Effect.gen(function*() {
      const receiver = yield* bound()
      const to = { host: "127.0.0.1", port: receiver.port }
      const thrown = new Error("no list of addresses")
      const answers: Array<() => unknown> = [
        () => {
          throw thrown
        },
        () => "yes",
        () => Promise.resolve(true),
        () => true
      ]
      const socket = yield* bound({ permit: () => answers.shift()!() as boolean })
      same(yield* defect(socket.sendTo("x", to)), thrown, "the defect")
      for (let count = 0; count < 2; count += 1) {
        same((yield* failure(socket.sendTo("x", to), "InvalidOption")).option, "permit", "the option")
      }
      yield* socket.sendTo("permitted", to)
      same(textOf(yield* receiver.receive()), "permitted")
      same((yield* failure(Effect.scoped(bound({ permit: true as never })), "InvalidOption")).option, "permit")
    })
  )
]
