/** The names of the dispatchers of this process, each used once at a time: metrics tell dispatchers apart by them. */
const inUse = new Set<string>()

/** `wanted`, or the first of `wanted_2`, `wanted_3` … that no other dispatcher has now. */
export const claim = (wanted: string): string => {
  let name = wanted
  for (let number = 2; inUse.has(name); number += 1) name = `${wanted}_${number}`
  inUse.add(name)
  return name
}

export const giveBack = (name: string): void => {
  inUse.delete(name)
}
