/**
 * 405 with `Allow`, which `HttpRouter` leaves to the program.
 *
 * @since 0.2.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpRouter from "@effect/platform/HttpRouter"
import { RouteNotFound } from "@effect/platform/HttpServerError"
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { targetOf } from "./internal/static/path.js"

const found = Effect.succeed(HttpServerResponse.empty())

/** For each method that the router has: an app that answers whether one of its paths matches. */
const probesOf = (
  router: HttpRouter.HttpRouter<any, any>
): ReadonlyArray<readonly [method: string, matches: HttpApp.HttpApp<boolean>]> => {
  const paths = new Map<string, Array<HttpRouter.PathInput>>()
  for (const { method, path } of router.routes) paths.set(method, [...paths.get(method) ?? [], path])
  return Array.from(paths, ([method, paths]) => {
    const routes = Array.from(new Set(paths), (path) => HttpRouter.makeRoute("*", path, found))
    return [
      method,
      HttpRouter.fromIterable(routes).pipe(
        Effect.as(true),
        Effect.catchTag("RouteNotFound", () => Effect.succeed(false))
      )
    ]
  })
}

/**
 * Answers 405 (RFC 9110, 15.5.6) with `Allow` to a method that the router has not at a path that it has, instead of failing
 * with `RouteNotFound`, which is answered 404. Everything else is the router's: HEAD is among the methods where GET is.
 *
 * Only what the router itself does not find is looked at: an app that is mounted in it, and a route for all methods, answer
 * for themselves. For a router that is mounted in another one, wrap the inner one, too.
 *
 * *Interruption* is the router's.
 *
 * @since 0.2.0
 * @category combinators
 * @example
 * ```ts
 * import { HttpMethods } from "@copas/node"
 * import { HttpApp, HttpRouter, HttpServerResponse } from "@effect/platform"
 *
 * const router = HttpRouter.empty.pipe(
 *   HttpRouter.get("/users/:id", HttpServerResponse.text("a user")),
 *   HttpRouter.del("/users/:id", HttpServerResponse.empty())
 * )
 * const ask = HttpApp.toWebHandler(HttpMethods.withNotAllowed(router))
 *
 * ask(new Request("http://localhost/users/1", { method: "PUT" })).then((answer) =>
 *   console.log(answer.status, answer.headers.get("allow")) // 405 DELETE, GET, HEAD
 * )
 * ```
 */
export const withNotAllowed = <E, R>(
  router: HttpRouter.HttpRouter<E, R>
): HttpApp.Default<E | RouteNotFound, R> => {
  const probes = probesOf(router)
  const mounts = Array.from(router.mounts, ([path]) => path)
  const isMounted = (path: string) => mounts.some((mount) => path === mount || path.startsWith(`${mount}/`))
  return Effect.catchIf(
    router,
    // Of a router within a handler, too.
    (error): error is RouteNotFound => error instanceof RouteNotFound,
    (error) =>
      Effect.gen(function*() {
        const request = yield* HttpServerRequest
        const allowed = new Set<string>()
        if (!isMounted(targetOf(request.url).path)) {
          for (const [method, matches] of probes) if (yield* matches) allowed.add(method)
        }
        if (allowed.has("GET")) allowed.add("HEAD")
        // The route was found, and its handler failed with this error.
        if (allowed.size === 0 || allowed.has(request.method) || allowed.has("*")) return yield* error
        return HttpServerResponse.empty({ status: 405, headers: { allow: [...allowed].sort().join(", ") } })
      })
  )
}
