/** The peer in Go. */
import { fileURLToPath } from "node:url"
import type { Peer } from "../model.js"
import { compile, works } from "./installed.js"

export const go: Peer = {
  name: "go",
  title: "Go",
  modes: ["echo", "lines", "storm", "thread-start", "thread-join", "queues", "sleepers", "timeout"],
  missing: () => works("go", "version") ? undefined : "apt-get install golang-go",
  build: (directory) =>
    compile(
      "go",
      ["build", "-o", `${directory}/go-server`, "main.go"],
      fileURLToPath(new URL("../servers/go", import.meta.url))
    ),
  command: (directory, mode) => [`${directory}/go-server`, mode]
}
