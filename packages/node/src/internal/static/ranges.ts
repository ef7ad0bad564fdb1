/** Byte ranges: RFC 9110, 14. */
import parse from "range-parser"

/** Bytes of a file, from `start` up to, and without, `end`. */
export interface Slice {
  readonly start: number
  readonly end: number
}

/** An answer with more parts than this costs more than the whole file: it is sent whole (RFC 9110, 14.2). */
const mostRanges = 20

/**
 * The slices that a Range field asks for, merged where they overlap or touch; `"whole"` if the field does not count: another
 * unit, not the grammar, or too many; `"none"` if no byte of it exists.
 */
export const slicesOf = (field: string, size: number): ReadonlyArray<Slice> | "whole" | "none" => {
  const set = /^bytes=(.*)$/i.exec(field)?.[1]
  if (set === undefined) return "whole"
  const specs: Array<string> = []
  for (const part of set.split(",")) {
    const spec = part.trim()
    if (spec === "") continue
    const [, first, last] = /^(\d*)-(\d*)$/.exec(spec) ?? []
    if (first === undefined || first === "" && last === "") return "whole"
    if (first !== "" && last !== "" && Number(first) > Number(last)) return "whole"
    // The library takes a suffix that is longer than the file for one that cannot be had.
    specs.push(first === "" && Number(last) >= size && size > 0 ? "0-" : spec)
  }
  if (specs.length === 0) return "whole"
  const ranges = parse(size, `bytes=${specs.join(",")}`, { combine: true })
  if (typeof ranges === "number") return ranges === -1 ? "none" : "whole"
  return ranges.length > mostRanges ? "whole" : ranges.map(({ end, start }) => ({ start, end: end + 1 }))
}

/** `Content-Range` of a slice. */
export const contentRange = ({ end, start }: Slice, size: number): string => `bytes ${start}-${end - 1}/${size}`

/** The parts of a `multipart/byteranges` (RFC 9110, 14.6): text between slices of the file. */
export const multipart = (
  slices: ReadonlyArray<Slice>,
  size: number,
  contentType: string,
  boundary: string
): ReadonlyArray<Slice | string> => [
  ...slices.flatMap((slice, at) => [
    `${at === 0 ? "" : "\r\n"}--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Range: ${
      contentRange(slice, size)
    }\r\n\r\n`,
    slice
  ]),
  `\r\n--${boundary}--\r\n`
]
