/** The listing of a directory, as a page and as JSON. */
import type * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type Handle, isWithin, type Refusal, type Root, settle } from "./opening.js"

/** What a directory has. */
export interface Entry {
  readonly name: string
  readonly type: "file" | "directory"
  /** In bytes; of directories 0. */
  readonly size: number
  /** In milliseconds since 1970. */
  readonly modified: number
}

export interface Listing {
  /** By name, directories first. */
  readonly entries: ReadonlyArray<Entry>
  /** There are more than the bound allows. */
  readonly isCut: boolean
}

/** Names that are shown: those that can be asked for. A name that is no Unicode text cannot be. */
const isShown = (name: string, dotFiles: boolean): boolean =>
  (dotFiles || !name.startsWith(".")) && !/[\\\ufffd\ud800-\udfff]/u.test(name)

const entryOf = async (root: Root, directory: string, name: string): Promise<Entry | undefined> => {
  try {
    const path = Path.join(directory, name)
    let stats = await Fs.promises.lstat(path)
    if (stats.isSymbolicLink()) {
      if (!isWithin(root.real, await Fs.promises.realpath(path))) return undefined
      stats = await Fs.promises.stat(path)
    }
    if (!stats.isFile() && !stats.isDirectory()) return undefined
    const isDirectory = stats.isDirectory()
    return {
      name,
      type: isDirectory ? "directory" : "file",
      size: isDirectory ? 0 : stats.size,
      modified: Math.floor(stats.mtimeMs)
    }
  } catch {
    // It was removed meanwhile, or this process may not look at it.
    return undefined
  }
}

/** How many entries are looked at together: the system's threads for files are four. */
const atOnce = 16

const compare = (one: Entry, other: Entry): number =>
  one.type === other.type ? (one.name < other.name ? -1 : 1) : one.type === "directory" ? -1 : 1

/** Lists the open directory, with at most `maxEntries`. Links that lead out of the root are left out. */
export const list = (
  root: Root,
  handle: Handle,
  settings: { readonly dotFiles: boolean; readonly maxEntries: number }
): Effect.Effect<Listing, Refusal> =>
  settle(async () => {
    const own = `/proc/self/fd/${handle.fd}`
    // The directory that was opened, wherever its path leads by now.
    const directory = process.platform === "linux" && Fs.existsSync(own) ? own : handle.realPath
    const names: Array<string> = []
    let isCut = false
    for await (const { name } of await Fs.promises.opendir(directory)) {
      if (!isShown(name, settings.dotFiles)) continue
      isCut = names.length === settings.maxEntries
      if (isCut) break
      names.push(name)
    }
    const entries: Array<Entry> = []
    for (let at = 0; at < names.length; at += atOnce) {
      const some = await Promise.all(names.slice(at, at + atOnce).map((name) => entryOf(root, directory, name)))
      for (const entry of some) if (entry !== undefined) entries.push(entry)
    }
    return { entries: entries.sort(compare), isCut }
  }, () => {})

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\"": "&quot;",
  "'": "&#39;"
}

const escape = (text: string): string => text.replace(/[&<>"']/g, (char) => escapes[char]!)

const rowOf = ({ modified, name, size, type }: Entry): string => {
  const shown = type === "directory" ? `${name}/` : name
  const href = `./${encodeURIComponent(name)}${type === "directory" ? "/" : ""}`
  const when = new Date(modified).toISOString().slice(0, 19).replace("T", " ")
  return `<tr><td><a href="${escape(href)}">${escape(shown)}</a></td><td>${type === "directory" ? "" : size}</td>`
    + `<td>${when}</td></tr>\n`
}

/** A page without scripts and styles. */
export const toHtml = ({ entries, isCut }: Listing, names: ReadonlyArray<string>): string => {
  const title = escape(`/${names.map((name) => `${name}/`).join("")}`)
  return `<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n`
    + `<table>\n<tr><th>Name</th><th>Bytes</th><th>Changed (UTC)</th></tr>\n`
    + (names.length === 0 ? "" : `<tr><td><a href="../">../</a></td><td></td><td></td></tr>\n`)
    + `${entries.map(rowOf).join("")}</table>\n${isCut ? "<p>There are more.</p>\n" : ""}</body>\n</html>\n`
}

/** `{"entries":[{"name","type","size","modified"}],"truncated"}`; `modified` is a time of ISO 8601. */
export const toJson = ({ entries, isCut }: Listing): string =>
  JSON.stringify({
    entries: entries.map((entry) => ({ ...entry, modified: new Date(entry.modified).toISOString() })),
    truncated: isCut
  })
