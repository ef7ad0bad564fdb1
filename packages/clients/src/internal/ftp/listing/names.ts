/**
 * NLST: names alone, RFC 959, section 4.1.3. Some servers put the directory in front of each, as `ls dir/*` would.
 */
import * as Bytes from "../bytes.js"
import * as Entry from "./entry.js"

/**
 * Only the directory that was asked for is taken off. Any other path stays in the name, where `SafeName` refuses it:
 * to cut `../../x` down to `x` would be to believe the server.
 */
const withoutDirectory = (binary: string, directory: Uint8Array | undefined): string => {
  const asked = directory === undefined ? "" : Bytes.toBinary(directory).replace(/\/+$/, "")
  const isRoot = asked === "" && directory !== undefined && directory.length > 0
  for (const prefix of isRoot ? ["/"] : asked === "" ? ["./"] : [`${asked}/`, `./${asked}/`, "./"]) {
    if (binary.startsWith(prefix) && binary.length > prefix.length) return binary.slice(prefix.length)
  }
  return binary
}

export const parse: Entry.LineParser = (source, context) =>
  Entry.make(source, context, "names", withoutDirectory(source.binary, context.directory), "unknown", {})
