/** The calls of the client, each over the pipeline. */
import { HttpTransport } from "@copas/core/HttpTransport"
import { Net } from "@copas/core/Net"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Sink from "effect/Sink"
import * as Body from "../../Body.js"
import type { Service } from "../../Http.js"
import type { Defaults, DownloadOptions, LocalFile, RequestOptions, Target, UploadOptions } from "../../HttpRequest.js"
import * as Primitives from "../crypto/primitives.js"
import * as Showing from "../showing.js"
import * as Client from "./client.js"
import * as Download from "./download.js"
import * as Pipelines from "./pipeline.js"
import * as Response from "./response.js"
import * as Routes from "./route.js"
import * as Settings from "./settings.js"
import * as Upload from "./upload.js"
import * as Whole from "./whole.js"

const isUrl = (target: unknown): target is string | URL => typeof target === "string" || target instanceof URL

/** As LuaSocket posts the second argument of `http.request`. */
const posted = <E, R>(url: string | URL, body: Body.Body<E, R>): Target<E, R> =>
  ({
    url,
    method: "POST",
    body: typeof body === "string" ? Body.text(body, { type: "application/x-www-form-urlencoded" }) : body
  }) as Target<E, R>

const methods = {
  get: "GET",
  head: "HEAD",
  post: "POST",
  put: "PUT",
  patch: "PATCH",
  del: "DELETE",
  options: "OPTIONS"
} as const

export const make = (
  defaults: Defaults
): Effect.Effect<Service, Settings.SettingsFailure, Net | HttpTransport> =>
  Effect.gen(function*() {
    const net = yield* Net
    const transport = yield* HttpTransport
    const { decoders } = transport
    const routes = Routes.make(net)
    const primitives = Primitives.make(net.crypto)
    const tools = { routes, codings: Object.keys(decoders).join(", ") }
    const base = yield* Settings.make(defaults, undefined, tools)
    const pipeline = Pipelines.make(base, tools, { transport, routes, randomBytes: primitives.randomBytes })
    const moving = { pipeline, decoders, primitives }

    const open = <E, R>(target: Target<E, R>) =>
      Effect.flatMap(pipeline.open(target, "any"), (answer) => Response.make(answer, decoders))
    const call = (method: string): Service["get"] => (url, options) =>
      open({ ...options, method, url } as RequestOptions<any, any> & { readonly url: string | URL })
    const service: Omit<Service, "request" | "json" | "download"> & Showing.Shown = {
      ...Showing.of("@copas/clients/Http", () => ({})),
      get: call(methods.get),
      head: call(methods.head),
      post: call(methods.post),
      put: call(methods.put),
      patch: call(methods.patch),
      del: call(methods.del),
      options: call(methods.options),
      bytes: (target) => pipeline.use(target, "2xx", (answer) => Whole.bytes(answer, decoders)),
      text: (target) => pipeline.use(target, "2xx", (answer) => Whole.text(answer, decoders)),
      upload: (target: Target<any, any>, from: any, options?: UploadOptions): Effect.Effect<any, any, any> =>
        Upload.upload(moving, target as Target, from, options),
      client: Client.make(pipeline, decoders)
    }
    // These have several forms.
    const request = (target: Target<any, any>, body?: Body.Body<any, any>): Effect.Effect<any, any, any> =>
      isUrl(target)
        ? pipeline.use(
          body === undefined ? target : posted(target, body),
          "any",
          (answer) => Whole.whole(answer, decoders)
        )
        : open(target)
    const json = (target: Target<any, any>, schema?: Schema.Schema<any, any, any>): Effect.Effect<any, any, any> => {
      const value = pipeline.use(target, "2xx", (answer) => Whole.json(answer, decoders))
      return schema === undefined ? value : Effect.flatMap(value, Schema.decodeUnknown(schema))
    }
    const download = (
      target: Target<any, any>,
      to: LocalFile | Sink.Sink<any, Uint8Array, any, any, any>,
      { progress }: DownloadOptions = {}
    ): Effect.Effect<any, any, any> =>
      "path" in to
        ? Download.toFile(moving, target, to, progress)
        : Download.toSink(moving, target, to, progress)
    return { ...service, request, json, download } as Service
  })
