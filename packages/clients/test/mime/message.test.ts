/**
 * Messages (row S19): the tree, the fields and the bodies, as three other libraries read them.
 */
import { Message, SmtpError } from "@copas/clients"
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { bytes, parts, readBy, text } from "./readers.js"

const make = <E = never, R = never>(options: Message.MessageOptions<E, R>) => Either.getOrThrow(Message.make(options))
const refusal = (options: Partial<Message.MessageOptions>) =>
  Either.getOrThrow(Either.flip(Message.make({ from: "a@b.test", to: "c@d.test", ...options })))
const base = { from: "a@b.test", to: "c@d.test" }
const png = Uint8Array.from({ length: 300 }, (_, index) => index)

describe("what readers see", () => {
  it.effect("S19 #44 text, html, an inline image and a pdf: each has its place", () =>
    Effect.gen(function*() {
      const message = make({
        ...base,
        text: "plain",
        html: "<img src=\"cid:logo\">",
        inline: [{ contentId: "logo", filename: "logo.png", content: png }],
        attachments: [{ filename: "a.pdf", content: Stream.make(png), size: 300 }]
      })
      const whole = yield* bytes(message)
      expect(parts(text(whole))).toEqual([
        "multipart/mixed",
        " multipart/alternative",
        "  text/plain",
        "  multipart/related",
        "   text/html",
        "   image/png",
        " application/pdf"
      ])
      expect(text(whole)).toContain("Content-ID: <logo>\r\n")
      for (const read of yield* readBy(whole)) {
        expect([read.text.trim(), read.html.trim()]).toEqual(["plain", "<img src=\"cid:logo\">"])
        expect(read.attachments).toEqual([
          { filename: "logo.png", type: "image/png", content: [...png] },
          { filename: "a.pdf", type: "application/pdf", content: [...png] }
        ])
      }
    }))

  it.each<[string, Partial<Message.MessageOptions>, ReadonlyArray<string>]>([
    ["nothing", {}, ["text/plain"]],
    ["text", { text: "a" }, ["text/plain"]],
    ["html", { html: "a" }, ["text/html"]],
    ["both", { text: "a", html: "b" }, ["multipart/alternative", " text/plain", " text/html"]],
    ["an attachment alone", { attachments: [{ content: "a", filename: "a.csv" }] }, ["text/csv"]],
    ["two attachments", { attachments: [{ content: "a" }, { content: "b" }] }, [
      "multipart/mixed",
      " application/octet-stream",
      " application/octet-stream"
    ]],
    ["an image without html", { text: "a", inline: [{ content: png, contentId: "x", type: "image/gif" }] }, [
      "multipart/mixed",
      " text/plain",
      " image/gif"
    ]],
    ["other forms", { text: "a", alternatives: [{ type: "text/x-amp-html", content: "b" }], html: "c" }, [
      "multipart/alternative",
      " text/plain",
      " text/x-amp-html",
      " text/html"
    ]],
    ["an invitation", { text: "a", html: "b", calendar: { content: "METHOD:REQUEST" } }, [
      "multipart/alternative",
      " text/plain",
      " text/html",
      " text/calendar"
    ]],
    ["an invitation that is attached", { text: "a", calendar: { content: "METHOD:REQUEST", filename: "i.ics" } }, [
      "multipart/mixed",
      " multipart/alternative",
      "  text/plain",
      "  text/calendar",
      " text/calendar"
    ]]
  ])("S19 a level stands only where one is needed: %s", (_, options, tree) => {
    expect(parts(text(Effect.runSync(bytes(make({ ...base, ...options })))))).toEqual(tree)
  })

  it.effect("S19 a deep tree is sent as it was made", () =>
    Effect.gen(function*() {
      const leaf = (content: string) => Either.getOrThrow(Message.part({ type: "text/plain", content }))
      const tree = Either.getOrThrow(Message.multipart("mixed", [
        leaf("one"),
        Either.getOrThrow(
          Message.multipart("digest", [leaf("two"), Message.rawPart("Content-Type: text/x-ready\r\n\r\nthree")])
        )
      ]))
      const whole = text(yield* bytes(make({ ...base, content: tree })))
      expect(parts(whole)).toEqual([
        "multipart/mixed",
        " text/plain",
        " multipart/digest",
        "  text/plain",
        "  text/x-ready"
      ])
      expect(whole).toContain("\r\nContent-Type: text/x-ready\r\n\r\nthree\r\n--")
    }))

  it.effect("S19 three readers give back what was given", () =>
    Effect.gen(function*() {
      const strings = FC.string({
        unit: FC.constantFrom(
          "a",
          " ",
          "é",
          "日",
          "😀",
          "=?utf-8?q?x?=",
          "_",
          "=",
          ".",
          ",",
          "\"",
          "\\",
          "x".repeat(30)
        ),
        maxLength: 60
      })
      const bodies = FC.string({
        unit: FC.constantFrom("a", " ", "é", "\n", ".", "=", "\t", "--", "x".repeat(500), "From "),
        maxLength: 60
      })
      yield* Effect.promise(() =>
        FC.assert(
          FC.asyncProperty(strings, bodies, strings, (subject, body, name) =>
            Effect.gen(function*() {
              // mailparser decodes encoded words even in RFC 2231's values, where they are none.
              const filename = `${name.trim().replaceAll("=?", "")}.bin`
              const message = make({
                from: { name: "é, x", address: "a@b.test" },
                to: [{ name: name.trim(), address: "c@d.test" }],
                subject,
                text: body,
                attachments: [{ filename, content: bytesOf(body) }]
              })
              const whole = yield* bytes(message)
              expect(text(whole)).toMatch(/^(?:[\t\x20-\x7e]{0,998}\r\n)+$/)
              expect(Message.size(message)).toEqual(Option.some(whole.length))
              for (const read of yield* readBy(whole)) {
                expect(read.subject).toBe(subject.trim() === "" ? read.subject : subject)
                // Readers add a line end at the end, or take one.
                expect(read.text.replace(/\r\n/g, "\n").replace(/\n+$/, "")).toBe(body.replace(/\n+$/, ""))
                expect(read.from).toEqual({ name: "é, x", address: "a@b.test" })
                expect(read.attachments).toEqual([{
                  filename,
                  type: "application/octet-stream",
                  content: [...bytesOf(body)]
                }])
              }
            }).pipe(Effect.runPromise)),
          Sampling.runs({ short: 40, long: 1500 })
        )
      )
    }))

  it.effect("S19 #36 file names are read back", () =>
    Effect.gen(function*() {
      for (
        const filename of [
          `Prüfbericht "Q1"; größe 日本.pdf`,
          `${"n".repeat(300)}.pdf`,
          "日".repeat(100),
          "a\\b.txt",
          "a;b=c.txt"
        ]
      ) {
        const whole = yield* bytes(make({ ...base, text: "x", attachments: [{ filename, content: "a" }] }))
        for (const read of yield* readBy(whole)) expect(read.attachments[0]!.filename).toBe(filename)
      }
    }))
})

const bytesOf = (body: string): Uint8Array => new TextEncoder().encode(body)

describe("bodies", () => {
  it.each([
    ["ascii", "7bit"],
    ["dots\n.\n..", "7bit"],
    ["café au lait, and more of it", "quoted-printable"],
    ["日本語".repeat(20), "base64"],
    ["x".repeat(3000), "quoted-printable"],
    ["-- \nname", "quoted-printable"],
    ["a\0b and some more of it", "quoted-printable"],
    ["--=_0000", "quoted-printable"]
  ])("S19 #40, #41 %j goes out as %s", (content, encoding) => {
    const whole = text(Effect.runSync(bytes(make({ ...base, text: content }))))
    expect(/Content-Transfer-Encoding: (\S+)/.exec(whole)![1]).toBe(encoding)
    for (const line of whole.split("\r\n")) expect(line.length).toBeLessThanOrEqual(998)
  })

  it("S19 #40 a word of 3,000 in a field is encoded, and refused where it may not be", () => {
    const whole = text(
      Effect.runSync(bytes(make({ ...base, subject: "w".repeat(3000), headers: { "X-A": "w".repeat(3000) } })))
    )
    for (const line of whole.split("\r\n")) expect(line.length).toBeLessThanOrEqual(78)
    expect(refusal({ headers: { "Resent-Message-ID": "w".repeat(3000) } })).toMatchObject({ _tag: "InvalidMessage" })
  })

  it("S19 #45 a message within a message is not encoded", () => {
    const eight = "Subject: ü\r\n\r\nü\r\n"
    const whole = text(
      Effect.runSync(bytes(make({ ...base, text: "x", attachments: [{ type: "message/rfc822", content: eight }] })))
    )
    expect(whole).toContain(`Content-Transfer-Encoding: 8bit\r\n\r\n${String.fromCharCode(...bytesOf(eight))}`)
    expect(whole).toMatch(/Content-Type: multipart\/mixed;[^]*?\r\nContent-Transfer-Encoding: 8bit/)
    expect(refusal({ attachments: [{ type: "message/rfc822", content: "x".repeat(999) }] }).message).toContain("998")
  })

  it("S19 #46 content that holds a boundary never breaks the tree", () => {
    FC.assert(
      FC.property(FC.integer({ min: 0, max: 5 }), (count) => {
        const raw = `Content-Type: text/plain\r\n\r\n--=_${"0".repeat(32)}_000${count}\r\n`
        const whole = Message.multipart("mixed", [Message.rawPart(raw), Message.rawPart(raw)])
        const seen = text(Effect.runSync(bytes(make({ ...base, content: Either.getOrThrow(whole) })).pipe(withZeros)))
        const boundary = /boundary="([^"]+)"/.exec(seen)![1]!
        expect(raw).not.toContain(boundary)
        expect(seen.split(`--${boundary}`).length).toBe(4)
      })
    )
  })

  it.effect("S19 a stream that gives other than its size fails, and says what it gave", () =>
    Effect.gen(function*() {
      for (const size of [0, 2, 4, 1000]) {
        const message = make({
          ...base,
          attachments: [{ content: Stream.make(Uint8Array.of(1, 2), Uint8Array.of(3)), size, filename: "x" }]
        })
        const error = yield* Effect.flip(bytes(message))
        expect(error).toBeInstanceOf(SmtpError.MessageChanged)
        expect(error).toHaveProperty("where", "attachments[0]")
        expect(error.message).toContain(`${size} bytes`)
      }
    }))

  it.effect("S19 a message may be encoded several times, and runs its streams each time", () =>
    Effect.gen(function*() {
      let runs = 0
      const content = Stream.suspend(() => {
        runs++
        return Stream.make(png)
      })
      const message = make({ ...base, messageId: "a@b", date: 0, attachments: [{ content }] })
      const first = text(yield* bytes(message))
      expect(first).toContain("Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <a@b>\r\n")
      expect(text(yield* bytes(message)).length).toBe(first.length)
      expect(runs).toBe(2)
      expect(Message.size(message)).toEqual(Option.none())
    }))

  it("S19 #43 an invitation says its method, and not another", () => {
    const whole = text(
      Effect.runSync(bytes(make({ ...base, calendar: { content: "BEGIN:VCALENDAR\nMETHOD:REQUEST\n" } })))
    )
    expect(whole).toContain("Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n")
    expect(refusal({ calendar: { content: "METHOD:REQUEST", method: "CANCEL" } })).toMatchObject({
      where: "calendar.method"
    })
  })

  it("S19 a ready-made message goes out as it is, except for line ends", () => {
    const message = Either.getOrThrow(
      Message.raw("Message-ID: <x@y>\nSubject: s\n\n.\n", { envelope: { from: "<>", to: "c@d.test" } })
    )
    expect([message.envelope.from, message.messageId]).toEqual(["<>", Option.some("<x@y>")])
    expect(text(Effect.runSync(bytes(message)))).toBe("Message-ID: <x@y>\r\nSubject: s\r\n\r\n.\r\n")
    const wrong = Message.raw("ü", { envelope: { from: "<>", to: "c@d.test" }, body: "7bit" })
    expect(Either.isLeft(wrong)).toBe(true)
  })
})

describe("fields", () => {
  it("S19 #38 Bcc is in the envelope alone, given as an option or as a field", () => {
    const message = make({ ...base, cc: "e@f.test, c@d.test", bcc: "g@h.test", headers: { bCC: "i@j.test" } })
    expect(message.envelope.to.map((mailbox) => mailbox.address)).toEqual([
      "c@d.test",
      "e@f.test",
      "g@h.test",
      "i@j.test"
    ])
    expect(text(Effect.runSync(bytes(message)))).not.toMatch(/g@h|i@j|bcc/i)
  })

  it.each(["Date", "Message-ID", "Subject", "Content-Type", "From", "SENDER", "MIME-Version", "List-Unsubscribe"])(
    "S19 #39 %s among the custom fields is refused, and the error says what to use",
    (name) => {
      const error = refusal({ headers: { [name]: "x" } })
      expect([error._tag, error.where]).toEqual(["InvalidMessage", `headers: ${name}`])
      expect(error.message).toMatch(/use `[\w.]+`/)
    }
  )

  it("S19 #31 a control character in any text that reaches a field is refused", () => {
    for (const bad of ["\r\nX: y", "\n", "\0", "\x7f", "\x1b", "\u0085"]) {
      const cases: ReadonlyArray<Partial<Message.MessageOptions>> = [
        { subject: `a${bad}` },
        { from: `a${bad}@b.test` },
        { to: { name: `n${bad}`, address: "c@d.test" } },
        { cc: `"${bad}" <c@d.test>` },
        { replyTo: `a@b.test${bad}` },
        { headers: { [`X${bad}`]: "y" } },
        { headers: { "X-A": `y${bad}` } },
        { headers: { "List-X": `y${bad}` } },
        { messageId: `a${bad}@b` },
        { inReplyTo: `a${bad}@b` },
        { references: [`a@b${bad}`] },
        { list: { id: `a${bad}` } },
        { list: { help: `https://a${bad}` } },
        { attachments: [{ content: "", filename: `a${bad}` }] },
        { attachments: [{ content: "", type: `text/plain${bad}` }] },
        { attachments: [{ content: "", type: `text/plain; a="${bad}"` }] },
        { attachments: [{ content: "", description: `a${bad}` }] },
        { inline: [{ content: "", contentId: `a${bad}` }] },
        { alternatives: [{ content: "", type: `text/x${bad}` }] },
        { calendar: { content: "", method: `A${bad}` } },
        { calendar: { content: "", filename: `A${bad}` } }
      ]
      for (const options of cases) {
        expect(refusal(options)).toHaveProperty("_tag", expect.stringMatching(/^Invalid(Message|Address)$/))
      }
      expect(Either.isLeft(Message.multipart(`mixed${bad}`, [Message.rawPart("")]))).toBe(true)
      expect(Either.isLeft(Message.multipart("mixed", [Message.rawPart("")], { parameters: { a: bad } }))).toBe(true)
      expect(Either.isLeft(Message.part({ type: "text/plain", content: "", filename: bad }))).toBe(true)
    }
  })

  it.each<[string, Partial<Message.MessageOptions>, string]>([
    ["no author", { from: [] }, "from"],
    ["a group as author", { from: "x: a@b.test;" }, "from"],
    ["authors without a sender", { from: ["a@b.test", "c@d.test"] }, "sender"],
    ["a date that is none", { date: new Date(NaN) }, "date"],
    ["a message id that is none", { messageId: "nope" }, "messageId"],
    ["an image that nothing can refer to", { html: "", inline: [{ content: "" }] }, "inline[0].contentId"],
    ["content beside text", { text: "", content: Message.rawPart("") }, "text"],
    ["one click without a URL", { list: { unsubscribe: "mailto:a@b.test", oneClick: true } }, "list.oneClick"],
    ["a size that is none", { attachments: [{ content: Stream.empty, size: -1 }] }, "attachments[0].size"],
    [
      "another charset",
      { alternatives: [{ type: "text/plain; charset=latin1", content: "" }] },
      "alternatives[0].type"
    ],
    ["a multipart type", { attachments: [{ type: "multipart/mixed", content: "" }] }, "attachments[0].type"]
  ])("S19 %s is refused, with its place", (_, options, where) => {
    const error = refusal(options)
    expect([error._tag, error.where.replace(/^alternatives\[0\]$/, "alternatives[0].type")]).toEqual([
      "InvalidMessage",
      where
    ])
  })

  it("S19 a tree is at most 64 deep and has at most 10,000 parts", () => {
    let part = Message.rawPart("")
    const nest = () => Message.multipart("mixed", [part])
    for (let depth = 1; depth < 64; depth++) part = Either.getOrThrow(nest())
    expect(Either.getOrThrow(Either.flip(nest())).message).toContain("64")
    const many = Message.multipart("mixed", Array.from({ length: 10_000 }, () => Message.rawPart("")))
    expect(Either.getOrThrow(Either.flip(many)).message).toContain("10000")
  })

  it("S19 #23 an address that ASCII has no form for is no address in a message for every server", () => {
    const whole = text(Effect.runSync(bytes(make({ from: "ä@b.test", to: "c@bücher.test" }))))
    expect(whole).toContain("From: =?UTF-8?B?w6RAYi50ZXN0?=:;\r\nTo: c@xn--bcher-kva.test\r\n")
  })

  it("S19 priority, list and reply fields are written in their grammar", () => {
    const whole = text(Effect.runSync(bytes(make({
      ...base,
      replyTo: "Team: a@b.test, c@d.test;",
      priority: "high",
      autoSubmitted: "auto-generated",
      inReplyTo: "a@b",
      references: "<a@b> <c@d>",
      list: { id: "news.b.test", unsubscribe: ["https://b.test/u", "mailto:u@b.test"], oneClick: true }
    }))))
    for (
      const line of [
        "Reply-To: Team: a@b.test, c@d.test;",
        "X-Priority: 1",
        "Importance: high",
        "Auto-Submitted: auto-generated",
        "In-Reply-To: <a@b>",
        "References: <a@b> <c@d>",
        "List-Id: <news.b.test>",
        "List-Unsubscribe: <https://b.test/u>, <mailto:u@b.test>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
      ]
    ) expect(whole).toContain(`\r\n${line}\r\n`)
  })
})

/** Chance that gives nothing but zeros: every id is the same. */
const withZeros = Effect.withRandomFixed([0])
