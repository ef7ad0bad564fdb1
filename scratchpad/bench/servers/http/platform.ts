/** The rounds of a client of `@effect/platform`. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Client, stalled } from "./effects.js"

export const viaPlatform = (client: HttpClient.HttpClient): Client<unknown, never> => {
  const ok = HttpClient.filterStatusOk(client)
  const streamOf = (url: string) => Stream.unwrap(Effect.map(ok.get(url), (response) => response.stream))
  return {
    get: (url) =>
      Effect.flatMap(ok.get(url), (response) => Effect.map(response.arrayBuffer, (body) => new Uint8Array(body))),
    download: (url, take) => Stream.runForEach(streamOf(url), (chunk) => Effect.sync(() => take(chunk))),
    stall: (url) => stalled((take) => Stream.runForEach(streamOf(url), take))
  }
}
