/**
 * What is wrong with a sender's options. Checking continues after the first fault, with whatever stands in its place, and
 * the first is what counts.
 */
import * as Either from "effect/Either"
import { type InvalidAddress, InvalidMessage } from "../../MessageError.js"

export class Faults {
  first: InvalidMessage | InvalidAddress | undefined

  add(where: string, problem: string, advice: string): void {
    this.first ??= new InvalidMessage({ where, problem, advice })
  }

  /** The value, or what stands in for it where it is none. */
  take<A>(either: Either.Either<A, InvalidMessage | InvalidAddress>, otherwise: A): A {
    if (Either.isRight(either)) return either.right
    this.first ??= either.left
    return otherwise
  }

  result<A>(value: A): Either.Either<A, InvalidMessage | InvalidAddress> {
    return this.first === undefined ? Either.right(value) : Either.left(this.first)
  }
}
