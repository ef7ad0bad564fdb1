/**
 * Addresses (row S19): what is one, what is none, and that a text is never taken for another's mailbox.
 */
import { Address } from "@copas/clients"
import { Sampling } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import addressparser from "nodemailer/lib/addressparser"
import { addressParser as parseWithPostal } from "postal-mime"
import { expectLinear } from "../linear.js"

const runs = Sampling.runs({ short: 300, long: 5000 })
const parsed = (text: string): Address.Mailbox => Either.getOrThrow(Address.parse(text))
const refused = (text: string) => Either.getOrThrow(Either.flip(Address.parse(text)))

describe("addresses", () => {
  it.each([
    ["a@b.test", undefined, "a@b.test"],
    ["<a@b.test>", undefined, "a@b.test"],
    ["Ada Lovelace <ada@b.test>", "Ada Lovelace", "ada@b.test"],
    ["John Q. Public <j@b.test>", "John Q. Public", "j@b.test"],
    ["a.b <a.b@c.test>", "a.b", "a.b@c.test"],
    [`"Doe, Jane" <jane@b.test>`, "Doe, Jane", "jane@b.test"],
    [`"a \\"b\\" \\\\c" <x@b.test>`, `a "b" \\c`, "x@b.test"],
    ["=?utf-8?q?J=C3=B6rg?= <j@b.test>", "Jörg", "j@b.test"],
    [`"=?utf-8?q?J=C3=B6rg?=" <j@b.test>`, "=?utf-8?q?J=C3=B6rg?=", "j@b.test"],
    ["Jörg <j@b.test>", "Jörg", "j@b.test"],
    ["a (comment (nested) \\) x) @ (c) b.test (end)", undefined, "a@b.test"],
    ["a . b @ c . test", undefined, "a.b@c.test"],
    ["\t a@b.test ", undefined, "a@b.test"],
    ["a@[127.0.0.1]", undefined, "a@[127.0.0.1]"],
    ["a@[IPv6:::1]", undefined, "a@[IPv6:::1]"],
    ["<@relay.test,@other.test:a@b.test>", undefined, "a@b.test"],
    [`"a b"@c.test`, undefined, `"a b"@c.test`],
    [`"ab"@c.test`, undefined, "ab@c.test"],
    [`""@c.test`, undefined, `""@c.test`],
    [`a."b c".d@e.test`, undefined, `"a.b c.d"@e.test`],
    ["a_b@under_score.test", undefined, "a_b@under_score.test"],
    ["!#$%&'*+-/=?^_`{|}~@b.test", undefined, "!#$%&'*+-/=?^_`{|}~@b.test"],
    ["info@Bücher.test", undefined, "info@xn--bcher-kva.test"],
    ["a@localhost", undefined, "a@localhost"],
    ["a@0x7f.1", undefined, "a@0x7f.1"]
  ])("S19 %j is one mailbox", (text, name, address) => {
    const mailbox = parsed(text)
    expect([mailbox.name, mailbox.address]).toEqual([name, address])
    expect(mailbox.needsUtf8).toBe(false)
  })

  it("S19 #23 a local part that is not ASCII needs SMTPUTF8, a domain does not", () => {
    expect(parsed("用户@例子.test")).toMatchObject({
      needsUtf8: true,
      address: "用户@xn--fsqu00a.test",
      domain: "例子.test"
    })
  })

  it.each([
    ["", 0],
    ["a", 1],
    ["@b.test", 0],
    ["a@", 2],
    ["a b@c.test", 0],
    ["a..b@c.test", 0],
    [".a@b.test", 0],
    ["a@b..test", 2],
    ["a@b.test.", 2],
    ["a@-b.test", 2],
    ["a@b.test x", 2],
    ["a@b@c.test", 3],
    ["a@b.test, c@d.test", 8],
    ["<a@b.test", 9],
    ["a@b.test>", 8],
    [`"a@b.test`, 0],
    ["(a@b.test", 0],
    ["a@[1.2.3", 2],
    ["a@[1.2]", 2],
    ["friends: a@b.test;", 0],
    ["a@b_c%2Etest", 2],
    ["a@b。test", 2],
    ["a@℀.test", 2],
    [`${"x".repeat(257)}@b.test`, 0],
    [`a@${"x".repeat(64)}.test`, 2],
    [`a@${"x.".repeat(130)}test`, 2]
  ])("S19 %j is no mailbox: character %i", (text, offset) => {
    const error = refused(text)
    expect([error._tag, error.offset]).toEqual(["InvalidAddress", offset])
    expect(error.message).toContain("name@domain")
  })

  it("S19 #31 a control character anywhere in an address is refused, never removed", () => {
    for (let code = 0; code < 0xa0; code++) {
      if (code === 9 || code >= 32 && code < 127) continue
      const character = String.fromCharCode(code)
      for (
        const text of [
          `a${character}@b.test`,
          `a@b${character}.test`,
          `"a${character}"@b.test`,
          `"a\\${character}"@b.test`,
          `n${character} <a@b.test>`,
          `a@b.test (${character})`,
          `a@b.test${character}`,
          `a@[1.2.3.4${character}]`
        ]
      ) {
        expect(refused(text)._tag).toBe("InvalidAddress")
      }
      expect(Either.isLeft(Address.make({ name: `n${character}`, address: "a@b.test" }))).toBe(true)
      expect(Either.isLeft(Address.group(`n${character}`, []))).toBe(true)
    }
  })

  it("S19 #32 a quoted local part stays one, whatever it looks like", () => {
    const mailbox = parsed(`"<admin@a.test> ORCPT=rfc822;x"@b.test`)
    expect([mailbox.localPart, mailbox.domain]).toEqual(["<admin@a.test> ORCPT=rfc822;x", "b.test"])
    expect(mailbox.address).toBe(`"<admin@a.test> ORCPT=rfc822;x"@b.test`)
  })

  it.each([`"x@evil.test y" <a@b.test>`, `"x@evil.test"@b.test`, "(x@evil.test) a@b.test"])(
    "S19 #33 %s is a mailbox at b.test",
    (text) => {
      expect(parsed(text).domain).toBe("b.test")
    }
  )

  it("S19 a list has mailboxes, groups and empty places", () => {
    const list = Either.getOrThrow(
      Address.parseList(`, a@b.test,, "Team: A": c@d.test, inner: e@f.test;; ,Undisclosed recipients:;`)
    )
    expect(list.map(Address.format)).toEqual([
      "a@b.test",
      `"Team: A": c@d.test, e@f.test;`,
      "Undisclosed recipients:;"
    ])
    expect(Address.mailboxes(list).map((mailbox) => mailbox.address)).toEqual(["a@b.test", "c@d.test", "e@f.test"])
    expect(Either.getOrThrow(Address.parseList(""))).toEqual([])
  })

  it("S19 what is formatted is read back, by us and by others", () => {
    const names = FC.oneof(
      FC.string({ unit: "grapheme", maxLength: 40 }),
      FC.string({
        unit: FC.constantFrom("a", " ", ",", "\"", "\\", "<", "@", "é", "日", "=?utf-8?q?x?=", "(", "."),
        maxLength: 40
      })
    ).filter((name) => name !== "" && !/[^\t\P{Cc}]|\p{Cs}|[\u2028\u2029]/u.test(name))
    const locals = FC.string({
      unit: FC.constantFrom("a", "1", ".", " ", "\"", "\\", "@", "<", ">", ",", "(", "é"),
      minLength: 1,
      maxLength: 20
    })
    FC.assert(
      FC.property(names, locals, (name, local) => {
        const quoted = `"${local.replace(/[\\"]/g, "\\$&")}"@b.test`
        const mailbox = Either.getOrThrow(Address.make({ name, address: quoted }))
        expect([mailbox.name, mailbox.localPart, mailbox.domain]).toEqual([name, local, "b.test"])
        const text = Address.format(mailbox)
        const again = parsed(text)
        expect([again.name, again.address]).toEqual([name, mailbox.address])
        const list = Either.getOrThrow(Address.parseList(`${text}, ${text}`))
        expect(Address.mailboxes(list).map((one) => one.name)).toEqual([name, name])
      }),
      runs
    )
  })

  it.each(["Ada Lovelace <ada@b.test>", `"Doe, Jane" <jane@b.test>`, "a@b.test", "Team: a@b.test, c@d.test;"])(
    "S19 other libraries read %s alike",
    (text) => {
      const ours = Address.mailboxes(Either.getOrThrow(Address.parseList(text))).map((one) => one.address)
      expect(addressparser(text, { flatten: true }).map((one) => one.address)).toEqual(ours)
      expect(parseWithPostal(text, { flatten: true }).map((one) => one.address)).toEqual(ours)
    }
  )

  it.each([
    ["nested groups", (count: number) => "g:".repeat(count)],
    ["open comments", (count: number) => "(".repeat(count)],
    ["nested comments", (count: number) => "(".repeat(count / 2) + ")".repeat(count / 2) + "a@b.test"],
    ["many addresses", (count: number) => "a@b.test,".repeat(count / 9)],
    ["many words", (count: number) => "a ".repeat(count / 2)],
    ["many dots", (count: number) => "a.".repeat(count / 2)],
    ["an open quote", (count: number) => `"${"\\\"".repeat(count / 2)}`],
    ["open quotes after commas", (count: number) => `a@b.test,"\\",`.repeat(count / 13)],
    ["comments", (count: number) => "()".repeat(count / 2)],
    ["routes", (count: number) => `<${"@a,".repeat(count / 3)}`],
    ["encoded words", (count: number) => `${"=?utf-8?q?a?= ".repeat(count / 14)}<a@b.test>`]
  ])("S19 #34 a megabyte is read or refused in linear time: %s", (_, write) => {
    expectLinear((count) => {
      const text = write(count)
      Address.parseList(text)
    }, 500_000)
  })

  it("S19 #34 a list of more than a megabyte is refused", () => {
    const error = Either.getOrThrow(Either.flip(Address.parseList("a@b.test,".repeat(120_000))))
    expect(error.expected).toContain("1048576")
  })
})
