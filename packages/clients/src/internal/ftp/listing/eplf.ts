/**
 * Easily Parsed LIST Format (https://cr.yp.to/ftp/list/eplf.html): publicfile, anonftpd.
 *
 * `+i8388621.48594,m825718503,r,s280,up644,` TAB `name`
 */
import * as Answers from "../answers.js"
import * as Entry from "./entry.js"

const seconds = /^\d{1,12}$/

export const parse: Entry.LineParser = (source, context) => {
  const { binary } = source
  const tab = binary.indexOf("\t")
  if (!binary.startsWith("+") || tab < 0) return undefined
  const facts = new Map<string, string>()
  for (const fact of binary.slice(1, tab).split(",")) {
    const key = fact.startsWith("up") ? "up" : fact.slice(0, 1)
    if (key !== "" && !facts.has(key)) facts.set(key, Entry.decode(fact.slice(key.length), context.codec))
  }
  const digits = facts.get("s")
  const size = digits === undefined ? undefined : Answers.parseCount(digits)
  if (digits !== undefined && size === undefined) return Entry.unparsed(source, "SizeTooLarge", context)
  const modified = facts.get("m")
  const mode = facts.get("up")
  const type = facts.has("/") ? "directory" : facts.has("r") ? "file" : "unknown"
  return Entry.make(source, context, "eplf", binary.slice(tab + 1), type, {
    size,
    modifiedAt: modified !== undefined && seconds.test(modified)
      ? { date: new Date(Number(modified) * 1000), precision: "second", zone: "utc" }
      : undefined,
    permissions: mode !== undefined && /^[0-7]{3,4}$/.test(mode) ? Number.parseInt(mode, 8) : undefined,
    unique: facts.get("i"),
    facts
  })
}
