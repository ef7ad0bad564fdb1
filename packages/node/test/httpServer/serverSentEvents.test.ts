/** Event streams, as a browser reads them: WHATWG HTML, section 9.2.6. */
import { Copas } from "@copas/core"
import { NetMemory, Sampling } from "@copas/core/testing"
import { ServerSentEvents } from "@copas/node"
import { Headers, HttpServerRequest, type HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Either, Fiber, Layer, Option, Queue, Stream, TestClock } from "effect"
import * as FC from "effect/FastCheck"

interface Dispatched {
  readonly type: string
  readonly data: string
  readonly lastEventId: string
}

/** What an EventSource makes of a stream: an interpreter written after the standard, and the retry that it ends with. */
const interpret = (text: string) => {
  const events: Array<Dispatched> = []
  let [data, type, lastEventId, retry] = ["", "", "", -1]
  for (const line of text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/).slice(0, -1)) {
    if (line === "") {
      if (data !== "") events.push({ type: type || "message", data: data.slice(0, -1), lastEventId })
      data = type = ""
      continue
    }
    const colon = line.indexOf(":")
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "")
    if (field === "data") data += `${value}\n`
    else if (field === "event") type = value
    else if (field === "id" && !value.includes("\0")) lastEventId = value
    else if (field === "retry" && /^\d+$/.test(value)) retry = Number(value)
  }
  return { events, retry }
}

const bodyOf = ({ body }: HttpServerResponse.HttpServerResponse) =>
  body._tag === "Stream" ? body.stream : Stream.die("the answer has no stream")

const textOf = (response: HttpServerResponse.HttpServerResponse) => Stream.mkString(Stream.decodeText(bodyOf(response)))

describe("Server-sent events", () => {
  it.effect("X01 a browser gets each event with its data, name, id and retry", () =>
    Effect.gen(function*() {
      const events = Stream.make<Array<ServerSentEvents.Event | string>>("one\r\ntwo\rthree\n", {
        event: "news",
        id: "n\u00e9",
        retry: "2 seconds",
        data: ""
      }, { data: " a: b", id: "" })
      const response = yield* ServerSentEvents.response(events, { retry: 1500, headers: { "x-a": "b" } })
      const text = yield* textOf(response)
      expect(response.headers).toEqual({
        "cache-control": "no-cache",
        "content-type": "text/event-stream",
        "x-accel-buffering": "no",
        "x-a": "b"
      })
      expect(interpret(text)).toEqual({
        events: [
          { type: "message", data: "one\ntwo\nthree\n", lastEventId: "" },
          { type: "news", data: "", lastEventId: "n\u00e9" },
          { type: "message", data: " a: b", lastEventId: "" }
        ],
        retry: 2000
      })
      expect(interpret(text.slice(0, text.indexOf("data"))).retry).toBe(1500)
    }))

  it("X01 whatever an event holds, a browser gets that event and no other, or it is refused", () => {
    const text = FC.array(
      FC.oneof(FC.constantFrom("\r", "\n", "\r\n", "\0", ":", " ", "data: x", "\ufeff", "id"), FC.string()),
      {
        maxLength: 6
      }
    ).map((parts) => parts.join(""))
    const event = FC.record({
      data: text,
      event: FC.option(text, { nil: undefined }),
      id: FC.option(text, { nil: undefined })
    })
    FC.assert(
      FC.property(event, (event) => {
        const encoded = ServerSentEvents.encode(event)
        const isRefused = /[\r\n]/.test(event.event ?? "") || /[\0\r\n]/.test(event.id ?? "")
        expect(Either.isLeft(encoded)).toBe(isRefused)
        if (Either.isLeft(encoded)) return
        expect(interpret(`:\n\n${encoded.right}`).events).toEqual([{
          type: event.event || "message",
          data: event.data.replace(/\r\n|\r/g, "\n"),
          lastEventId: event.id ?? ""
        }])
      }),
      Sampling.runs({ short: 300, long: 5000 })
    )
  })

  it.effect("X01 a line that means nothing comes at once, and after each heartbeat of the clock", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.unbounded<string>()
      const response = yield* ServerSentEvents.response(Stream.fromQueue(queue), { heartbeat: "10 seconds" })
      const received = yield* Queue.unbounded<string>()
      const reader = yield* Effect.fork(
        Stream.runForEach(Stream.decodeText(bodyOf(response)), (text) => Queue.offer(received, text))
      )
      expect(yield* Queue.take(received)).toBe(":\n\n")
      yield* Queue.offer(queue, "one")
      expect(yield* Queue.take(received)).toBe("data: one\n\n")
      yield* TestClock.adjust("9999 millis")
      expect(yield* Queue.size(received)).toBe(0)
      yield* TestClock.adjust("1 millis")
      expect(yield* Queue.take(received)).toBe(":\n\n")
      yield* TestClock.adjust("10 seconds")
      expect(yield* Queue.take(received)).toBe(":\n\n")
      yield* Queue.shutdown(queue)
      yield* Fiber.await(reader)
    }))

  it.effect("X01 without a heartbeat nothing is sent between the events", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<string>()
      const response = yield* ServerSentEvents.response(Stream.fromEffect(Deferred.await(gate)), {
        heartbeat: Infinity
      })
      const text = yield* Effect.fork(textOf(response))
      yield* TestClock.adjust("1 hour")
      yield* Deferred.succeed(gate, "x")
      expect(yield* Fiber.join(text)).toBe(":\n\ndata: x\n\n")
    }))

  it.effect("X01 the events' stream uses what the handler has, and is interrupted when the client goes", () =>
    Effect.gen(function*() {
      class Name extends Effect.Service<Name>()("Name", { succeed: { name: "it" } }) {}
      const began = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const events = Stream.concat(
        Stream.fromEffect(Effect.map(Name, ({ name }) => name)),
        Stream.fromEffect(
          Effect.onInterrupt(
            Effect.zipRight(Deferred.succeed(began, void 0), Effect.never),
            () => Deferred.succeed(ended, void 0)
          )
        )
      )
      const response = yield* Effect.provide(ServerSentEvents.response(events), Name.Default)
      const seen = yield* Queue.unbounded<string>()
      const reader = yield* Effect.fork(
        Stream.runForEach(Stream.decodeText(bodyOf(response)), (text) => Queue.offer(seen, text))
      )
      expect(yield* Queue.takeN(seen, 2)).toEqual(Chunk.make(":\n\n", "data: it\n\n"))
      yield* Deferred.await(began)
      yield* Fiber.interrupt(reader)
      yield* Deferred.await(ended)
    }))

  it.scoped("X01 the stream ends when the dispatcher exits", () =>
    Effect.gen(function*() {
      const response = yield* ServerSentEvents.response(Stream.never)
      const text = yield* Effect.fork(textOf(response))
      yield* Copas.exit
      expect(yield* Fiber.join(text)).toBe(":\n\n")
    }).pipe(Effect.provide(Layer.provideMerge(Copas.layer, NetMemory.layer))))

  it.effect("X01 an event that cannot be sent fails the answer, with what is wrong of it", () =>
    Effect.gen(function*() {
      const events = Stream.make({ data: "x", id: "a\0b" })
      const failure = yield* Effect.flip(textOf(yield* ServerSentEvents.response(events)))
      expect(failure).toMatchObject({ _tag: "InvalidOption", option: "id", value: "\"a\\u0000b\"" })
    }))

  it.effect.each(
    [
      [{ retry: -1 }, "retry"],
      [{ retry: Number.NaN }, "retry"],
      [{ retry: Infinity }, "retry"],
      [{ retry: "-1 seconds" }, "retry"],
      [{ heartbeat: 0 }, "heartbeat"],
      [{ heartbeat: "soon" }, "heartbeat"]
    ] as const
  )("X01 the options %j are refused", ([options, option]) =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(ServerSentEvents.response(Stream.empty, options as ServerSentEvents.Options))
      expect(failure).toMatchObject({ _tag: "InvalidOption", option })
    }))

  it.effect("X01 the last id that a browser saw is in its next request, as it was sent", () =>
    Effect.gen(function*() {
      const request = (headers: Record<string, string>) =>
        Effect.provideService(ServerSentEvents.lastEventId, HttpServerRequest.HttpServerRequest, {
          headers: Headers.fromInput(headers)
        } as HttpServerRequest.HttpServerRequest)
      const id = "n\u00e9 \u{1f600}"
      expect(yield* request({ "Last-Event-ID": Buffer.from(id, "utf8").toString("latin1") })).toEqual(Option.some(id))
      expect(yield* request({ "Last-Event-ID": "" })).toEqual(Option.none())
      expect(yield* request({})).toEqual(Option.none())
    }))
})
