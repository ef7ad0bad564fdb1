/** Bare undici, `request`. */
import { default as Undici } from "@effect/platform-node/Undici"
import { run } from "./promises.js"
import { bareOptions } from "./undici.js"

const dispatcher = new Undici.Agent(bareOptions)

const bodyOf = async (url: string) => {
  const { body, statusCode } = await Undici.request(url, { dispatcher })
  if (statusCode !== 200) throw new Error(`status ${statusCode}`)
  return body
}

await run({
  get: async (url) => (await bodyOf(url)).bytes(),
  download: async (url, take) => {
    for await (const chunk of await bodyOf(url)) take(chunk)
  },
  stall: async (url) => {
    const body = await bodyOf(url)
    await body[Symbol.asyncIterator]().next()
    body.on("error", () => {})
    return () => void body.destroy()
  }
})
