/** Makes errors of everyday work, of which there may be many a second. */
import * as Effect from "effect/Effect"

/** Without a stack trace: it would show the event loop, and costs more than all else of an error. */
export const withoutTrace = <A>(make: () => A): A => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  const error = make()
  Error.stackTraceLimit = limit
  return error
}

/** Its fields are ours, so its schema need not check them. */
const unchecked = { disableValidation: true }

type ErrorClass<Fields, E> = new(fields: Fields, options: typeof unchecked) => E

/** An error of the class, without a stack trace and without its schema's checks. */
export const untraced = <Fields, E>(Class: ErrorClass<Fields, E>, fields: Fields): E =>
  withoutTrace(() => new Class(fields, unchecked))

/** Fails with it. */
export const failing = <Fields, E>(Class: ErrorClass<Fields, E>, fields: Fields): Effect.Effect<never, E> =>
  Effect.fail(untraced(Class, fields))
