/**
 * The test server's files. Names are kept as one character a byte: what came is what is given back.
 */
import * as Bytes from "../../../internal/text/bytes.js"

export interface Node {
  readonly isDirectory: boolean
  bytes: Uint8Array
  modified: Date
  mode: number
}

const encoder = new TextEncoder()

export const binaryOf = (text: string): string => Bytes.toBinary(encoder.encode(text))

/** An absolute path without `.`, `..` and double slashes. */
export const normalise = (directory: string, path: string): string => {
  const parts: Array<string> = []
  for (const part of (path.startsWith("/") ? path : `${directory}/${path}`).split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return `/${parts.join("/")}`
}

export const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

const parentOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf("/")))

export class Disk {
  private readonly nodes = new Map<string, Node>()

  constructor() {
    this.makeDirectory("/")
  }

  get(path: string): Node | undefined {
    return this.nodes.get(path)
  }

  makeDirectory(path: string): void {
    this.nodes.set(path, { isDirectory: true, bytes: Bytes.empty, modified: new Date(0), mode: 0o755 })
  }

  /** With the directories that it lies in. */
  write(path: string, bytes: Uint8Array, modified: Date): Node {
    for (let parent = parentOf(path); !this.nodes.has(parent); parent = parentOf(parent)) this.makeDirectory(parent)
    const known = this.nodes.get(path)
    const node = { isDirectory: false, bytes, modified, mode: known?.mode ?? 0o644 }
    this.nodes.set(path, node)
    return node
  }

  hasParent(path: string): boolean {
    return this.nodes.get(parentOf(path))?.isDirectory === true
  }

  remove(path: string): void {
    this.nodes.delete(path)
  }

  rename(from: string, to: string): void {
    for (const [path, node] of Array.from(this.nodes)) {
      if (path !== from && !path.startsWith(`${from}/`)) continue
      this.nodes.delete(path)
      this.nodes.set(to + path.slice(from.length), node)
    }
  }

  /** Names and nodes, in order. */
  children(path: string): ReadonlyArray<readonly [string, Node]> {
    const prefix = path === "/" ? "/" : `${path}/`
    return Array.from(this.nodes)
      .filter(([each]) => each !== "/" && each.startsWith(prefix) && !each.slice(prefix.length).includes("/"))
      .map(([each, node]) => [each.slice(prefix.length), node] as const)
      .sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
  }

  get files(): ReadonlyArray<string> {
    return Array.from(this.nodes).filter(([, node]) => !node.isDirectory).map(([path]) => path).sort()
  }
}

// ---- how listings print

const pad = (value: number, length = 2): string => String(value).padStart(length, "0")

export const timeVal = (date: Date): string =>
  `${pad(date.getUTCFullYear(), 4)}${pad(date.getUTCMonth() + 1)}${pad(date.getUTCDate())}${pad(date.getUTCHours())}` +
  `${pad(date.getUTCMinutes())}${pad(date.getUTCSeconds())}`

export const parseTimeVal = (text: string): Date | undefined => {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number)
  return new Date(Date.UTC(year!, month! - 1, day, hour, minute, second))
}

export const facts = (node: Node, type = node.isDirectory ? "dir" : "file"): string =>
  `type=${type};${node.isDirectory ? "" : `size=${node.bytes.length};`}modify=${timeVal(node.modified)};` +
  `UNIX.mode=0${node.mode.toString(8)};`

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

const letters = (mode: number): string =>
  [8, 7, 6, 5, 4, 3, 2, 1, 0].map((bit) => (mode >> bit) & 1 ? "xwr"[bit % 3] : "-").join("")

export const unixLine = (name: string, { bytes, isDirectory, mode, modified }: Node): string =>
  `${isDirectory ? "d" : "-"}${letters(mode)}    1 ftp      ftp      ${String(bytes.length).padStart(12)} ` +
  `${months[modified.getUTCMonth()]} ${pad(modified.getUTCDate())}  ${modified.getUTCFullYear()} ${name}`

export const dosLine = (name: string, { bytes, isDirectory, modified }: Node): string => {
  const hour = modified.getUTCHours()
  return `${pad(modified.getUTCMonth() + 1)}-${pad(modified.getUTCDate())}-${pad(modified.getUTCFullYear() % 100)}  ` +
    `${pad(hour % 12 === 0 ? 12 : hour % 12)}:${pad(modified.getUTCMinutes())}${hour < 12 ? "AM" : "PM"} ` +
    `${isDirectory ? "      <DIR>         " : String(bytes.length).padStart(20)} ${name}`
}
