/** Options of static files that make no sense are refused when the app is made. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Path from "node:path"
import { StaticFiles } from "../../src/index.js"
import * as Tree from "./tree.js"

const refused = (root: string, options: unknown): Effect.Effect<string> =>
  Effect.match(StaticFiles.make(root, options as StaticFiles.Options), {
    onFailure: ({ message }) => message,
    onSuccess: () => "made"
  })

it.scopedLive("X02 an option without sense is refused, and the message says which and why", () =>
  Effect.gen(function*() {
    const root = yield* Tree.make({ "a.txt": "a" })
    for (
      const [options, option] of [
        [{ index: "" }, "index"],
        [{ index: "sub/index.html" }, "index"],
        [{ index: ["index.html", ".."] }, "index"],
        [{ types: { html: "html" } }, "types.html"],
        [{ types: { html: "text/html\r\nX-Evil: 1" } }, "types.html"],
        [{ precompressed: ["deflate"] }, "precompressed"],
        [{ cacheControl: "no-cache\r\nX-Evil: 1" }, "cacheControl"],
        [{ cacheControl: "" }, "cacheControl"],
        [{ cacheControl: [{ match: /x/, value: "é" }] }, "cacheControl"],
        [{ listing: { maxEntries: 0 } }, "listing.maxEntries"],
        [{ listing: { maxEntries: 1.5 } }, "listing.maxEntries"],
        [{ maxOpenFiles: 0 }, "maxOpenFiles"],
        [{ maxOpenFiles: NaN }, "maxOpenFiles"],
        [{ fallback: "" }, "fallback"],
        [{ fallback: "/" }, "fallback"],
        [{ fallback: "../index.html" }, "fallback"],
        [{ fallback: "a//b" }, "fallback"],
        [{ notFound: "pages/" }, "notFound"]
      ] as const
    ) {
      const message = yield* refused(root, options)
      expect([options, message.startsWith(`\`${option}\` is `), message.includes(", but must be ")])
        .toEqual([options, true, true])
    }
    for (const options of [{}, { index: false, fallback: "/a.txt", notFound: "b c.html", listing: true }]) {
      expect(yield* refused(root, options)).toBe("made")
    }
  }))

it.scopedLive("X02 a root that is no directory is refused, and the message says why", () =>
  Effect.gen(function*() {
    const root = yield* Tree.make({ "a.txt": "a" })
    expect(yield* refused(Path.join(root, "nothing"), {})).toContain("a directory that this process may read (ENOENT)")
    expect(yield* refused(Path.join(root, "a.txt"), {})).toContain("(ENOTDIR)")
    expect(yield* refused("a\0b", {})).toContain("`root` is ")
  }))
