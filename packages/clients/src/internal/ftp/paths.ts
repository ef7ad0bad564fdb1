/**
 * Parts of a server's paths, as binary strings. Each in time that grows with the path: no pattern goes back in it.
 */

const slash = "/"

/** Without the slashes at its end; `/` alone is empty. */
export const trimmed = (path: string): string => {
  let end = path.length
  while (end > 0 && path[end - 1] === slash) end--
  return path.slice(0, end)
}

/** The last part, or the whole path where it has none. */
export const lastOf = (path: string): string => {
  const plain = trimmed(path)
  return plain.slice(plain.lastIndexOf(slash) + 1) || path
}

/** The directory that it lies in, without a slash at its end; `undefined` for one name, and for what lies in the root. */
export const parentOf = (path: string): string | undefined => {
  const plain = trimmed(path)
  const end = plain.lastIndexOf(slash)
  return end < 0 ? undefined : trimmed(plain.slice(0, end)) || undefined
}
