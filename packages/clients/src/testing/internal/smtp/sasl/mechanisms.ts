/**
 * Every mechanism that the test server knows.
 */
import { families } from "../../../../internal/smtp/sasl/scramMessage.js"
import { oauthBearer, xoauth2 } from "./bearer.js"
import type { ServerMechanism } from "./exchange.js"
import { cramMd5, login, plain } from "./password.js"
import * as Scram from "./scram.js"

export const all: ReadonlyArray<ServerMechanism> = [
  ...families.flatMap((family) => [true, false].map((isBound) => Scram.make(family, isBound))),
  cramMd5,
  plain,
  login,
  oauthBearer,
  xoauth2
]
