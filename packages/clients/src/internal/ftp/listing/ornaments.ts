/**
 * Lines of LIST that are no entries, and are known: totals and headings. Every other line is an entry, or is counted as one
 * that was not understood.
 */
import type * as Entry from "./entry.js"
import * as Ibm from "./ibm.js"

// `total 12`, in any language. It opens what `ls -l` prints of a directory.
const totalWord = "total[a-z]*|totaal|insgesamt|gesamt|celkem|razem|summa|toplam|[^\\s\\d]*[\\x80-\\xff][^\\s\\d]*"
const total = new RegExp(`^(?:${totalWord}):? ?\\d+(?:[.,]\\d+)?[KMGT]?$`, "i")
const totalAgain = /^total \d+$/

/** Headings and totals, anywhere in a listing. */
const plain: ReadonlyArray<RegExp> = [
  totalAgain,
  // `dir` of a command shell
  /^ (?:Volume in drive |Volume Serial Number|Directory of )/,
  /^ +\d+ (?:File\(s\)|Dir\(s\)) /,
  // OpenVMS
  /^Directory \S+$/,
  /^(?:Grand )?[Tt]otal of \d+ (?:files?|director)/,
  // z/OS
  /^[ \t]*Volume[ \t]+Unit[ \t]+Referred[ \t]/,
  // HP NonStop
  /^File[ \t]+Code[ \t]+EOF[ \t]/
]
const members: ReadonlyArray<RegExp> = [
  /^[ \t]*Name[ \t]+VV\.MM[ \t]+Created[ \t]/,
  /^[ \t]*Name[ \t]+Size[ \t]+TTR[ \t]/
]

const longest = 120

export interface Ornament {
  /** What reads the lines after it, where it tells. */
  readonly parser: Entry.LineParser | undefined
}

const silent: Ornament = { parser: undefined }
const heading: Ornament = { parser: Ibm.membersAfterHeader }

export const find = (binary: string, isFirst: boolean): Ornament | undefined => {
  if (binary.length > longest) return undefined
  if (members.some((pattern) => pattern.test(binary))) return heading
  return (isFirst && total.test(binary)) || plain.some((pattern) => pattern.test(binary)) ? silent : undefined
}
