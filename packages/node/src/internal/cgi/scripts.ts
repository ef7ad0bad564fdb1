/** Which file a path means, and what of the path is left for the script (RFC 3875, 3.3). */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { CgiRefused } from "../../CgiError.js"

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

const refused = (status: 400 | 403 | 404 | 501, why: string): CgiRefused => new CgiRefused({ status, why })

/**
 * The segments of a path that begins with `/`, each decoded once. A segment that could mean another folder, or that holds a
 * separator or a NUL, is refused: in what the script gets as well, because scripts make file names of that.
 */
export const segmentsOf = (url: string): ReadonlyArray<string> | CgiRefused => {
  if (!url.startsWith("/") || url.includes("#")) return refused(400, "the target is no path")
  const segments: Array<string> = []
  for (const segment of url.slice(1).split("/")) {
    let decoded: string
    try {
      decoded = decodeURIComponent(segment)
    } catch {
      return refused(400, "the path has a segment that is no UTF-8")
    }
    if (/[/\\\0]/.test(decoded) || decoded === "." || decoded === "..") {
      return refused(400, "the path has a segment with a separator or a dot segment")
    }
    segments.push(decoded)
  }
  return segments
}

const notFound = refused(404, "there is no such script")

/** Anything that may be the name of a file of this site that a client sees: no hidden file. */
const isName = (segment: string): boolean => segment !== "" && !segment.startsWith(".")

/** The first file on the way from `root`, which is a real path. Links are followed within the root. */
export const find = async (root: string, segments: ReadonlyArray<string>): Promise<Found | CgiRefused> => {
  let at = root
  for (const [index, segment] of segments.entries()) {
    if (!isName(segment)) return notFound
    at = path.join(at, segment)
    try {
      const stats = await fs.stat(at)
      if (stats.isDirectory()) continue
      if (!stats.isFile()) return notFound
      const file = await fs.realpath(at)
      if (!file.startsWith(root.endsWith(path.sep) ? root : root + path.sep)) return notFound
      // A name and what it is a link to: neither may let a script write the status line itself.
      if ([segment, path.basename(file)].some((name) => /^nph-/i.test(name))) {
        return refused(501, "the script is a non-parsed-header one (`nph-`)")
      }
      return {
        file,
        name: `/${segments.slice(0, index + 1).join("/")}`,
        rest: segments.slice(index + 1),
        isExecutable: (stats.mode & 0o111) !== 0
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      return code === "EACCES" || code === "EPERM" ? refused(403, "the script cannot be read") : notFound
    }
  }
  return notFound
}
