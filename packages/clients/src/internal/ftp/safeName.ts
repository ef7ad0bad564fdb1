/**
 * From a server's file name to one that may be joined to a local path.
 *
 * A server decides what its listings say, so a name is a way into the local disk (CVE-2026-27699). A name
 * that is not safe is never rewritten: two names could become one.
 */
import * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import * as FtpError from "../../FtpError.js"
import * as Bytes from "../text/bytes.js"
import * as Codec from "../text/codec.js"

/** A name of one file in one directory, on any system. */
export type SafeName = string & Brand.Brand<"@copas/clients/Ftp/SafeName">

const SafeName = Brand.nominal<SafeName>()

export interface Options {
  readonly codec?: Codec.Codec
  /**
   * Where the name is to be used. `any`, the default, refuses what leaves the directory or reaches a device on some
   * system. `windows` also refuses what Windows would silently take for another file.
   */
  readonly system?: "any" | "windows"
  readonly server?: string
}

const control = /\p{Cc}/u
const separator = /[/\\]/
// Windows drops dots and blanks at the end of a name, so these are `.` or `..` there, or nothing.
const onlyDots = /^[. ]+$/
const drive = /^[A-Za-z]:/
const device = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)[ ]*(?:[.:]|$)/i
const trailing = /[. ]$/

const reasonFor = (raw: Uint8Array, name: string, options: Options): FtpError.UnsafeReason | undefined => {
  if (name.length === 0) return "Empty"
  // Before anything else about the text: what follows is only true of a text that stands for these bytes.
  if (!Codec.isExact(options.codec ?? Codec.utf8, raw, name)) return "Undecodable"
  if (separator.test(name)) return "Separator"
  if (control.test(name)) return "ControlCharacter"
  if (onlyDots.test(name)) return "DotName"
  if (drive.test(name)) return "Drive"
  if (device.test(name)) return "DeviceName"
  if (options.system !== "windows") return undefined
  if (name.includes(":")) return "AlternateStream"
  return trailing.test(name) ? "TrailingDotOrSpace" : undefined
}

export const make = (
  rawName: Uint8Array,
  options: Options = {}
): Either.Either<SafeName, FtpError.UnsafeFileName> => {
  const name = (options.codec ?? Codec.utf8).decode(rawName)
  const reason = reasonFor(rawName, name, options)
  if (reason === undefined) return Either.right(SafeName(name))
  return Either.left(
    new FtpError.UnsafeFileName({
      ...(options.server === undefined ? {} : { server: options.server }),
      name: Bytes.show(name),
      rawName,
      reason
    })
  )
}
