/**
 * A connection of a pool, logged in.
 */
import type * as Scope from "effect/Scope"
import type { Session } from "../../../SmtpSession.js"
import type { Conversation } from "../session/conversation.js"
import { conversationOf } from "../session/session.js"

/** How long a connection is kept. */
export interface Limits {
  readonly maxMessages: number
  readonly maxAgeMillis: number
  readonly idleMillis: number
}

export class Held {
  readonly session: Session
  readonly conversation: Conversation
  readonly scope: Scope.CloseableScope
  readonly openedAt: number
  /** When it was opened, came back or was looked at for the last time. */
  usedAt: number
  /** It was not lent before, and has not been idle. */
  isNew = true
  /** What becomes of it decides whether more may be opened. */
  isProof: boolean
  /** It is closed when it comes back. */
  isSpent = false

  constructor(session: Session, scope: Scope.CloseableScope, openedAt: number, isProof: boolean) {
    this.session = session
    this.conversation = conversationOf(session)
    this.scope = scope
    this.openedAt = openedAt
    this.usedAt = openedAt
    this.isProof = isProof
  }

  /** It may be lent once more. */
  isUsable({ maxAgeMillis, maxMessages }: Limits, now: number): boolean {
    const { conversation, isSpent, openedAt } = this
    return conversation.isUsable && !isSpent && conversation.mails < maxMessages && now - openedAt < maxAgeMillis
  }

  /** When it is closed if it stays idle. */
  endsAt({ idleMillis, maxAgeMillis }: Limits): number {
    return Math.min(this.usedAt + idleMillis, this.openedAt + maxAgeMillis)
  }

  /** Whether it has room for a message that needs several transactions (RFC 9422, RCPTMAX and MAILMAX). */
  hasRoom(recipients: number, { maxMessages }: Limits): boolean {
    const { extensions, mails } = this.conversation
    const { mailMax = Infinity, rcptMax = Infinity } = extensions.limits
    return mails + Math.ceil(recipients / rcptMax) <= Math.min(mailMax, maxMessages)
  }
}
