/**
 * The contracts of a platform, as cases for any test runner.
 *
 * @since 0.1.0
 */
export * as Case from "./Case.js"
export * as DatagramContract from "./DatagramContract.js"
export * as DispatcherContract from "./DispatcherContract.js"
export * as SocketContract from "./SocketContract.js"
export * as TlsContract from "./TlsContract.js"
export * as TlsMaterial from "./TlsMaterial.js"
