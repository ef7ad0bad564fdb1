/** Type tests of the bodies of HTTP requests: whether they can be sent again, and what making them may fail with. */
import { Body } from "@copas/clients"
import type { FileSystem } from "@effect/platform"
import type { PlatformError } from "@effect/platform/Error"
import { Effect, type ParseResult, Schema, Stream } from "effect"
import { describe, expect, it } from "tstyche"

class Missing {
  readonly _tag = "Missing"
}

declare const failing: Stream.Stream<Uint8Array, Missing, FileSystem.FileSystem>

describe("bodies of requests", () => {
  it("C33 a stream can be sent again where an effect makes it again, and brings its error and services along", () => {
    expect(Body.stream(failing)).type.toBe<Body.OneShot<Missing, FileSystem.FileSystem>>()
    expect(Body.from(Effect.succeed(failing))).type.toBe<Body.Replayable<Missing, FileSystem.FileSystem>>()
    expect(Body.from(Effect.as(Effect.addFinalizer(() => Effect.void), Stream.empty))).type.toBe<Body.Replayable>()
    expect(Body.file("a")).type.toBe<Body.Replayable<PlatformError, FileSystem.FileSystem>>()
    expect(Body.json(Schema.String)("a")).type.toBe<Body.Replayable<ParseResult.ParseError>>()
    expect(Body.json(Schema.Number)).type.not.toBeCallableWith("a")
    expect(Body.jsonValue(1)).type.toBe<Body.Replayable>()
  })

  it("C33 a form can be sent again if each of its parts can, and has the errors and services of all", () => {
    expect(Body.multipart({ a: "x", b: [1, true], c: undefined })).type.toBe<Body.Replayable>()
    expect(Body.multipart({ a: "x", b: [Body.file("a"), Body.text("b")] })).type.toBe<
      Body.Replayable<PlatformError, FileSystem.FileSystem>
    >()
    expect(Body.multipart({ a: Body.file("a"), b: { content: Body.stream(failing), filename: "b" } })).type.toBe<
      Body.OneShot<PlatformError | Missing, FileSystem.FileSystem>
    >()
    expect(Body.multipart([["a", Body.stream(failing)], ["a", "x"]])).type.toBe<
      Body.OneShot<Missing, FileSystem.FileSystem>
    >()
    expect(Body.multipart).type.not.toBeCallableWith({ a: new Date() })
  })

  it("C33 only what can be sent again is a replayable body", () => {
    expect<Body.Replayable<Missing>>().type.toBeAssignableTo<Body.ReplayableBody<Missing>>()
    expect<Body.OneShot>().type.not.toBeAssignableTo<Body.ReplayableBody>()
    expect<Body.OneShot<Missing>>().type.not.toBeAssignableTo<Body.Body>()
    expect<Body.OneShot>().type.toBeAssignableTo<Body.Body<Missing>>()
  })
})
