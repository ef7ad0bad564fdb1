/**
 * A reply to a command: RFC 959, section 4.2, and RFC 5321, section 4.2.
 */
import * as Bytes from "../text/bytes.js"

export interface Reply {
  readonly code: number
  /** The lines in the session's encoding, each without the reply's own code in front of it. */
  readonly lines: ReadonlyArray<string>
  /** The same lines as they came. */
  readonly rawLines: ReadonlyArray<Uint8Array>
}

export type Kind = "preliminary" | "completion" | "intermediate" | "transient" | "permanent" | "protected"

/**
 * RFC 959, section 4.2.1; RFC 2228, section 4 for 6yz.
 */
export const kind = (reply: { readonly code: number }): Kind => {
  switch (Math.floor(reply.code / 100)) {
    case 1:
      return "preliminary"
    case 2:
      return "completion"
    case 3:
      return "intermediate"
    case 4:
      return "transient"
    case 5:
      return "permanent"
    default:
      return "protected"
  }
}

export const text = (reply: Reply): string => reply.lines.join("\n")

/** The reply in one line that may stand in a message or a log. */
export const show = (reply: { readonly code: number; readonly lines: ReadonlyArray<string> }, limit = 200): string =>
  Bytes.show(`${reply.code} ${reply.lines.join(" / ")}`, limit)
