/** The pure parts of the SMTP pool: its rate, and when it opens how many connections. */
import { ConnectError, type ConnectReason, SocketTimeout } from "@copas/core/SocketError"
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import { SmtpError } from "../../src/index.js"
import { BackOff, type Counts, type Kind, kindOf } from "../../src/internal/smtp/pool/backOff.js"
import { Rate } from "../../src/internal/smtp/pool/rate.js"
import type { ConnectFailure } from "../../src/SmtpSession.js"

describe("the rate of an SMTP pool", () => {
  it("C35 in no stretch of its time do more messages begin, and none waits longer than it must", () => {
    const calls = FC.array(FC.record({ after: FC.nat(40), isTakenBack: FC.boolean() }), { maxLength: 60 })
    FC.assert(
      FC.property(calls, FC.integer({ min: 1, max: 5 }), FC.integer({ min: 1, max: 50 }), (calls, messages, per) => {
        const rate = new Rate(messages, per)
        const begun: Array<number> = []
        let now = 0
        for (const { after, isTakenBack } of calls) {
          now = Math.max(now + after, rate.nextAt(now + after))
          const recent = begun.filter((at) => at > now - per)
          expect(recent.length).toBeLessThan(messages)
          rate.begin(now)
          if (isTakenBack) rate.takeBack(now)
          else begun.push(now)
          const isFull = begun.filter((at) => at > now - per).length >= messages
          expect(rate.nextAt(now) > now).toBe(isFull)
        }
      }),
      Sampling.runs({ short: 100, long: 1000 })
    )
  })

  it("C35 a long run keeps no more than the window", () => {
    const rate = new Rate(2, 10)
    for (let now = 0; now < 100_000; now = rate.nextAt(now)) rate.begin(now)
    expect(JSON.stringify(rate).length).toBeLessThan(30_000)
  })

  it("C35 without a rate a message may always begin", () => {
    const rate = new Rate(Infinity, 0)
    rate.begin(5)
    expect(rate.nextAt(5)).toBe(5)
  })
})

const options = { size: 8, backOffMillis: 60_000, isSerial: false }
const none = { open: 0, opening: 0 }

describe("the back-off of an SMTP pool", () => {
  it("C35 the first connection is opened alone, the others at once, or one by one if they log in", () => {
    for (const isSerial of [false, true]) {
      const backOff = new BackOff({ ...options, isSerial })
      expect(backOff.mayOpen(none, 0)).toBe(true)
      expect(backOff.mayOpen({ open: 0, opening: 1 }, 0)).toBe(false)
      expect(backOff.mayOpen({ open: 1, opening: 0 }, 0)).toBe(true)
      expect(backOff.mayOpen({ open: 1, opening: 1 }, 0)).toBe(!isSerial)
      expect(backOff.mayOpen({ open: 7, opening: 1 }, 0)).toBe(false)
    }
  })

  it("C35 #30 after a refusal there are as many as are open, then one more is tried after pauses that grow", () => {
    const backOff = new BackOff(options)
    let now = 0
    for (const pause of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
      expect(backOff.isProof({ open: 3, opening: 0 })).toBe(now > 0)
      expect(backOff.failed("Busy", { open: 3, opening: 0 }, now)).toBe(false)
      expect(backOff.mayOpen({ open: 3, opening: 0 }, now + pause - 1)).toBe(false)
      expect(backOff.mayOpen({ open: 2, opening: 0 }, now + pause - 1)).toBe(true)
      now += pause
      expect(backOff.mayOpen({ open: 3, opening: 0 }, now)).toBe(true)
      expect(backOff.mayOpen({ open: 3, opening: 1 }, now)).toBe(false)
    }
    backOff.proved(4)
    expect(backOff.most(now)).toBe(5)
    backOff.failed("Busy", { open: 4, opening: 0 }, now)
    expect(backOff.resumeAt).toBe(now + 1000)
  })

  const server = { protocol: "smtp", server: "mx:25", command: "AUTH ****", lines: ["no"] } as const
  const connectError = (reason: ConnectReason) => new ConnectError({ reason, target: "mx:25", attempts: [] })
  const timeout = { operation: "receive", timeout: "receive", socket: "mx", afterMillis: 1, bytesSent: 0 } as const

  it.each<readonly [Kind, ConnectFailure]>([
    ["Busy", new SmtpError.ServiceUnavailable({ ...server, code: 421 })],
    ["Busy", new SmtpError.AuthenticationFailed({ ...server, phase: "auth", code: 432, mechanism: "PLAIN" })],
    ["Login", new SmtpError.AuthenticationFailed({ ...server, phase: "auth", code: 535, mechanism: "PLAIN" })],
    ["Login", new SmtpError.AuthenticationFailed({ ...server, phase: "auth", code: 235, mechanism: "SCRAM-SHA-256" })],
    ["Busy", new SmtpError.SmtpReplyError({ ...server, phase: "greeting", code: 450 })],
    ["Wrong", new SmtpError.SmtpReplyError({ ...server, phase: "greeting", code: 554 })],
    ["Busy", new SmtpError.SessionClosed({ protocol: "smtp", server: "mx:25", why: "gone" })],
    ["Busy", connectError("Refused")],
    ["Busy", connectError("Unreachable")],
    ["Silent", connectError("TimedOut")],
    ["Wrong", connectError("HostNotFound")],
    ["Silent", new SocketTimeout({ ...timeout, partial: new Uint8Array() })],
    ["Wrong", new SmtpError.TlsRequired({ protocol: "smtp", server: "mx:25", lines: [] })]
  ])("C35 what a failure to connect says about the next one: %s, %s", (kind, error) => {
    expect(kindOf(error)).toBe(kind)
  })

  it("C35 connections that fail together are one failure", () => {
    const backOff = new BackOff(options)
    for (let others = 4; others >= 0; others -= 1) backOff.failed("Busy", { open: 3, opening: others }, 10)
    expect(backOff.resumeAt).toBe(1010)
  })

  it.each<readonly [Kind, number]>([["Busy", 3], ["Silent", 1], ["Wrong", 1], ["Login", 1]])(
    "C35 #48 with none open, callers that wait fail after some tries: %s, %i",
    (kind, tries) => {
      const backOff = new BackOff(options)
      let now = 0
      for (let number = 1; number <= tries + 2; number += 1) {
        expect(backOff.failed(kind, none, now)).toBe(number >= tries)
        expect(backOff.mayOpen(none, backOff.resumeAt - 1)).toBe(false)
        now = backOff.resumeAt
      }
    }
  )

  it("C35 a refused log-in fails all callers that wait, also while others are open, and is not tried before the whole pause", () => {
    const backOff = new BackOff(options)
    expect(backOff.failed("Login", { open: 3, opening: 0 }, 0)).toBe(true)
    expect([backOff.isLocked(59_999), backOff.isLocked(60_000)]).toEqual([true, false])
    for (const open of [0, 1, 2, 3]) {
      const counts = { open, opening: 0 }
      expect([backOff.mayOpen(counts, 59_999), backOff.mayOpen(counts, 60_000)]).toEqual([false, true])
    }
  })

  it("C35 whatever happens, no more than `size` are open, and it always comes to a next try", () => {
    const happening = FC.record({
      what: FC.constantFrom<Kind | "Opened" | "Proved">("Busy", "Silent", "Wrong", "Login", "Opened", "Proved"),
      after: FC.nat(70_000)
    })
    FC.assert(
      FC.property(FC.array(happening, { maxLength: 80 }), FC.integer({ min: 1, max: 6 }), FC.boolean(), (
        happenings,
        size,
        isSerial
      ) => {
        const backOff = new BackOff({ size, backOffMillis: 60_000, isSerial })
        const counts: { -readonly [K in keyof Counts]: number } = { open: 0, opening: 0 }
        let now = 0
        for (const { after, what } of happenings) {
          now += after
          while (backOff.mayOpen(counts, now)) counts.opening += 1
          expect(counts.open + counts.opening).toBeLessThanOrEqual(size)
          if (what === "Proved") backOff.proved(counts.open)
          else if (counts.opening > 0) {
            counts.opening -= 1
            if (what === "Opened") counts.open += 1
            else backOff.failed(what, counts, now)
          } else if (counts.open > 0) counts.open -= 1
          expect(backOff.resumeAt).toBeLessThanOrEqual(now + 60_000)
        }
        const later = Math.max(now, backOff.resumeAt)
        expect(counts.opening > 0 || counts.open > 0 || backOff.mayOpen(counts, later)).toBe(true)
      }),
      Sampling.runs({ short: 100, long: 1000 })
    )
  })
})
