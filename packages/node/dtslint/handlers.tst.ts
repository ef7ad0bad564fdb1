/** Type tests of the handlers of `@copas/node`: how the apps fail, and what they require. */
import type { InvalidOption } from "@copas/core/SocketError"
import { HttpMethods, NodeHttpPlatform, Redirect, StaticFiles, VirtualHosts } from "@copas/node"
import type { HttpApp, HttpPlatform, HttpRouter, HttpServerError, HttpServerResponse } from "@effect/platform"
import type { Effect, Layer, Scope } from "effect"
import { describe, expect, it } from "tstyche"

declare class One {
  readonly one: 1
}
declare class Other {
  readonly other: 2
}
declare const one: HttpApp.Default<"failed", One>
declare const other: HttpApp.Default<never, Other>
declare const router: HttpRouter.HttpRouter<"failed", One>
declare const response: Effect.Effect<HttpServerResponse.HttpServerResponse>

describe("handlers", () => {
  it("X02 files fail with nothing, and an app for what is missing brings its own", () => {
    expect(StaticFiles.make("/srv")).type.toBe<Effect.Effect<HttpApp.Default<never, Scope.Scope>, InvalidOption>>()
    expect(StaticFiles.make("/srv", { notFound: one })).type.toBe<
      Effect.Effect<HttpApp.Default<"failed", One | Scope.Scope>, InvalidOption>
    >()
    expect(NodeHttpPlatform.layer).type.toBe<Layer.Layer<HttpPlatform.HttpPlatform>>()
  })

  it("X03 only a target that a request decides may be refused", () => {
    expect(Redirect.to(301, "/new")).type.toBe<HttpApp.Default<never>>()
    expect(Redirect.to(302, ({ url }) => url)).type.toBe<HttpApp.Default<Redirect.RedirectRefused>>()
    expect(Redirect.to).type.not.toBeCallableWith(200, "/new")
    expect(Redirect.rules([])).type.toBe<
      Effect.Effect<HttpApp.Default<HttpServerError.RouteNotFound | Redirect.RedirectRefused>, InvalidOption>
    >()
  })

  it("X04 hosts fail as their apps do, and require what they require", () => {
    expect(VirtualHosts.make({ hosts: { "a.test": one, "b.test": response } })).type.toBe<
      Effect.Effect<HttpApp.Default<"failed", One>, InvalidOption>
    >()
    expect(VirtualHosts.make({ hosts: { "a.test": one }, default: other })).type.toBe<
      Effect.Effect<HttpApp.Default<"failed", One | Other>, InvalidOption>
    >()
  })

  it("X06 405 with Allow fails as the router does", () => {
    expect(HttpMethods.withNotAllowed(router)).type.toBe<
      HttpApp.Default<"failed" | HttpServerError.RouteNotFound, One>
    >()
  })
})
