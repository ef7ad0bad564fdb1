/**
 * @since 0.1.0
 */
export * as SocketContract from "./socketContract.js"
