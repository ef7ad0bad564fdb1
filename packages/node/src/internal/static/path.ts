/** From the target of a request to the names of a path below a directory: decoded once, and refused where a name could lead elsewhere. */

/** A request's target, in its parts; neither is decoded. */
export interface Target {
  /** From its first slash; "" where there is none, as a mounted app has it for the place of its mount. */
  readonly path: string
  /** With its question mark, or "". */
  readonly query: string
}

/** Of a request's `url` or `originalUrl`; an absolute target (RFC 9112, 3.2.2) loses its scheme and authority. */
export const targetOf = (url: string): Target => {
  const local = url.startsWith("/") ? url : url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "")
  const hash = local.indexOf("#")
  const whole = hash === -1 ? local : local.slice(0, hash)
  const at = whole.indexOf("?")
  return at === -1 ? { path: whole, query: "" } : { path: whole.slice(0, at), query: whole.slice(at) }
}

/** Why a path is refused, before anything is looked up. */
export interface Refused {
  readonly status: 400 | 404
  readonly why: string
}

/** The names of a path, decoded. */
export interface Names {
  readonly names: ReadonlyArray<string>
  /** It ended with a slash, or was empty. */
  readonly isFolder: boolean
}

const refused = (status: 400 | 404, why: string): Refused => ({ status, why })

/** Names that Windows takes for devices, with any extension. */
const device = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)/i
// A stream or a drive, a short name, and ends that Windows drops: each is another spelling of a name.
const otherSpelling = /:|~\d|[. ]$/

const nameFault = (name: string, isFirst: boolean, rules: PathRules): Refused | undefined => {
  if (name.includes("\0")) return refused(400, "a NUL")
  if (name === "") return refused(404, "an empty name")
  if (name === "." || name === "..") return refused(404, "a name of dots")
  if (/[/\\]/.test(name)) return refused(404, "an encoded slash")
  if (!rules.dotFiles && name.startsWith(".") && !(isFirst && name === ".well-known")) return refused(404, "a dot file")
  if (rules.windows && (device.test(name) || otherSpelling.test(name))) return refused(404, "a name of Windows's own")
  return undefined
}

/** How paths are judged. */
export interface PathRules {
  /** Names that begin with a dot are names as others; without it only a first `.well-known` (RFC 8615) is. */
  readonly dotFiles: boolean
  readonly windows: boolean
}

/**
 * The names of a path that is still encoded. Each name is decoded once: `%252e` is a name with a percent sign, and an encoded
 * slash never separates names.
 */
export const namesOf = (path: string, rules: PathRules): Names | Refused => {
  const parts = (path.startsWith("/") ? path.slice(1) : path).split("/")
  const isFolder = parts.at(-1) === ""
  if (isFolder) parts.pop()
  const names: Array<string> = []
  for (const part of parts) {
    const name = decoded(part)
    const fault = name === undefined ? refused(400, "a bad escape") : nameFault(name, names.length === 0, rules)
    if (fault !== undefined) return fault
    names.push(name!)
  }
  return { names, isFolder }
}

const decoded = (part: string): string | undefined => {
  if (!part.includes("%")) return part
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}
