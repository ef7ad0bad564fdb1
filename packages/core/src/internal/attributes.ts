/** The names of attributes of spans and log lines, after OpenTelemetry's conventions. */
import type { NetAddress } from "../NetAddress.js"

/**
 * The names of what spans, logs and metrics carry: OpenTelemetry's semantic conventions (general attributes, 1.27) where
 * they have one, ours else.
 */
export const thread = "copas.thread"
export const server = "copas.server"
export const socket = "copas.socket"
export const clientAddress = "client.address"

/** Of a connection, seen from the server. */
export const connection = (
  serverName: string,
  threadName: string,
  local: NetAddress,
  remote: NetAddress
): Record<string, string | number> => ({
  [server]: serverName,
  [thread]: threadName,
  ...(local._tag === "InetAddress"
    ? { "network.transport": "tcp", "server.address": local.host, "server.port": local.port }
    : { "network.transport": "unix", "server.address": local.path }),
  ...(remote._tag === "InetAddress"
    ? { "client.address": remote.host, "client.port": remote.port }
    : { "client.address": remote.path })
})
