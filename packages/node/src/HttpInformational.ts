/**
 * Informational answers (1xx) of a handler: what a client can use before the answer itself is there.
 *
 * @since 0.2.0
 */
import { InvalidOption } from "@copas/core/SocketError"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Informational from "./internal/httpServer/informational.js"
import { Request } from "./internal/httpServer/request.js"

/**
 * Tells the client what the answer will refer to (103, RFC 8297), so that it can load that meanwhile. `links` are values of
 * the field `Link` (RFC 8288), such as `</style.css>; rel=preload; as=style`; `fields` are further ones.
 *
 * `true` if it went out. `false` where it cannot: the answer has begun, the answer to an earlier request on the connection is
 * still going out, the client speaks HTTP/1.0, which has no such answers, or the server is not `NodeHttpServer`. Fails with `InvalidOption` for values that are no fields.
 *
 * *Interruption* does nothing: it does not wait.
 *
 * @since 0.2.0
 * @category combinators
 * @example
 * ```ts
 * import { HttpInformational } from "@copas/node"
 * import { HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const page = Effect.gen(function*() {
 *   yield* HttpInformational.earlyHints(["</style.css>; rel=preload; as=style"])
 *   const html = yield* Effect.succeed("<!doctype html><link rel=stylesheet href=/style.css>") // which takes its time
 *   return HttpServerResponse.html(html)
 * })
 * ```
 */
export const earlyHints = (
  links: ReadonlyArray<string>,
  fields: Readonly<Record<string, string>> = {}
): Effect.Effect<boolean, InvalidOption, HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest, (request) => {
    if (!(request instanceof Request)) return Effect.succeed(false)
    const wrong = Informational.wrongLink(links) ?? Informational.wrongField(fields)
    return wrong === undefined
      ? Effect.sync(() => Informational.earlyHints(request.exchange, links, fields))
      : Effect.fail(new InvalidOption(wrong))
  })
