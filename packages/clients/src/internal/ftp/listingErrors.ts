/**
 * The errors of what a server lists and sends: names that must not become local ones, listings without end, such as cannot
 * be read, and data that is not in its coding. `FtpError` exports them.
 */
import * as Schema from "effect/Schema"
import * as Errors from "../errors.js"

const at = (host: string | undefined): string => Errors.at("ftp", host)

const unsafe = {
  Empty: "it is empty",
  DotName: "it names this or the parent directory",
  Separator: "it has a path separator in it",
  ControlCharacter: "it has a control character in it",
  Drive: "it begins with a drive letter",
  DeviceName: "it is the name of a device on Windows",
  AlternateStream: "its colon names a stream of another file on Windows",
  TrailingDotOrSpace: "Windows would drop its last dot or blank, so it would name another file",
  Undecodable: "it has bytes that the session's encoding does not know, so two such names could become one"
}

/**
 * Why a server's file name cannot be a local one.
 *
 * @since 0.1.0
 * @category models
 */
export type UnsafeReason = keyof typeof unsafe

const UnsafeReason = Schema.Literal(...(Object.keys(unsafe) as [UnsafeReason, ...Array<UnsafeReason>]))

/**
 * The server sent a file name that must not be joined to a local path (CVE-2026-27699). Nothing was written.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnsafeFileName extends Errors.define<UnsafeFileName>("FtpError")("UnsafeFileName", {
  server: Errors.server,
  /** The name as the session's encoding reads it. */
  name: Schema.String,
  /** The name as it came. */
  rawName: Schema.Uint8ArrayFromBase64,
  reason: UnsafeReason
}) {
  override get message(): string {
    return `${at(this.server)}: the server's file name ${JSON.stringify(this.name)} is not used as a local one: ${
      unsafe[this.reason]
    }; choose a local name for it yourself, or leave it out`
  }
}

/**
 * A listing, or one line of it, is longer than its bound, or its entries take more memory.
 *
 * @since 0.1.0
 * @category errors
 */
export class ListingTooLong extends Errors.define<ListingTooLong>("FtpError")("ListingTooLong", {
  server: Errors.server,
  /** `"memory"`: what its lines take, as far as that can be told. */
  what: Schema.Literal("listing", "line", "memory"),
  /** The bound, in bytes. */
  limit: Schema.Number
}) {
  override get message(): string {
    if (this.what === "memory") {
      return `${at(this.server)}: the entries of a listing take more than ${this.limit} bytes of memory; raise ` +
        "`listingMemory`, or list less"
    }
    return this.what === "line"
      ? `${
        at(this.server)
      }: a line of a listing does not end within ${this.limit} bytes, so it is none of a listing; ` +
        "look at what the server sends, or list another directory"
      : `${at(this.server)}: a listing does not end within ${this.limit} bytes; raise \`listingLimit\`, or list less`
  }
}

/**
 * No line of a listing was understood, so what is in the directory is not known: it is of a system that this client cannot
 * read, or the server's own error message.
 *
 * @since 0.2.0
 * @category errors
 */
export class ListingNotUnderstood extends Errors.define<ListingNotUnderstood>("FtpError")("ListingNotUnderstood", {
  server: Errors.server,
  /** How many lines it has. */
  lines: Schema.Number,
  /** The first of them, made printable. */
  first: Schema.String
}) {
  override get message(): string {
    return `${at(this.server)}: of the lines of a listing (${this.lines}) none was understood, beginning with ` +
      `${JSON.stringify(this.first)}; read it by \`parseListing\`, or the lines themselves by \`listLines\``
  }
}

/**
 * The data of a transfer in MODE Z is not a zlib stream (`Corrupt`), or becomes too many times what came (`Ratio`), as a
 * file does that is made to fill memory. The transfer was aborted, and the session continues.
 *
 * @since 0.2.0
 * @category errors
 */
export class DataNotDecoded extends Errors.define<DataNotDecoded>("FtpError")("DataNotDecoded", {
  server: Errors.server,
  command: Schema.String,
  reason: Schema.Literal("Corrupt", "Ratio"),
  /** How many bytes of the file had moved. */
  moved: Schema.Number,
  /** The bound that was passed. */
  ratio: Schema.Number,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message(): string {
    const why = this.reason === "Corrupt"
      ? "is not the zlib stream that MODE Z has; leave `modeZ` out for this server"
      : `becomes more than ${this.ratio} times what came, as data does that is made to fill memory; raise \`modeZ.ratio\` ` +
        "if the file is such, or leave `modeZ` out"
    return `${at(this.server)}: the data of \`${this.command}\` ${why} (${this.moved} bytes moved)`
  }
}
