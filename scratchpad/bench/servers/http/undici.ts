/** What the programs over undici share: its options, and `dispatch` with a handler. */
import type * as Undici from "@effect/platform-node/Undici"
import type { Client } from "./promises.js"
import { authority, connections, isHttp2 } from "./told.js"

export const agentOptions = { connections }

/** Of undici over its own sockets. */
export const bareOptions: Undici.Agent.Options = { ...agentOptions, allowH2: isHttp2, connect: { ca: authority } }

interface Head {
  readonly origin: string
  readonly path: string
  readonly method: "GET"
}

const headOf = (url: string): Head => {
  const { origin, pathname } = new URL(url)
  return { origin, path: pathname, method: "GET" }
}

const checkStatus = (status: number): void => {
  if (status !== 200) throw new Error(`status ${status}`)
}

export const dispatching = (dispatcher: Undici.Dispatcher): Client => ({
  get: (url) =>
    new Promise((resolve, reject) => {
      const chunks: Array<Buffer> = []
      dispatcher.dispatch(headOf(url), {
        onRequestStart: () => {},
        onResponseStart: (_, status) => checkStatus(status),
        onResponseData: (_, chunk) => {
          chunks.push(chunk)
        },
        onResponseEnd: () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)),
        onResponseError: (_, error) => reject(error)
      })
    }),
  download: (url, take) =>
    new Promise((resolve, reject) => {
      dispatcher.dispatch(headOf(url), {
        onRequestStart: () => {},
        onResponseStart: (_, status) => checkStatus(status),
        onResponseData: (_, chunk) => take(chunk),
        onResponseEnd: () => resolve(),
        onResponseError: (_, error) => reject(error)
      })
    }),
  stall: (url) =>
    new Promise((resolve, reject) => {
      dispatcher.dispatch(headOf(url), {
        onRequestStart: () => {},
        onResponseStart: (_, status) => checkStatus(status),
        onResponseData: (controller) => {
          controller.pause()
          resolve(() => controller.abort(new Error("enough")))
        },
        onResponseEnd: () => reject(new Error("the download ended though nobody read it")),
        onResponseError: (_, error) => reject(error)
      })
    })
})
