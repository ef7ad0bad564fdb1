/** Rounds of FTP with curl. */
import { spawn } from "node:child_process"
import { mebibyte, rounds } from "./client-rounds.js"
import { told } from "./ftp-rounds.js"

const args: Record<string, ReadonlyArray<string>> = {
  "ftp-download": ["-o", `${told.local}/big`, `ftp://127.0.0.1:${told.port}/big`],
  "ftp-upload": ["-T", told.big, `ftp://127.0.0.1:${told.port}/pub/up`]
}

await rounds(() =>
  new Promise((resolve, reject) => {
    const child = spawn("curl", ["-sS", ...args[told.mode]!], { stdio: "inherit" })
    child.on("close", (code) => code === 0 ? resolve(told.size / mebibyte) : reject(new Error(`curl: ${code}`)))
  })
)
