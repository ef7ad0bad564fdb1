/** Which socket an error is about: names may coincide, and a handler may use other sockets than its own. */

/** What errors remember of their socket. */
export interface Marked {
  /** A number that no other socket of this process has. Ids do not suffice: each simulation counts them from 1. */
  readonly mark: number
}

let last = 0

export const nextMark = (): number => {
  last += 1
  return last
}

/**
 * Not enumerable: neither equality nor a schema sees it. And a property, not an entry of a `WeakMap`: within a span Effect
 * puts a proxy before an error, which is another key, but has the properties.
 */
const EndOf: unique symbol = Symbol.for("@copas/core/SocketClosed/endOf")

/** The error is the end of this socket's connection. */
export const markEnd = (error: object, { mark }: Marked): void => {
  Object.defineProperty(error, EndOf, { value: mark })
}

/** `socket` may be anything that a caller took for a socket: only one of this library has a mark. */
export const isEndOf = (error: object, socket: object): boolean => {
  const mark = (error as { readonly [EndOf]?: number })[EndOf]
  return mark !== undefined && mark === (socket as Partial<Marked>).mark
}
