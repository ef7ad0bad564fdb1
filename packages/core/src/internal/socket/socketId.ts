let last = 0

/** A number that no other socket of this process has, whatever its kind. */
export const nextSocketId = (): number => {
  last += 1
  return last
}
