/** What a request shows to tracers, and which servers are told of the trace. */
import { NetMemory } from "@copas/core/testing"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { Http } from "../../src/index.js"
import { keepingTracer, type Kept, spanId, traceId } from "../keepingTracer.js"
import { failure, type Reply, scripted } from "./scriptedTransport.js"

const keeping = () => {
  const spans: Array<Kept> = []
  return { spans, tracer: keepingTracer(spans) }
}

const traceparent = `00-${traceId}-${spanId}-01`
const redirect = (location: string): Reply => ({ status: 302, fields: [["Location", location]] })

const run = (
  target: Http.Target,
  defaults: Http.Defaults,
  answer: Parameters<typeof scripted>[0],
  isTraced = true
) =>
  Effect.gen(function*() {
    const peer = scripted(answer)
    const http = yield* Effect.provide(Http.make(defaults), Layer.merge(peer.layer, NetMemory.layer))
    const { spans, tracer } = keeping()
    const call = Effect.exit(http.text(target))
    const exit = yield* isTraced ? Effect.withTracer(call, tracer) : call
    return { exit, spans, sent: peer.sent }
  })

describe("spans", () => {
  it.effect("C33 a request has one span, by OpenTelemetry's names, without secrets of the URL", () =>
    Effect.gen(function*() {
      const { spans } = yield* run(
        { url: "http://me:pw@a.test:81/p?sig=x&q=1#f", headers: { "X-Secret": "s" } },
        {},
        ({ url }) => url.includes("/p?") ? redirect("/q") : {}
      )
      expect(spans.map(({ attributes, exit, name }) => [name, Object.fromEntries(attributes), exit?._tag])).toEqual([
        ["GET", {
          "http.request.method": "GET",
          "url.full": "http://a.test:81/p?sig=REDACTED&q=1",
          "server.address": "a.test",
          "server.port": 81,
          "http.response.status_code": 200,
          "network.protocol.version": "1.1",
          "http.request.resend_count": 1
        }, "Success"]
      ])
    }))

  it.effect("C33 its error is the tag of the failure, the status, or the interruption", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Http.Target, ReturnType<Parameters<typeof scripted>[0]>, string, string]> = [
        ["https://a.test/", failure("Violation"), "HttpProtocolViolation", "GET"],
        ["https://a.test/", { status: 404 }, "UnexpectedStatus", "GET"],
        [{ url: "https://a.test/", expect: "any" }, { status: 404 }, "404", "GET"],
        ["https://a.test/", Effect.interrupt, "interrupted", "GET"],
        [{ url: "https://a.test/", method: "PURGE" }, failure("Lost"), "ConnectionLost", "HTTP"]
      ]
      for (const [target, answer, error, name] of cases) {
        const { spans: [span] } = yield* run(target, {}, () => answer)
        expect([span!.name, span!.attributes.get("error.type"), span!.attributes.get("server.port")]).toEqual([
          name,
          error,
          443
        ])
      }
    }))

  it.effect("C33 a request that is tried again is one span", () =>
    Effect.gen(function*() {
      const { spans } = yield* run("http://a.test/", { retry: Schedule.recurs(2) }, (_, count) => ({
        status: count < 3 ? 503 : 200
      }))
      expect(spans.map(({ attributes }) => attributes.get("http.request.resend_count"))).toEqual([2])
    }))

  it.effect("C33 without a tracer there is no span, and nobody is told of a trace", () =>
    Effect.gen(function*() {
      const { sent, spans } = yield* run("http://a.test/", { propagateTo: "all" }, () => ({}), false)
      expect([spans, sent[0]!.header("traceparent")]).toEqual([[], undefined])
    }))
})

describe("traceparent", () => {
  const cases: ReadonlyArray<readonly [Http.Defaults["propagateTo"], ReadonlyArray<boolean>]> = [
    [undefined, [true, true, false, true]],
    ["same", [true, true, false, true]],
    ["all", [true, true, true, true]],
    ["none", [false, false, false, false]],
    [["http://b.test"], [false, false, true, false]],
    [["http://b.test:80/x", "http://a.test/"], [true, true, true, true]]
  ]
  it.effect.each(cases)(
    "C33 with propagateTo %j it goes to those origins",
    ([propagateTo, told]) =>
      Effect.gen(function*() {
        const { sent } = yield* run(
          "http://a.test/1",
          { propagateTo },
          ({ url }) =>
            url.endsWith("/1")
              ? redirect("/2")
              : url.endsWith("/2")
              ? redirect("http://b.test/3")
              : url.endsWith("/3")
              ? redirect("http://a.test/4")
              : {}
        )
        expect(sent.map(({ header }) => header("traceparent"))).toEqual(
          told.map((isTold) => isTold ? traceparent : undefined)
        )
      })
  )

  it.effect("C33 the caller's own field wins", () =>
    Effect.gen(function*() {
      const { sent } = yield* run({ url: "http://a.test/", headers: { traceparent: "mine" } }, {}, () => ({}))
      expect(sent[0]!.header("traceparent")).toBe("mine")
    }))
})
