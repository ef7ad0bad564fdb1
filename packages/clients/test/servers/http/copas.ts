/** The same requests by Copas's own HTTP client, where Lua and Copas are installed. */
import { execFileSync, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const script = fileURLToPath(new URL("requests.lua", import.meta.url))

/** Whether this Lua has Copas 4, with what it needs: `luarocks install copas luasec`, or LUA_PATH that leads there. */
export const hasCopas = (): boolean => {
  try {
    const found = "assert(require'copas'._VERSION:match'Copas 4') require'copas.http'"
    execFileSync("lua5.4", ["-e", found], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

export interface Asked {
  readonly method: string
  readonly url: string
  readonly body?: string
  readonly authorization?: string
}

/** A status, or `error`, and the body. */
export type Got = readonly [status: string, body: string]

/** What Copas gets for each of the requests. Its process must not stop this one, whose servers answer it. */
export const byCopas = (requests: ReadonlyArray<Asked>): Promise<ReadonlyArray<Got>> =>
  new Promise((resolve, reject) => {
    const child = spawn("lua5.4", [script], { stdio: ["pipe", "pipe", "inherit"] })
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => output += chunk.toString())
    child.on("error", reject)
    child.on("close", () =>
      resolve(
        output.split("\n").slice(0, -1).map((line): Got => {
          const [status = "", body = ""] = line.split("\t")
          return [status, Buffer.from(body, "base64").toString()]
        })
      ))
    child.stdin.end(
      requests.map(({ authorization = "", body = "", method, url }) =>
        `${[method, url, body, authorization].join("\t")}\n`
      ).join("")
    )
  })
