/** The peer in C, on epoll. */
import { fileURLToPath } from "node:url"
import type { Peer } from "../model.js"
import { compile, works } from "./installed.js"

export const epoll: Peer = {
  name: "epoll",
  title: "C, epoll",
  modes: ["echo", "lines", "storm"],
  missing: () => works("cc", "--version") ? undefined : "apt-get install gcc libc6-dev",
  build: (directory) =>
    compile("cc", [
      "-O2",
      "-Wall",
      "-o",
      `${directory}/epoll-server`,
      fileURLToPath(new URL("../servers/epoll.c", import.meta.url))
    ]),
  command: (directory, mode) => [`${directory}/epoll-server`, mode]
}
