/**
 * The grammar of addresses (RFC 5322, section 3.4, with its obsolete forms and RFC 6532's characters), in one pass.
 *
 * Comments and white space may stand between any two tokens. Nothing is taken apart twice: what a quoted string holds is
 * text, whatever it looks like.
 */
import * as encodedWord from "./encodedWord.js"
import type { Fault } from "./transducer.js"

export interface ParsedMailbox {
  readonly _tag: "Mailbox"
  readonly name: string | undefined
  /** Without its quotes. */
  readonly localPart: string
  readonly domain: string
}

export interface ParsedGroup {
  readonly _tag: "Group"
  readonly name: string
  readonly members: ReadonlyArray<ParsedMailbox>
}

/** RFC 5322 has groups of mailboxes alone; a group within a group has been seen, and one is flattened. */
const deepestGroup = 2

/** RFC 5322, section 3.2.3, and RFC 6532, section 3.2. */
const atom = /[!#$%&'*+\-/=?^_`{|}~A-Za-z0-9\u0080-\u{10ffff}]+/uy
const quoted = /"((?:[^"\\]|\\[^])*)"/y
const literal = /\[([!-Z^-~\t ]*)\]/y
const control = /[^\t\P{Cc}]|\p{Cs}|[\u2028\u2029]/u

export const isDotAtom = (text: string): boolean =>
  /^[!#$%&'*+\-/=?^_`{|}~A-Za-z0-9\u0080-\u{10ffff}]+(?:\.[!#$%&'*+\-/=?^_`{|}~A-Za-z0-9\u0080-\u{10ffff}]+)*$/u.test(
    text
  )

interface Word {
  readonly text: string
  readonly kind: "atom" | "quoted" | "dot"
  /** White space or a comment stands before it. */
  readonly isApart: boolean
}

/** Where no address may have a control character, a line separator or half a character, or -1. */
export const controlIn = (text: string): number => text.search(control)

/** A fault leaves the parser by this, and nothing else does. */
class Stop {
  readonly fault: Fault
  constructor(fault: Fault) {
    this.fault = fault
  }
}

class Parser {
  readonly text: string
  position = 0

  constructor(text: string) {
    this.text = text
  }

  fail(expected: string): never {
    throw new Stop({
      offset: this.position,
      expected,
      got: this.position >= this.text.length
        ? "the end"
        : JSON.stringify(this.text.slice(this.position, this.position + 20))
    })
  }

  peek(): string {
    return this.text.charAt(this.position)
  }

  /** Skips white space and comments, however deep these are nested. */
  skip(): void {
    let depth = 0
    const start = this.position
    for (; this.position < this.text.length; this.position++) {
      const character = this.text[this.position]!
      if (character === "(") depth++
      else if (depth > 0) {
        if (character === ")") depth--
        else if (character === "\\") this.position++
      } else if (character !== " " && character !== "\t") return
    }
    if (depth > 0) {
      this.position = start
      this.fail("a comment that is closed")
    }
  }

  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position
    const found = pattern.exec(this.text)
    if (found === null) return undefined
    this.position = pattern.lastIndex
    return found[1] ?? found[0]
  }

  eat(character: string, expected = `"${character}"`): void {
    if (this.peek() !== character) this.fail(expected)
    this.position++
    this.skip()
  }

  /** Words and dots as they come, for a name or a local part; which of them it is shows behind it. */
  words(): Array<Word> {
    const words: Array<Word> = []
    for (;;) {
      const before = this.position
      this.skip()
      const isApart = this.position > before
      if (this.peek() === ".") {
        this.position++
        words.push({ text: ".", kind: "dot", isApart })
        continue
      }
      if (this.peek() === "\"") {
        const text = this.match(quoted)
        if (text === undefined) this.fail("a quoted string that is closed")
        words.push({ text: text.replace(/\\([^])/g, "$1"), kind: "quoted", isApart })
        continue
      }
      const text = this.match(atom)
      if (text === undefined) return words
      words.push({ text, kind: "atom", isApart })
    }
  }

  /** Words with a dot between each two. */
  localPart(words: ReadonlyArray<Word>, start: number): string {
    const isOne = words.length % 2 === 1 && words.every((word, index) => (word.kind === "dot") === (index % 2 === 1))
    if (!isOne) {
      this.position = start
      this.fail(words.length === 0 ? "a local part" : "one local part: words with a dot between each two")
    }
    return words.map((word) => word.text).join("")
  }

  domain(): string {
    this.skip()
    if (this.peek() === "[") {
      const text = this.match(literal)
      if (text === undefined) this.fail("an address literal that is closed")
      this.skip()
      return `[${text}]`
    }
    const start = this.position
    const words = this.words()
    const isOne = words.length % 2 === 1 &&
      words.every((word, index) => word.kind === (index % 2 === 1 ? "dot" : "atom"))
    if (!isOne) {
      this.position = start
      this.fail("a domain")
    }
    return words.map((word) => word.text).join("")
  }

  /** What stands between "<" and ">". A route (RFC 5322, section 4.4) is read over. */
  angle(name: string | undefined): ParsedMailbox {
    this.eat("<")
    if (this.peek() === "@") {
      do {
        this.eat("@")
        this.domain()
        while (this.peek() === ",") this.eat(",")
      } while (this.peek() === "@")
      this.eat(":")
    }
    const start = this.position
    const localPart = this.localPart(this.words(), start)
    this.eat("@")
    const domain = this.domain()
    this.eat(">")
    return { _tag: "Mailbox", name, localPart, domain }
  }

  /** Encoded words count between atoms alone: what stands in quotes is no encoded word. */
  name(words: ReadonlyArray<Word>): string {
    let text = ""
    let atoms = ""
    for (const word of words) {
      const space = word.isApart && (text !== "" || atoms !== "") ? " " : ""
      if (word.kind === "quoted") {
        text += encodedWord.decode(atoms) + space + word.text
        atoms = ""
      } else {
        atoms += space + word.text
      }
    }
    return text + encodedWord.decode(atoms)
  }

  address(depth: number): ParsedMailbox | ParsedGroup {
    this.skip()
    const start = this.position
    const words = this.words()
    if (this.peek() === "<") return this.angle(words.length === 0 ? undefined : this.name(words))
    if (this.peek() === "@") {
      const localPart = this.localPart(words, start)
      this.eat("@")
      return { _tag: "Mailbox", name: undefined, localPart, domain: this.domain() }
    }
    if (this.peek() === ":" && words.length > 0) {
      if (depth === deepestGroup) this.fail(`groups at most ${deepestGroup} deep`)
      this.eat(":")
      const members = this.list(";", depth + 1).flatMap((member) => member._tag === "Group" ? member.members : [member])
      this.eat(";")
      return { _tag: "Group", name: this.name(words), members }
    }
    return this.fail(words.length === 0 ? "an address" : `"@" and a domain`)
  }

  /** Addresses with commas between them, up to `end`. Empty places between commas count nothing. */
  list(end: string, depth: number): Array<ParsedMailbox | ParsedGroup> {
    const addresses: Array<ParsedMailbox | ParsedGroup> = []
    this.skip()
    while (this.peek() !== end) {
      if (this.peek() !== ",") {
        addresses.push(this.address(depth))
        if (this.peek() !== end && this.peek() !== ",") this.fail(`"," or the end of the address`)
      }
      if (this.peek() === ",") this.eat(",")
    }
    return addresses
  }
}

const run = <A>(text: string, read: (parser: Parser) => A): A | Fault => {
  const at = controlIn(text)
  if (at !== -1) {
    return { offset: at, expected: "no control character and no half of a character", got: JSON.stringify(text[at]) }
  }
  const parser = new Parser(text)
  try {
    const result = read(parser)
    if (parser.position < text.length) parser.fail("the end of the address")
    return result
  } catch (error) {
    if (error instanceof Stop) return error.fault
    throw error
  }
}

/** One mailbox. */
export const parse = (text: string): ParsedMailbox | Fault =>
  run(text, (parser) => {
    const address = parser.address(0)
    if (address._tag === "Mailbox") return address
    parser.position = 0
    return parser.fail("one mailbox, not a group")
  })

/** Mailboxes and groups with commas between them. */
export const parseList = (text: string): ReadonlyArray<ParsedMailbox | ParsedGroup> | Fault =>
  run(text, (parser) => parser.list("", 0))
