/** got. */
import { got } from "got"
import * as http from "node:http"
import * as https from "node:https"
import { run } from "./promises.js"
import { authority, connections, isHttp2 } from "./told.js"

const client = got.extend({
  ...(isHttp2 ? { http2: true } : {
    agent: {
      http: new http.Agent({ keepAlive: true, maxSockets: connections }),
      https: new https.Agent({ keepAlive: true, maxSockets: connections })
    }
  }),
  https: { certificateAuthority: authority },
  decompress: false,
  retry: { limit: 0 }
})

await run({
  get: (url) => client(url).buffer(),
  download: async (url, take) => {
    for await (const chunk of client.stream(url)) take(chunk)
  },
  stall: async (url) => {
    const stream = client.stream(url)
    await stream[Symbol.asyncIterator]().next()
    stream.on("error", () => {})
    return () => void stream.destroy()
  }
})
