/** The peer in Lua, on Copas itself. */
import { fileURLToPath } from "node:url"
import type { Peer } from "../model.js"
import { works } from "./installed.js"

export const lua: Peer = {
  name: "lua",
  title: "Copas, Lua 5.4",
  modes: ["echo", "lines", "storm", "thread-start", "thread-join", "queues", "sleepers", "timeout"],
  limit: { connections: 1000, why: "dies past 1 019 connections (select)" },
  missing: () =>
    works("lua5.4", "-e", `assert(require("copas")._VERSION:match("Copas (%d+)") + 0 >= 4)`)
      ? undefined
      : "apt-get install lua5.4 lua-socket, and Copas 4 on the LUA_PATH (luarocks --lua-version 5.4 install copas)",
  build: async () => {},
  command: (_, mode) => ["lua5.4", fileURLToPath(new URL("../servers/copas.lua", import.meta.url)), mode]
}
