/** The race of the addresses of a name (RFC 8305, section 5). */
import * as NetAddress from "@copas/core/NetAddress"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { connecting, left, network, settle } from "./happyEyeballsNetwork.js"

it.effect("S01 the next address is tried 250 ms after the one before, families in turns (RFC 8305)", () =>
  Effect.gen(function*() {
    const { attempts, net, tried } = network("::1", "::2", "10.0.0.1", "10.0.0.2", "10.0.0.3")
    const fiber = yield* connecting(net)
    expect(tried()).toEqual(["::1"])
    yield* TestClock.adjust("249 millis")
    expect(tried()).toEqual(["::1"])
    yield* TestClock.adjust("1 millis")
    expect(tried()).toEqual(["::1", "10.0.0.1"])
    yield* TestClock.adjust("1 seconds")
    expect(tried()).toEqual(["::1", "10.0.0.1", "::2", "10.0.0.2", "10.0.0.3"])
    attempts[2]!.succeed()
    const exit = yield* Fiber.join(fiber)
    expect(Exit.isSuccess(exit) && NetAddress.format(exit.value.remoteAddress)).toBe("[::2]:1")
    yield* settle
    expect(attempts.map(({ isCut }) => isCut)).toEqual([true, true, true, true, true])
    expect(yield* left(net)).toBe(0)
  }))

it.effect("S01 a failed attempt starts the next one at once, and the last failure ends it with every reason", () =>
  Effect.gen(function*() {
    const { attempts, net, tried } = network("::1", "10.0.0.1")
    const fiber = yield* connecting(net)
    attempts[0]!.fail("Unreachable")
    expect(tried()).toEqual(["::1", "10.0.0.1"])
    attempts[1]!.fail("Refused")
    const error = yield* Effect.flip(Effect.flatten(Fiber.join(fiber)))
    expect(error).toMatchObject({
      _tag: "ConnectError",
      reason: "Unreachable",
      target: "a.test:1",
      attempts: [{ address: "[::1]:1", reason: "Unreachable" }, { address: "10.0.0.1:1", reason: "Refused" }]
    })
    expect(error.message).toContain("[::1]:1: Unreachable, 10.0.0.1:1: Refused")
    expect(yield* left(net)).toBe(0)
  }))

it.effect("S01 a dead address that answers nothing delays by 250 ms and no more", () =>
  Effect.gen(function*() {
    const { attempts, net } = network("::1", "127.0.0.1")
    const fiber = yield* connecting(net)
    yield* TestClock.adjust("250 millis")
    attempts[1]!.succeed()
    expect(Exit.isSuccess(yield* Fiber.join(fiber))).toBe(true)
    yield* settle
    expect(attempts[0]!.isCut).toBe(true)
    expect(yield* left(net)).toBe(0)
  }))

it.effect("S01 once an attempt has won no other one starts, though earlier ones fail afterwards", () =>
  Effect.gen(function*() {
    const { attempts, net, tried } = network("10.0.0.1", "10.0.0.2", "10.0.0.3")
    const fiber = yield* connecting(net)
    yield* TestClock.adjust("250 millis")
    attempts[1]!.succeed()
    attempts[0]!.fail("Refused")
    expect(Exit.isSuccess(yield* Fiber.join(fiber))).toBe(true)
    yield* TestClock.adjust("10 seconds")
    expect(tried()).toEqual(["10.0.0.1", "10.0.0.2"])
    expect(yield* left(net)).toBe(0)
  }))

it.effect("S01 interrupting connect cuts every attempt, and none starts afterwards", () =>
  Effect.gen(function*() {
    const { attempts, net, tried } = network("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
    const fiber = yield* connecting(net)
    yield* TestClock.adjust("250 millis")
    // The second one fails just while the first one is being cut.
    attempts[0]!.onCut = () => attempts[1]!.fail("Refused")
    yield* Fiber.interrupt(fiber)
    yield* TestClock.adjust("10 seconds")
    expect(tried()).toEqual(["10.0.0.1", "10.0.0.2"])
    expect(attempts.map(({ isCut }) => isCut)).toEqual([true, true])
    expect(yield* left(net)).toBe(0)
  }))

it.effect("C17 the connect time-out is for all attempts together, and cuts them", () =>
  Effect.gen(function*() {
    const { attempts, net } = network("10.0.0.1", "10.0.0.2")
    const fiber = yield* connecting(net, { timeouts: { connect: "5 seconds" } })
    yield* TestClock.adjust("4999 millis")
    expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
    yield* TestClock.adjust("1 millis")
    const error = yield* Effect.flip(Effect.flatten(Fiber.join(fiber)))
    expect(error).toMatchObject({ _tag: "ConnectError", reason: "TimedOut" })
    expect(error.message).toContain("no answer came in time")
    expect(attempts.map(({ isCut }) => isCut)).toEqual([true, true])
    expect(yield* left(net)).toBe(0)
  }))

it.effect("S01 a name without any address is HostNotFound, for connect and for listen", () =>
  Effect.gen(function*() {
    const { net } = network()
    const error = yield* Effect.flip(Effect.scoped(net.connect({ host: "a.test", port: 1 })))
    expect(error).toMatchObject({ _tag: "ConnectError", reason: "HostNotFound" })
    const bind = yield* Effect.flip(Effect.scoped(net.listen({ host: "a.test", port: 1 })))
    expect(bind).toMatchObject({ _tag: "BindError", reason: "HostNotFound" })
  }))

it.effect("C33 an address that is not permitted is passed over at once, and is among the attempts", () =>
  Effect.gen(function*() {
    const { attempts, net, tried } = network("::1", "10.0.0.1", "::2", "192.0.2.1")
    const fiber = yield* connecting(net, {
      permit: (address) => address._tag === "InetAddress" && !["::1", "10.0.0.1", "192.0.2.1"].includes(address.host)
    })
    expect(tried()).toEqual(["::2"])
    attempts[0]!.fail("Refused")
    const error = yield* Effect.flip(Effect.flatten(Fiber.join(fiber)))
    // What was tried says more than what was not.
    expect(error).toMatchObject({
      reason: "Refused",
      attempts: [
        { address: "[::1]:1", reason: "NotPermitted" },
        { address: "10.0.0.1:1", reason: "NotPermitted" },
        { address: "[::2]:1", reason: "Refused" },
        { address: "192.0.2.1:1", reason: "NotPermitted" }
      ]
    })
    expect(yield* left(net)).toBe(0)
  }))

it.effect("C33 each address is asked about just before its turn, and one that wins before it spares the others", () =>
  Effect.gen(function*() {
    const { attempts, net } = network("::1", "10.0.0.1", "10.0.0.2")
    const asked: Array<string> = []
    const fiber = yield* connecting(net, { permit: (address) => asked.push(NetAddress.format(address)) > 0 })
    expect(asked).toEqual(["[::1]:1"])
    yield* TestClock.adjust("250 millis")
    expect(asked).toEqual(["[::1]:1", "10.0.0.1:1"])
    attempts[1]!.succeed()
    expect(Exit.isSuccess(yield* Fiber.join(fiber))).toBe(true)
    expect(asked).toEqual(["[::1]:1", "10.0.0.1:1"])
  }))

it.effect("C33 a `permit` that throws in the middle of a race ends that connect and cuts its attempts", () =>
  Effect.gen(function*() {
    const { attempts, net } = network("::1", "10.0.0.1")
    const thrown = new Error("no list of addresses")
    const fiber = yield* connecting(net, {
      permit: (address) => {
        if (NetAddress.format(address) === "10.0.0.1:1") throw thrown
        return true
      }
    })
    // A timer asks, outside of any fiber.
    yield* TestClock.adjust("250 millis")
    const exit = yield* Effect.exit(Effect.flatten(Fiber.join(fiber)))
    expect(exit).toEqual(Exit.die(thrown))
    expect(attempts.map(({ isCut }) => isCut)).toEqual([true])
    expect(yield* left(net)).toBe(0)
  }))
