/**
 * For tests: a network in memory, and the contract of a platform's sockets.
 *
 * @since 0.1.0
 */
export * as NetMemory from "./NetMemory.js"
export * as SocketContract from "./socketContract.js"
