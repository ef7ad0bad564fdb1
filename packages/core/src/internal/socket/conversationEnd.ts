/**
 * On a `SocketClosed` that tells of the peer's end, or that the socket was closed here: the number of the socket. Names may coincide, and a handler may use
 * sockets besides its own.
 *
 * Not enumerable: neither equality nor a schema sees it. And a property, not an entry of a `WeakMap`: within a span Effect
 * puts a proxy before an error, which is another key, but has the properties.
 */
const EndOf: unique symbol = Symbol.for("@copas/core/SocketClosed/endOf")

export const markEnd = (error: object, socketId: number): void => {
  Object.defineProperty(error, EndOf, { value: socketId })
}

export const isEndOf = (error: object, socketId: number): boolean =>
  (error as { readonly [EndOf]?: number })[EndOf] === socketId
