/**
 * The arguments of MAIL, RCPT, EHLO and BDAT: paths and parameters, checked as their RFCs say.
 */
import * as Bytes from "../../../internal/text/bytes.js"
import type { Parameters } from "../../SmtpServer.js"

/** A refusal, as a reply. */
export class Refusal {
  readonly reply: string
  constructor(reply: string) {
    this.reply = reply
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const isAscii = (text: string): boolean => !/[^\0-\x7f]/.test(text)

/** Text of a line's bytes; `undefined` where they are not UTF-8. */
export const textOf = (binary: string): string | undefined => {
  if (isAscii(binary)) return binary
  try {
    return strict.decode(Bytes.fromBinary(binary))
  } catch {
    return undefined
  }
}

const atom = "[A-Za-z0-9!#$%&'*+\\-/=?^_`{|}~\\u0080-\\u{10ffff}]+"
const quoted = "\"(?:[ !#-\\[\\]-~\\u0080-\\u{10ffff}]|\\\\[ -~])*\""
const label = "[A-Za-z0-9_\\u0080-\\u{10ffff}](?:[A-Za-z0-9_\\-\\u0080-\\u{10ffff}]*[A-Za-z0-9_\\u0080-\\u{10ffff}])?"
const literal = "\\[(?:\\d{1,3}(?:\\.\\d{1,3}){3}|[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+)\\]"
const domain = `(?:${label}(?:\\.${label})*|${literal})`
const mailbox = `(?:${atom}(?:\\.${atom})*|${quoted})@${domain}`
/** RFC 5321, section 4.1.2. A source route is taken, and ignored. */
const path = new RegExp(`^<(?:@${domain}(?:,@${domain})*:)?(${mailbox}|postmaster)?>(?= |$)`, "iu")
const clientName = new RegExp(`^${domain}$`, "u")

/** RFC 5321, section 4.1.1.1; RFC 6531, section 3.7.1 has names in A-labels. */
export const isClientName = (name: string): boolean => isAscii(name) && clientName.test(name)

/** RFC 3461, section 4. */
const xtext = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/

export const fromXtext = (text: string): string =>
  text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

interface Rule {
  /** The extension that has it, and others that must be there too. */
  readonly extensions: ReadonlyArray<string>
  readonly isValid: (value: string) => boolean
}

const none = (value: string): boolean => value === ""

const mailRules: { readonly [keyword: string]: Rule } = {
  /** RFC 1870, section 3. */
  SIZE: { extensions: ["SIZE"], isValid: (value) => /^\d{1,20}$/.test(value) },
  /** RFC 6152, section 2; RFC 3030, section 3. */
  BODY: { extensions: ["8BITMIME"], isValid: (value) => /^(7BIT|8BITMIME|BINARYMIME)$/i.test(value) },
  /** RFC 6531, section 3.4. */
  SMTPUTF8: { extensions: ["SMTPUTF8"], isValid: none },
  /** RFC 3461, sections 4.3 and 4.4. */
  RET: { extensions: ["DSN"], isValid: (value) => /^(FULL|HDRS)$/i.test(value) },
  ENVID: { extensions: ["DSN"], isValid: (value) => value !== "" && value.length <= 100 && xtext.test(value) },
  /** RFC 4954, section 5. */
  AUTH: { extensions: ["AUTH"], isValid: (value) => value !== "" && (value === "<>" || xtext.test(value)) },
  /** RFC 8689, section 4. */
  REQUIRETLS: { extensions: ["REQUIRETLS"], isValid: none },
  /** RFC 2852, section 4: a time to return by is after now. */
  BY: { extensions: ["DELIVERBY"], isValid: (value) => /^(?:[+-]?\d{1,9};NT?|\+?(?!0+;)\d{1,9};RT?)$/i.test(value) },
  /** RFC 6710, section 4. */
  "MT-PRIORITY": { extensions: ["MT-PRIORITY"], isValid: (value) => /^(?:-?[1-9]|0)$/.test(value) }
}

const notify =
  /^(?:NEVER|(?!.*\b(SUCCESS|FAILURE|DELAY)\b.*\b\1\b)(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*)$/i

const recipientRules: { readonly [keyword: string]: Rule } = {
  /** RFC 3461, sections 4.1 and 4.2; RFC 6533, section 3 for addresses that are not ASCII. */
  NOTIFY: { extensions: ["DSN"], isValid: (value) => notify.test(value) },
  ORCPT: {
    extensions: ["DSN"],
    isValid: (value) => {
      const [, type = "", address = ""] = /^([A-Za-z0-9-]+);(.+)$/u.exec(value) ?? []
      return type !== "" && value.length <= 500 &&
        (type.toLowerCase() === "utf-8" ? /^[!-*,-<>-~\u0080-\u{10ffff}]+$/u : xtext).test(address)
    }
  }
}

export interface Path {
  readonly address: string
  readonly parameters: Parameters
}

const syntax = (reason: string): Refusal => new Refusal(`501 5.5.4 ${reason}`)

const readParameters = (
  text: string,
  rules: { readonly [keyword: string]: Rule },
  has: (extension: string) => boolean
): Map<string, string> | Refusal => {
  const parameters = new Map<string, string>()
  for (const parameter of text === "" ? [] : text.split(" ")) {
    const [, name = "", value] = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\u{10ffff}]+))?$/u.exec(parameter) ?? []
    if (name === "") return syntax("A parameter is a keyword, or a keyword, \"=\" and a value")
    const keyword = name.toUpperCase()
    const rule = Object.hasOwn(rules, keyword) ? rules[keyword] : undefined
    if (rule === undefined || !rule.extensions.every(has)) return new Refusal(`555 5.5.4 ${keyword} is not known`)
    if (parameters.has(keyword)) return syntax(`${keyword} comes twice`)
    if (!rule.isValid(value ?? "")) return syntax(`That is no value of ${keyword}`)
    parameters.set(keyword, value ?? "")
  }
  return parameters
}

/** `FROM:<a@b> SIZE=12`, or `TO:<a@b>`, from the bytes of a command's argument. */
const read = (
  binary: string,
  word: "FROM" | "TO",
  rules: { readonly [keyword: string]: Rule },
  has: (extension: string) => boolean
): Path | Refusal => {
  const text = textOf(binary)
  if (text === undefined) return new Refusal("501 5.5.2 That is not UTF-8")
  if (text.slice(0, word.length + 1).toUpperCase() !== `${word}:`) return syntax(`${word}:<address> is what it takes`)
  const rest = text.slice(word.length + 1)
  const [whole = "", address = ""] = path.exec(rest) ?? []
  if (whole === "") return new Refusal(`501 5.1.${word === "TO" ? 3 : 7} That is no address in angle brackets`)
  const parameters = readParameters(rest.slice(whole.length + 1), rules, has)
  if (parameters instanceof Refusal) return parameters
  return rest.endsWith(" ") ? syntax("A blank ends the line") : { address, parameters: Object.fromEntries(parameters) }
}

/** RFC 5321, section 4.1.1.2. */
export const readMail = (argument: string, has: (extension: string) => boolean): Path | Refusal => {
  const mail = read(argument, "FROM", mailRules, has)
  if (mail instanceof Refusal) return mail
  const { address, parameters } = mail
  if (address.toLowerCase() === "postmaster") return new Refusal("501 5.1.7 That is no address in angle brackets")
  if (parameters.BODY?.toUpperCase() === "BINARYMIME" && !(has("BINARYMIME") && has("CHUNKING"))) {
    return syntax("That is no value of BODY")
  }
  if (!isAscii(address) && parameters.SMTPUTF8 === undefined) {
    return new Refusal("553 5.6.7 The address needs SMTPUTF8")
  }
  return mail
}

/** RFC 5321, section 4.1.1.3. */
export const readRecipient = (
  argument: string,
  isUtf8: boolean,
  has: (extension: string) => boolean
): Path | Refusal => {
  const recipient = read(argument, "TO", recipientRules, has)
  if (recipient instanceof Refusal) return recipient
  if (recipient.address === "") return new Refusal("501 5.1.3 That is no address in angle brackets")
  return isAscii(argument) || isUtf8 ? recipient : new Refusal("553 5.6.7 The address needs SMTPUTF8")
}

/** RFC 3030, section 2. */
export const readChunk = (argument: string): { readonly length: number; readonly isLast: boolean } | Refusal => {
  const [, length, last] = /^(\d{1,15})( LAST)?$/i.exec(argument) ?? []
  return length === undefined
    ? syntax("A number of bytes is what it takes, and LAST")
    : { length: Number(length), isLast: last !== undefined }
}

/** By address, by its domain, or by `*`. */
export const byAddress = (
  table: { readonly [address: string]: string } | undefined,
  address: string
): string | undefined => {
  if (table === undefined) return undefined
  const domain = address.slice(address.lastIndexOf("@"))
  const key = [address, domain, "*"].find((key) => Object.hasOwn(table, key))
  return key === undefined ? undefined : table[key]
}

/** The longest line of each command, CR LF included: RFC 5321, section 4.5.3.1.4, and what extensions add to it. */
const longest = new Map([
  // SIZE 26, BODY 17, SMTPUTF8 10, DSN 100, AUTH 500, REQUIRETLS 11, BY 17, MT-PRIORITY 15.
  ["MAIL", 512 + 26 + 17 + 10 + 100 + 500 + 11 + 17 + 15],
  // RFC 3461, section 4.
  ["RCPT", 512 + 500],
  // RFC 4954, section 4.
  ["AUTH", 12_288],
  // RFC 6531, section 3.7.4.2.
  ["VRFY", 512 + 10],
  ["EXPN", 512 + 10]
])

export const longestLine = (verb: string): number => longest.get(verb) ?? 512

export const longestLineOfAll = 12_288
