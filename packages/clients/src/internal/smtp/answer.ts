/**
 * Replies as SMTP's callers see them: with the enhanced status code (RFC 3463, RFC 2034) apart from the text.
 */
import type * as Reply from "../replies/reply.js"

/**
 * A reply of the server: its code, its enhanced status code if it has one, and its lines without either.
 */
export interface Answer {
  readonly code: number
  /** Such as `5.1.1` (RFC 3463). */
  readonly enhancedCode: string | undefined
  readonly lines: ReadonlyArray<string>
}

const enhanced = /^([245]\.\d{1,3}\.\d{1,3})(?: +|$)/

export const of = ({ code, lines }: { readonly code: number; readonly lines: ReadonlyArray<string> }): Answer => {
  const enhancedCode = lines.length === 0 ? undefined : enhanced.exec(lines[0]!)?.[1]
  return {
    code,
    enhancedCode,
    lines: enhancedCode === undefined ? lines : lines.map((line) => line.replace(enhanced, ""))
  }
}

export const isPositive = ({ code }: { readonly code: number }): boolean => code < 300

/** What a command without content is answered by: RFC 5321, section 4.2.1. */
export const plain = { accepts: (code: number): boolean => code < 300 || code >= 400 }

/** DATA: the go-ahead, or a refusal. */
export const goAhead = { accepts: (code: number): boolean => code === 354 || code >= 400 }

/** The fields that the errors of refusals have in common. */
export const fieldsOf = (
  reply: Reply.Reply
): { readonly code: number; readonly lines: ReadonlyArray<string>; readonly enhancedCode?: string } => {
  const { code, enhancedCode, lines } = of(reply)
  return { code, lines, ...(enhancedCode === undefined ? {} : { enhancedCode }) }
}
