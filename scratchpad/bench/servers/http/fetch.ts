/** undici's `fetch`, with the same agent: the one within Node takes no other's. */
import { default as Undici } from "@effect/platform-node/Undici"
import { run } from "./promises.js"
import { bareOptions } from "./undici.js"

const dispatcher = new Undici.Agent(bareOptions)

const responseTo = async (url: string) => {
  const response = await Undici.fetch(url, { dispatcher })
  if (response.status !== 200) throw new Error(`status ${response.status}`)
  return response
}

await run({
  get: async (url) => (await responseTo(url)).bytes(),
  download: async (url, take) => {
    for await (const chunk of (await responseTo(url)).body!) take(chunk)
  },
  stall: async (url) => {
    const reader = (await responseTo(url)).body!.getReader()
    await reader.read()
    return () => void reader.cancel()
  }
})
