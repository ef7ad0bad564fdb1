/** Which file a path means, and what of the path is left for the script (RFC 3875, 3.3). */
import * as Effect from "effect/Effect"
import * as path from "node:path"
import { CgiRefused } from "../../CgiError.js"
import { openWithin, type Root } from "../static/opening.js"
import { namesOf } from "../static/path.js"

/** A script, and how it was asked for. */
export interface Found {
  /** Its real path. */
  readonly file: string
  /** Decoded: what the client wrote for the script. */
  readonly name: string
  /** Decoded segments that come after it; empty if the path ends with the script's name. */
  readonly rest: ReadonlyArray<string>
  readonly isExecutable: boolean
}

const rules = { dotFiles: true, windows: false }

/**
 * The segments of a path that begins with `/`, each decoded once. What could mean another folder is refused: in what the
 * script gets as well, because scripts make file names of that. There a segment may be empty.
 */
export const segmentsOf = (url: string): Effect.Effect<ReadonlyArray<string>, CgiRefused> =>
  url.startsWith("/")
    ? Effect.forEach(url.slice(1).split("/"), (segment) => {
      const names = namesOf(`/${segment}`, rules)
      return "why" in names
        ? Effect.fail(new CgiRefused({ status: names.status, why: `the path has ${names.why}` }))
        : Effect.succeed(names.names[0] ?? "")
    })
    : Effect.fail(new CgiRefused({ status: 400, why: "the target is no path" }))

const notFound = new CgiRefused({ status: 404, why: "there is no such script" })

/** The first file on the way from `root`, proved to be in it by an open handle. Links are followed within it. */
export const find = (root: Root, segments: ReadonlyArray<string>): Effect.Effect<Found, CgiRefused> =>
  Effect.gen(function*() {
    for (const [index, segment] of segments.entries()) {
      if (segment === "" || segment.startsWith(".")) return yield* notFound
      const { file, stats } = yield* Effect.acquireUseRelease(
        openWithin(root, segments.slice(0, index + 1)),
        ({ realPath, stats }) => Effect.succeed({ file: realPath, stats }),
        (handle) => Effect.sync(handle.close)
      ).pipe(
        Effect.mapError(({ status, why }) => {
          const known = status === 400 || status === 403 ? status : 404
          return new CgiRefused({ status: known, why: `there is no such script: ${why}` })
        })
      )
      if (stats.isDirectory()) continue
      if (!stats.isFile()) return yield* notFound
      // A name and what it is a link to: neither may let a script write the status line itself.
      if ([segment, path.basename(file)].some((name) => /^nph-/i.test(name))) {
        return yield* new CgiRefused({ status: 501, why: "the script is a non-parsed-header one (`nph-`)" })
      }
      return {
        file,
        name: `/${segments.slice(0, index + 1).join("/")}`,
        rest: segments.slice(index + 1),
        isExecutable: (Number(stats.mode) & 0o111) !== 0
      }
    }
    return yield* notFound
  })
