/** The rounds of an HTTP client that has promises. */
import { rounds } from "../client-rounds.js"
import { atOnce, big, checkBody, checkedDownload, done, heldBy, kind, requestsEach, smallUrl } from "./told.js"

export interface Client {
  readonly get: (url: string) => Promise<Uint8Array>
  readonly download: (url: string, take: (chunk: Uint8Array) => void) => Promise<void>
  /** Begins a download and takes nothing but its first chunk. Gives what ends it. */
  readonly stall: (url: string) => Promise<() => void>
}

const get = async (client: Client): Promise<number> => {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < requestsEach) {
      const number = next++
      checkBody(number, await client.get(smallUrl(number)))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return done
}

const download = async (client: Client): Promise<number> => {
  const checked = checkedDownload()
  await client.download(big, (chunk) => checked.take(chunk))
  checked.end()
  return done
}

const slow = async (client: Client): Promise<number> => {
  const ends: Array<() => void> = []
  const held = await heldBy(async () => {
    ends.push(...await Promise.all(Array.from({ length: atOnce }, () => client.stall(big))))
  })
  for (const end of ends) end()
  return held
}

export const run = (client: Client): Promise<void> =>
  rounds(() => kind === "small" ? get(client) : kind === "download" ? download(client) : slow(client))
