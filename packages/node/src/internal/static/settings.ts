/** The options of static files, checked and completed. */
import type { InvalidOption } from "@copas/core/SocketError"
import type * as HttpApp from "@effect/platform/HttpApp"
import contentDisposition from "content-disposition"
import * as Effect from "effect/Effect"
import * as Mime from "mime-types"
import type { Match, Options } from "../../StaticFiles.js"
import { orFail } from "../effect/eithers.js"
import { count, invalid } from "../optionValues.js"
import * as Codings from "./codings.js"
import { type Names, namesOf, type PathRules } from "./path.js"

export interface Settings {
  readonly rules: PathRules
  readonly index: ReadonlyArray<string>
  readonly codings: ReadonlyArray<Codings.Coding>
  /** How many entries a listing has at most; 0 if there is none. */
  readonly maxEntries: number
  readonly maxOpenFiles: number
  readonly fallback: ReadonlyArray<string> | undefined
  readonly notFound: ReadonlyArray<string> | HttpApp.Default<any, any> | undefined
  readonly typeOf: (name: string) => string
  /** The fields of a file's own, by its path below the root. */
  readonly fieldsOf: (names: ReadonlyArray<string>) => Record<string, string>
}

const fieldValue = /^[\x20-\x7e]+$/

const isMatch = (match: Match, path: string): boolean =>
  // `test` would go on where a pattern with the flag `g` or `y` ended last.
  typeof match === "function" ? match(path) : path.search(match) !== -1

const forever = "public, max-age=31536000, immutable"

const isFile = (path: string): boolean => path !== "" && !path.endsWith("/")

const windows = process.platform === "win32"

/** The names of a file that an option names by its path below the root. */
const fileOf = (option: string, path: string): Effect.Effect<ReadonlyArray<string>, InvalidOption> => {
  const expected = "the path of a file below the root, with / between its names"
  const encoded = path.replace(/^\//, "").split("/").map(encodeURIComponent).join("/")
  const names: Names | undefined = isFile(path) ? pathOf(encoded) : undefined
  return names === undefined ? Effect.fail(invalid(option, path, expected)) : Effect.succeed(names.names)
}

const pathOf = (encoded: string): Names | undefined => {
  const names = namesOf(encoded, { dotFiles: true, windows })
  return "names" in names ? names : undefined
}

const extensionOf = (name: string): string => /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? ""

/** The media type of a file by its name, with a charset where it has one; what is unknown browsers neither show nor run. */
export const mediaTypeOf = (name: string): string => {
  const extension = extensionOf(name)
  return extension !== "" && Mime.contentType(`.${extension}`) || "application/octet-stream"
}

/** Media types with those of the program first. */
const types = (own: Readonly<Record<string, string>>): Effect.Effect<(name: string) => string, InvalidOption> => {
  const byExtension = new Map<string, string>()
  for (const [extension, type] of Object.entries(own)) {
    if (!/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+/.test(type) || !fieldValue.test(type)) {
      return Effect.fail(invalid(`types.${extension}`, type, "a media type, such as \"text/plain; charset=utf-8\""))
    }
    byExtension.set(extension.replace(/^\./, "").toLowerCase(), Mime.contentType(type) || type)
  }
  return Effect.succeed((name) => byExtension.get(extensionOf(name)) ?? mediaTypeOf(name))
}

export const check = (options: Options<any, any>): Effect.Effect<Settings, InvalidOption> =>
  Effect.gen(function*() {
    const { cacheControl = [], download = false, immutable, listing = false, precompressed = false } = options
    const index = options.index === false ? [] : [options.index ?? "index.html"].flat()
    for (const name of index) {
      const names = pathOf(encodeURIComponent(name))
      if (names?.names.length !== 1) return yield* invalid("index", name, "the name of a file, without a slash")
    }
    const caching = typeof cacheControl === "string" ? [{ match: /^/, value: cacheControl }] : cacheControl
    for (const { value } of caching) {
      if (!fieldValue.test(value)) return yield* invalid("cacheControl", value, "a value of Cache-Control, of ASCII")
    }
    const codings = precompressed === true ? Codings.all : precompressed === false ? [] : precompressed
    for (const coding of codings) {
      if (!Codings.all.includes(coding)) {
        return yield* invalid("precompressed", coding, Codings.all.map((one) => `"${one}"`).join(" or "))
      }
    }
    const { fallback, notFound } = options
    return {
      rules: { dotFiles: options.dotFiles ?? false, windows },
      index,
      // In the order of size, whatever the order of the option is.
      codings: Codings.all.filter((coding) => codings.includes(coding)),
      maxEntries: listing === false
        ? 0
        : yield* orFail(count("listing.maxEntries", (listing === true ? undefined : listing.maxEntries) ?? 1000, 1)),
      maxOpenFiles: yield* orFail(count("maxOpenFiles", options.maxOpenFiles ?? 512, 1)),
      fallback: fallback === undefined ? undefined : yield* fileOf("fallback", fallback),
      notFound: typeof notFound === "string" ? yield* fileOf("notFound", notFound) : notFound,
      typeOf: yield* types(options.types ?? {}),
      fieldsOf: (names) => {
        const path = `/${names.join("/")}`
        const fields: Record<string, string> = { "x-content-type-options": "nosniff" }
        const cache = immutable !== undefined && isMatch(immutable, path)
          ? forever
          : caching.find(({ match }) => isMatch(match, path))?.value
        if (cache !== undefined) fields["cache-control"] = cache
        if (download === true || download !== false && isMatch(download, path)) {
          fields["content-disposition"] = contentDisposition(names.at(-1) ?? "")
        }
        return fields
      }
    }
  })
