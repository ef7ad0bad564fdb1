/**
 * Phrases: the names of mailboxes and groups in a header field (RFC 5322, section 3.2.5; RFC 2047, section 5, rule 3).
 */
import * as encodedWord from "./encodedWord.js"

const atoms = /^[!#$%&'*+\-/=?^_`{|}~A-Za-z0-9]+(?: [!#$%&'*+\-/=?^_`{|}~A-Za-z0-9]+)*$/
const printable = /^[ -~]*$/

export const isAscii = (text: string): boolean => {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 127) return false
  }
  return true
}

export const quote = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&")}"`

/** The longest line without its end (RFC 5322, section 2.1.1), less what may stand beside a name. */
const longestQuoted = 200

/**
 * The words of a phrase; between two of them the field may fold. A name that readers would decode or trim, or that is too
 * long to be quoted, becomes encoded words, as one that is not ASCII does. `column` is
 * what stands before the phrase on its line.
 */
export const encode = (name: string, column = 0): ReadonlyArray<string> => {
  const isPlain = printable.test(name) && !encodedWord.looksEncoded(name) && name.length <= longestQuoted
  if (!isPlain) return encodedWord.encode(name, column)
  return atoms.test(name) ? name.split(" ") : [quote(name)]
}
