/** The ledger by itself: no reply is ever another command's. */
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import * as Command from "../../src/internal/replies/command.js"
import * as Ledger from "../../src/internal/replies/ledger.js"
import type { Reply } from "../../src/internal/replies/reply.js"

const make = () => new Ledger.Ledger({ protocol: "smtp", server: "mx:25" })
const reply = (code: number, line = ""): Reply => ({ code, lines: [line], rawLines: [] })
const command = (verb: string, expectation?: Ledger.Expectation) => Ledger.exchange(Command.make(verb), expectation)
const codeOf = (exchange: Ledger.Exchange) => exchange.final?.code

describe("the ledger", () => {
  it("C35 the replies to a group go to its commands in order, whatever they say", () => {
    const ledger = make()
    const group = [command("MAIL"), command("RCPT"), command("RCPT"), command("DATA")]
    expect(ledger.submit(group)).toBeUndefined()
    expect(ledger.owed).toBe(4)
    ledger.arrive([reply(250), reply(550), reply(250), reply(354)])
    expect(ledger.isQuiet).toBe(false)
    expect(ledger.enterAll()).toBeUndefined()
    expect(group.map(codeOf)).toEqual([250, 550, 250, 354])
    expect(ledger.isQuiet).toBe(true)
  })

  it.each([334, 354, 250, 450, 550])("C35 %i is the last reply to its command", (code) => {
    const ledger = make()
    const [first, second] = [command("AUTH"), command("NOOP")]
    ledger.submit([first, second])
    expect(ledger.enter(reply(code))).toBeUndefined()
    expect([codeOf(first), codeOf(second)]).toEqual([code, undefined])
  })

  it("C34 a preliminary reply leaves its command open, and only a number of them come", () => {
    const ledger = make()
    const retr = command("RETR")
    ledger.submit([retr])
    for (let count = 0; count < 16; count++) expect(ledger.enter(reply(150, String(count)))).toBeUndefined()
    expect(retr).toMatchObject({ preliminary: { lines: ["0"] }, final: undefined })
    expect(ledger.enter(reply(150))).toMatchObject({ what: "preliminary replies do not end" })
  })

  it("C35 a reply that its command cannot have is a ProtocolViolation, and nobody's", () => {
    const ledger = make()
    const group = [
      command("RCPT", { accepts: (code) => code !== 354 }),
      command("DATA", { accepts: (code) => code === 354 || code >= 400 })
    ]
    ledger.submit(group)
    expect(ledger.enter(reply(354, "Go ahead"))).toMatchObject({
      _tag: "ProtocolViolation",
      protocol: "smtp",
      server: "mx:25",
      what: "the reply to RCPT is another command's",
      received: "354 Go ahead"
    })
    expect(group.map(codeOf)).toEqual([undefined, undefined])
  })

  it("C34 a command may let another one pass, which its replies do not end", () => {
    const ledger = make()
    const yields: Ledger.Expectation["yields"] = (reply, later, self) =>
      self.preliminary !== undefined && reply.code === 200 && later.command.verb === "NOOP"
    const [transfer, other, noop] = [command("RETR", { yields }), command("PWD"), command("NOOP")]
    ledger.submit([transfer, other, noop])
    ledger.arrive([reply(150), reply(200), reply(226), reply(257)])
    expect(ledger.enterAll()).toBeUndefined()
    expect([transfer, other, noop].map(codeOf)).toEqual([226, 257, 200])
  })

  it("C35 421 ends the session, whatever it answers, and names the command without its secrets", () => {
    for (const owed of [[], [command("DATA")], [Ledger.exchange(Command.continuation("AUTH", "hunter2"))]]) {
      const ledger = make()
      ledger.submit(owed)
      const problem = ledger.enter(reply(421, "Bye"))
      expect(problem).toMatchObject({ _tag: "ServiceUnavailable", protocol: "smtp", code: 421, lines: ["Bye"] })
      expect(problem?.message).not.toContain("hunter2")
    }
  })

  it("C35 what came before a command went out is not its reply, and then none of the group is entered", () => {
    const ledger = make()
    ledger.submit([command("NOOP")])
    ledger.arrive([reply(250), reply(250, "too much")])
    const group = [command("MAIL"), command("RCPT")]
    expect(ledger.submit(group)).toMatchObject({ what: "a reply came that nobody asked for", received: "250 too much" })
    expect(ledger.owed).toBe(0)
    expect(group.map(codeOf)).toEqual([undefined, undefined])
  })

  it("C35 the last reply is told at once, also when nobody waits for it any more", () => {
    const ledger = make()
    const told: Array<number> = []
    ledger.submit([command("RSET", { onFinal: ({ code }) => told.push(code) })])
    ledger.enter(reply(250))
    expect(told).toEqual([250])
  })

  it("C35 as many replies may wait as are owed, and a thousand more; not more", () => {
    const ledger = make()
    ledger.submit(Array.from({ length: 5000 }, () => command("RCPT")))
    expect(ledger.arrive(Array.from({ length: 6000 }, () => reply(250)))).toBeUndefined()
    expect(ledger.arrive([reply(250)])).toMatchObject({ what: "replies come that nobody asked for" })
  })

  it("C35 a late or surplus reply is never another command's", () => {
    // Each step: so many commands go out, so many of the replies come, some of them are entered, one more comes.
    const step = FC.record({
      sent: FC.integer({ min: 0, max: 4 }),
      answered: FC.integer({ min: 0, max: 6 }),
      entered: FC.integer({ min: 0, max: 6 }),
      surplus: FC.boolean()
    })
    FC.assert(
      FC.property(FC.array(step, { maxLength: 12 }), (steps) => {
        const ledger = make()
        const exchanges: Array<Ledger.Exchange> = []
        let answered = 0
        for (const { entered, sent, surplus, ...step } of steps) {
          const group = Array.from({ length: sent }, () => command("NOOP"))
          if (ledger.submit(group) !== undefined) {
            // It ends here: none of the group has a reply, now or ever.
            expect(group.every(({ final }) => final === undefined)).toBe(true)
            break
          }
          exchanges.push(...group)
          for (let count = 0; count < step.answered && answered < exchanges.length; count++) {
            ledger.arrive([reply(250, String(answered++))])
          }
          for (let count = 0; count < entered; count++) {
            const next = ledger.take()
            if (next !== undefined && ledger.enter(next) !== undefined) return
          }
          // One that comes while all have been answered is nobody's.
          if (surplus && answered === exchanges.length) ledger.arrive([reply(250, "surplus")])
        }
        ledger.enterAll()
        for (const [index, { final }] of exchanges.entries()) {
          if (final !== undefined) expect(final.lines).toEqual([String(index)])
        }
      }),
      Sampling.runs({ short: 200, long: 1000 })
    )
  })
})
