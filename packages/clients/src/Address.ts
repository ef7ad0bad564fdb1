/**
 * Mail addresses (RFC 5321, section 4.1.2; RFC 5322, section 3.4): an address is checked when it is made or parsed, and is
 * valid from then on.
 *
 * No address is repaired. A text that is not an address, or that contains a control character, is an `InvalidAddress`,
 * which says where the fault is. A quoted local part is never taken apart, whatever it looks like.
 *
 * @example
 * ```ts
 * import { Address } from "@copas/clients"
 * import { Either } from "effect"
 *
 * const ada = Either.getOrThrow(Address.parse("Ada Lovelace <ada@example.test>"))
 * console.log(ada.name, ada.address) // Ada Lovelace ada@example.test
 *
 * const bücher = Either.getOrThrow(Address.make({ name: "Bücher, GmbH", address: "info@bücher.test" }))
 * console.log(bücher.address) // info@xn--bcher-kva.test
 * console.log(Address.format(bücher)) // =?UTF-8?Q?B=C3=BCcher=2C_GmbH?= <info@xn--bcher-kva.test>
 * ```
 *
 * @since 0.2.0
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as grammar from "./internal/mime/addressGrammar.js"
import { toAscii } from "./internal/mime/domain.js"
import * as phrase from "./internal/mime/phrase.js"
import type { Fault } from "./internal/mime/transducer.js"
import * as Text from "./internal/text/bytes.js"
import { InvalidAddress } from "./MessageError.js"

/**
 * Marks an `Address`: `isAddress` looks for it.
 *
 * @since 0.2.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("@copas/clients/Address")

/**
 * The type of `TypeId`.
 *
 * @since 0.2.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * One mailbox.
 *
 * @since 0.2.0
 * @category models
 */
export interface Mailbox {
  readonly [TypeId]: TypeId
  readonly _tag: "Mailbox"
  /** The name that mail readers show in place of the address. */
  readonly name: string | undefined
  /** The part before the "@", without quotes. */
  readonly localPart: string
  /** The domain as it was given: a name in any script, or an address literal in brackets. */
  readonly domain: string
  /** As it goes over the wire: the local part quoted where it must be, the domain in ASCII. */
  readonly address: string
  /** Whether the local part is not ASCII, so that only a server with SMTPUTF8 (RFC 6531) can take it. */
  readonly needsUtf8: boolean
}

/**
 * A name for several mailboxes, or for none: `undisclosed-recipients:;`.
 *
 * @since 0.2.0
 * @category models
 */
export interface Group {
  readonly [TypeId]: TypeId
  readonly _tag: "Group"
  readonly name: string
  readonly members: ReadonlyArray<Mailbox>
}

/**
 * One entry of a list of addresses: a mailbox, or a named group of them (RFC 5322, section 3.4).
 *
 * @since 0.2.0
 * @category models
 */
export type Address = Mailbox | Group

/**
 * The forms of an address that every call accepts: a text is parsed, as by `parse`.
 *
 * @since 0.2.0
 * @category models
 */
export type Input = string | Mailbox | MailboxOptions

/**
 * The options of `mailbox`.
 *
 * @since 0.2.0
 * @category models
 */
export interface MailboxOptions {
  readonly name?: string | undefined
  /** `local@domain`. */
  readonly address: string
}

/**
 * True if `value` is an `Address`.
 *
 * @since 0.2.0
 * @category guards
 */
export const isAddress = (value: unknown): value is Address => Predicate.hasProperty(value, TypeId)

/** RFC 5321, section 4.5.3.1.1, says 64; addresses for bounces are longer, and servers take them. */
const longestLocalPart = 256
/** Of a list, in characters. */
const longestList = 1 << 20

const utf8 = new TextEncoder()

const invalid = (where: string, text: string, offset: number, expected: string) =>
  Either.left(new InvalidAddress({ where, address: Text.show(text, 80), offset, expected }))

const mailbox = (
  parsed: grammar.ParsedMailbox,
  where: string,
  text: string
): Either.Either<Mailbox, InvalidAddress> => {
  const domain = toAscii(parsed.domain)
  if (domain === undefined) return invalid(where, text, Math.max(0, text.lastIndexOf(parsed.domain)), "a domain")
  if (utf8.encode(parsed.localPart).length > longestLocalPart) {
    return invalid(where, text, 0, `a local part of at most ${longestLocalPart} bytes`)
  }
  const localPart = grammar.isDotAtom(parsed.localPart) ? parsed.localPart : phrase.quote(parsed.localPart)
  return Either.right({
    [TypeId]: TypeId,
    ...parsed,
    name: parsed.name === "" ? undefined : parsed.name,
    address: `${localPart}@${domain}`,
    needsUtf8: !phrase.isAscii(localPart)
  })
}

const isFault = (parsed: object): parsed is Fault => "expected" in parsed

/**
 * Makes a mailbox of an address and a name. The name is taken as it is: nothing in it is an address or an encoded word.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (
  options: MailboxOptions,
  where = "address"
): Either.Either<Mailbox, InvalidAddress> =>
  Either.flatMap(parse(options.address, where), (parsed) => {
    if (parsed.name !== undefined) return invalid(where, options.address, 0, "`local@domain` alone, beside `name`")
    const name = options.name === "" ? undefined : options.name
    const at = name === undefined ? -1 : grammar.controlIn(name)
    return at === -1
      ? Either.right({ ...parsed, name })
      : invalid(`${where}.name`, name!, at, "no control character and no half of a character")
  })

/**
 * Parses one mailbox: `ada@example.test` or `Ada Lovelace <ada@example.test>`, with quoted local parts, comments,
 * address literals, encoded words in the name, and non-ASCII characters anywhere (RFC 6532). Linear in the text's length.
 *
 * @since 0.2.0
 * @category constructors
 */
export const parse = (text: string, where = "address"): Either.Either<Mailbox, InvalidAddress> => {
  const parsed = grammar.parse(text)
  return isFault(parsed)
    ? invalid(where, text, parsed.offset, parsed.expected)
    : mailbox(parsed, where, text)
}

/**
 * Parses mailboxes and groups with commas between them. A group within a group is flattened, deeper ones are refused. A
 * list has at most 1 MiB characters.
 *
 * @since 0.2.0
 * @category constructors
 */
export const parseList = (
  text: string,
  where = "addresses"
): Either.Either<ReadonlyArray<Address>, InvalidAddress> => {
  if (text.length > longestList) return invalid(where, text, longestList, `a list of at most ${longestList} characters`)
  const parsed = grammar.parseList(text)
  if (isFault(parsed)) return invalid(where, text, parsed.offset, parsed.expected)
  const addresses: Array<Address> = []
  for (const item of parsed) {
    const members: Array<Mailbox> = []
    for (const one of item._tag === "Group" ? item.members : [item]) {
      const made = mailbox(one, where, `${one.localPart}@${one.domain}`)
      if (Either.isLeft(made)) return Either.left(made.left)
      members.push(made.right)
    }
    if (item._tag === "Mailbox") addresses.push(members[0]!)
    else addresses.push({ [TypeId]: TypeId, _tag: "Group", name: item.name, members })
  }
  return Either.right(addresses)
}

/**
 * Makes a mailbox of whatever may stand for one.
 *
 * @since 0.2.0
 * @category constructors
 */
export const from = (input: Input, where = "address"): Either.Either<Mailbox, InvalidAddress> =>
  typeof input === "string" ? parse(input, where) : isAddress(input) ? Either.right(input) : make(input, where)

/**
 * Makes a group.
 *
 * @since 0.2.0
 * @category constructors
 */
export const group = (
  name: string,
  members: ReadonlyArray<Mailbox>
): Either.Either<Group, InvalidAddress> => {
  const at = grammar.controlIn(name)
  if (at !== -1) return invalid("group", name, at, "no control character and no half of a character")
  if (name.trim() === "") return invalid("group", name, 0, "a name")
  return Either.right({ [TypeId]: TypeId, _tag: "Group", name, members })
}

/**
 * The mailboxes of a list, those of its groups among them.
 *
 * @since 0.2.0
 * @category getters
 */
export const mailboxes = (addresses: ReadonlyArray<Address>): ReadonlyArray<Mailbox> =>
  addresses.flatMap((address) => address._tag === "Group" ? address.members : [address])

/**
 * An address as it stands in a header field, in one line: the name as it is, quoted or in encoded words. `parse` and
 * `parseList` read it back.
 *
 * @since 0.2.0
 * @category conversions
 */
export const format = (address: Address): string =>
  address._tag === "Mailbox"
    ? address.name === undefined ? address.address : `${phrase.encode(address.name).join(" ")} <${address.address}>`
    : `${phrase.encode(address.name).join(" ")}:${address.members.map((member) => ` ${format(member)}`).join(",")};`
