/**
 * @since 0.1.0
 */
export * as Chunked from "./Chunked.js"
export * as Copas from "./Copas.js"
export * as Net from "./Net.js"
export * as NetAddress from "./NetAddress.js"
export * as PlatformSocket from "./PlatformSocket.js"
export * as Socket from "./Socket.js"
export * as SocketError from "./SocketError.js"
export * as Thread from "./Thread.js"
export * as Transport from "./Transport.js"
