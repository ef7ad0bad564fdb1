/**
 * NLST: names alone, RFC 959, section 4.1.3. Some servers put the directory in front of each, as `ls dir/*` would.
 */
import * as Bytes from "../../text/bytes.js"
import * as Paths from "../paths.js"
import * as Entry from "./entry.js"

/**
 * A parser for the answer about a directory. Only the directory that was asked for is taken off. Any other path stays
 * in the name, where `SafeName` refuses it: to cut `../../x` down to `x` would be to believe the server.
 */
export const make = (directory: Uint8Array | undefined): Entry.LineParser => {
  const asked = directory === undefined ? "" : Bytes.toBinary(directory)
  const plain = Paths.trimmed(asked)
  const prefixes = plain !== "" ? [`${plain}/`, `./${plain}/`, "./"] : asked !== "" ? ["/"] : ["./"]
  return (source, context) => {
    const { binary } = source
    const prefix = prefixes.find((each) => binary.startsWith(each) && binary.length > each.length) ?? ""
    return Entry.make(source, context, "names", binary.slice(prefix.length), "unknown", {})
  }
}
