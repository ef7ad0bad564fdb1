/** Type tests of the HTTP client: the errors and services in the types of its calls, and which bodies may be sent again. */
import { Body, Http, type HttpError, type HttpResponse } from "@copas/clients"
import type { HttpTransport, Net } from "@copas/core"
import type { PlatformError } from "@effect/platform/Error"
import type { FileSystem } from "@effect/platform/FileSystem"
import type { HttpClient } from "@effect/platform/HttpClient"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import { Config, Context, Effect, type Layer, Redacted, Schedule, Schema, type Scope, Sink, Stream } from "effect"
import type { ConfigError } from "effect/ConfigError"
import type { ParseError } from "effect/ParseResult"
import { describe, expect, it } from "tstyche"

class Missing {
  readonly _tag = "Missing"
}

class Disk extends Context.Tag("Disk")<Disk, { readonly read: Effect.Effect<Uint8Array, Missing> }>() {}

const url = "http://a.test/"
const fromDisk = Stream.fromEffect(Effect.flatMap(Disk, (disk) => disk.read))

describe("the HTTP client", () => {
  it("C33 a whole answer needs the client, one that is read as it comes the scope too", () => {
    expect(Http.text(url)).type.toBe<Effect.Effect<string, Http.Failure, Http.Http>>()
    expect(Http.bytes({ url })).type.toBe<Effect.Effect<Uint8Array, Http.Failure, Http.Http>>()
    expect(Http.request(url)).type.toBe<Effect.Effect<Http.Whole, Http.Failure, Http.Http>>()
    expect(Http.request({ url })).type.toBe<Effect.Effect<Http.Response, Http.Failure, Http.Http | Scope.Scope>>()
    expect(Http.get(url)).type.toBe<Effect.Effect<Http.Response, Http.Failure, Http.Http | Scope.Scope>>()
    expect<Http.Response>().type.toBeAssignableTo<HttpClientResponse>()
  })

  it("C33 layers need a network and a transport, and may fail by their options", () => {
    type Needs = Net.Net | HttpTransport.HttpTransport
    expect(Http.layer()).type.toBe<Layer.Layer<Http.Http, Http.MakeFailure, Needs>>()
    expect(Http.layerHttpClient()).type.toBe<Layer.Layer<HttpClient, Http.MakeFailure, Needs>>()
    expect(Http.layerConfig({ accept: Config.string("ACCEPT") })).type.toBe<
      Layer.Layer<Http.Http, Http.MakeFailure | ConfigError, Needs>
    >()
  })

  it("C33 the errors and services of a body, a schema and a sink reach the call", () => {
    const body = Body.stream(fromDisk)
    expect(Http.post(url, { body })).type.toBe<
      Effect.Effect<Http.Response<Missing>, Http.Failure | Missing, Http.Http | Disk | Scope.Scope>
    >()
    expect(Http.request(url, body)).type.toBe<Effect.Effect<Http.Whole, Http.Failure | Missing, Http.Http | Disk>>()
    expect(Http.text({ url, body })).type.toBe<Effect.Effect<string, Http.Failure | Missing, Http.Http | Disk>>()
    expect(Http.json(url, Schema.Struct({ a: Schema.NumberFromString }))).type.toBe<
      Effect.Effect<{ readonly a: number }, Http.Failure | ParseError, Http.Http>
    >()
    expect(Http.json(url)).type.toBe<Effect.Effect<unknown, Http.Failure, Http.Http>>()
    expect(Http.download(url, Sink.count)).type.toBe<
      Effect.Effect<Http.Downloaded<number>, Http.Failure, Http.Http>
    >()
    expect(Http.download(url, { path: "a" })).type.toBe<
      Effect.Effect<Http.Downloaded, Http.Failure | PlatformError, Http.Http | FileSystem>
    >()
    expect(Http.upload(url, fromDisk)).type.toBe<
      Effect.Effect<Http.Whole, Http.Failure | Missing, Http.Http | Disk>
    >()
  })

  it("C33 what is sent again takes no body that can be given once only", () => {
    const twice = Http.retrying(Schedule.recurs(2))
    const oneShot = Body.stream(Stream.empty)
    expect(twice).type.toBeCallableWith({ url })
    expect(twice).type.toBeCallableWith({ url, body: "text" })
    expect(twice).type.toBeCallableWith({ url, body: Body.from(Effect.succeed(fromDisk)) })
    expect(twice).type.toBeCallableWith({ url, body: Body.file("a") })
    expect(twice).type.not.toBeCallableWith({ url, body: oneShot })
    expect(Http.text).type.toBeCallableWith({ url, body: oneShot })
    expect(Http.text).type.toBeCallableWith({ url, body: oneShot, retry: false })
    expect(Http.text).type.toBeCallableWith({ url, body: "text", retry: true })
    expect(Http.text).type.not.toBeCallableWith({ url, body: oneShot, retry: true })
    expect(Http.text).type.toBeCallableWith({ url, body: "text" as string | typeof oneShot })
    expect(Http.text(twice({ url, body: Body.file("a") }))).type.toBe<
      Effect.Effect<string, Http.Failure | PlatformError, Http.Http | FileSystem>
    >()
  })

  it("C33 secrets are redacted", () => {
    expect(Http.layer).type.toBeCallableWith({ auth: { user: "a", password: Redacted.make("secret") } })
    expect(Http.layer).type.not.toBeCallableWith({ auth: { user: "a", password: "secret" } })
    expect(Http.layer).type.not.toBeCallableWith({ auth: { token: "secret" } })
    expect(Http.layer).type.toBeCallableWith({ auth: { token: Effect.fail(new Missing()) } })
  })

  it("C33 an error that was handled is gone from the type, and each is one of the module's or a connection's", () => {
    const handled = Effect.catchTag(Http.text(url), "UnexpectedStatus", ({ status }) => Effect.succeed(String(status)))
    expect<Extract<Effect.Effect.Error<typeof handled>, HttpError.UnexpectedStatus>>().type.toBe<never>()
    expect<HttpError.HttpError>().type.toBeAssignableTo<HttpResponse.Failure>()
  })
})
