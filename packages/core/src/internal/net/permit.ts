/** The option `permit`: a program's function decides which addresses are used. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { NetAddress } from "../../NetAddress.js"
import type { InvalidOption } from "../../SocketError.js"
import { invalid } from "../time/optionValues.js"

/** Whether an address may be used; a failure or a defect ends what asks. */
export type Permit<A extends NetAddress = NetAddress> = (address: A) => Exit.Exit<boolean, InvalidOption>

/** A race asks it within events of the platform, so it catches what the program's function throws. */
export const permitOf = <A extends NetAddress>(
  permit: ((address: A) => boolean) | undefined
): Effect.Effect<Permit<A> | undefined, InvalidOption> => {
  const expected = "a function that returns true or false, at once"
  if (permit === undefined) return Effect.succeed(undefined)
  if (typeof permit !== "function") return Effect.fail(invalid("permit", permit, expected))
  return Effect.succeed((address) => {
    try {
      const given: unknown = permit(address)
      return typeof given === "boolean" ? Exit.succeed(given) : Exit.fail(invalid("permit", given, expected))
    } catch (error) {
      return Exit.die(error)
    }
  })
}

/** The addresses that are permitted, in their order. */
export const permitted = <A extends NetAddress>(
  addresses: ReadonlyArray<A>,
  permit: Permit<A> | undefined
): Effect.Effect<ReadonlyArray<A>, InvalidOption> =>
  permit === undefined ? Effect.succeed(addresses) : Effect.filter(addresses, permit)
