/** Starts connections of the network, and reports later how they went. */
import { format, inet, type NetAddress, unix } from "../../../NetAddress.js"
import type { ConnectTarget } from "../../../NetPlatform.js"
import type { Failure } from "../../../Transport.js"
import { byteLength } from "../tls/text.js"
import { isAbstract, type MemoryHost } from "./host.js"
import type { MemoryListener } from "./listener.js"
import { Pipe } from "./pipe.js"
import { MemoryTransport } from "./transport.js"

/** As on Linux: unix(7). */
export const longestPath = 107

export const isTooLong = (path: string): boolean => byteLength(path) > longestPath

/** Starts to connect; how it went is said in a later turn. */
export const connect = (host: MemoryHost, target: ConnectTarget): MemoryTransport => {
  const { network } = host
  const remote = target.address._tag === "InetAddress" ? host.destination(target.address) : target.address
  const give = (failure: Failure): MemoryTransport => {
    const endpoint = new MemoryTransport(host, "client", unspecified(remote), target.address, target.options)
    network.soon({ run: () => endpoint.fail(failure) })
    return endpoint
  }
  if (!host.isUp) return give(network.failure("Unreachable", `the host ${host.name} is down`))
  if (remote._tag === "UnixAddress") {
    if (isTooLong(remote.path)) return give(network.failure("PathTooLong", `a path has at most ${longestPath} bytes`))
    const client = new MemoryTransport(host, "client", unix(""), remote, target.options)
    handshake(client, new MemoryTransport(host, "server", remote, unix(""), {}))
    return client
  }
  const to = host.find(remote.host)
  if (to === undefined) {
    return give(host.unknownAddress("Unreachable", remote.host, `no host of this network has ${remote.host}`))
  }
  const source = target.localAddress ?? host.sourceFor(remote.host)
  if (source === undefined || !host.owns(source) || source.includes(":") !== remote.host.includes(":")) {
    return give(network.failure(
      "AddressNotAvailable",
      `the host ${host.name} cannot reach ${remote.host} from ${source ?? "an address of that family"}`
    ))
  }
  const port = host.takePort(target.localPort, remote, source)
  if (port === undefined) {
    const wanted = target.localPort ?? 0
    return give(
      wanted === 0
        ? network.failure("AddressNotAvailable", "every ephemeral port is taken")
        : network.failure("AddressInUse", `${source}:${wanted} is connected to ${format(remote)} already`)
    )
  }
  const local = inet(source, port)
  const client = new MemoryTransport(host, "client", local, remote, target.options)
  handshake(client, new MemoryTransport(to, "server", remote, local, {}))
  return client
}

const unspecified = (remote: NetAddress): NetAddress =>
  remote._tag === "UnixAddress" ? unix("") : inet(remote.family === "IPv6" ? "::" : "0.0.0.0", 0)

/** The three packets of RFC 9293, section 3.5: the server has the connection when the third has come. */
const handshake = (client: MemoryTransport, server: MemoryTransport): void => {
  const { network } = client
  const isUnix = client.localAddress._tag === "UnixAddress"
  const forward = new Pipe(network, network.link(client.host, server.host), isUnix)
  const backward = new Pipe(network, network.link(server.host, client.host), isUnix)
  MemoryTransport.pair(client, server, forward, backward)
  client.host.endpoints.add(client)
  const refused = (): void => {
    server.isGone = true
    backward.transmit(0, () => {
      client.fail(refusal(client))
    })
    client.watch()
  }
  forward.transmit(0, () => {
    const listener = listenerAt(server)
    if (listener === undefined) {
      refused()
      return
    }
    backward.transmit(0, () => {
      if (client.isGone) {
        server.isGone = true
        return
      }
      forward.transmit(0, () => {
        if (listener.isClosed) {
          server.isGone = true
          server.refuse()
        } else {
          listener.accept(server)
        }
      })
      client.connect()
    })
    // The answer may be what does not come through.
    client.watch()
  })
  client.watch()
}

const refusal = ({ host, network, remoteAddress }: MemoryTransport): Failure => {
  const isMissing = remoteAddress._tag === "UnixAddress" && !isAbstract(remoteAddress) &&
    !host.staleFiles.has(remoteAddress.path)
  return isMissing
    ? network.failure("PathNotFound", `nothing is at ${format(remoteAddress)}`)
    : network.failure("Refused", `nothing listens on ${format(remoteAddress)}`)
}

const listenerAt = ({ host, localAddress, network }: MemoryTransport): MemoryListener | undefined => {
  if (localAddress._tag === "UnixAddress") return host.paths.get(localAddress.path)
  const listeners = host.listeners.at(localAddress.host, localAddress.port)
  return listeners.length < 2 ? listeners[0] : listeners[Math.floor(network.random() * listeners.length)]
}
