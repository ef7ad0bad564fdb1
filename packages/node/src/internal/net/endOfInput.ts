/** Distinguishes the end of what a peer sends from a reset that Node reports as an end. */
import * as Fs from "node:fs"
import type * as NodeNet from "node:net"

interface Handle {
  readonly fd?: number | undefined
}

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "code" in error ? error.code : undefined

const room = new Uint8Array(4096)

/**
 * Asks the system itself, once Node has reported the end, and returns the error if the connection is broken.
 *
 * libuv reports a reset as an end if both the last bytes and the reset have arrived before it reads, as after a pause or a
 * long turn (`uv__stream_io`: a short read together with POLLHUP). The error is still kept for the next read, and that one
 * is made here. A FIN makes it read zero bytes, also when a reset came after the FIN: `getpeername` fails then, although
 * the peer had sent all. Windows has no descriptor to ask.
 */
export const examine = (
  socket: NodeNet.Socket,
  deliver: (chunk: Uint8Array) => void
): Error | undefined => {
  const fd = (socket as unknown as { readonly _handle?: Handle | null })._handle?.fd
  if (fd === undefined || fd < 0) return undefined
  try {
    for (;;) {
      const length = Fs.readSync(fd, room)
      if (length === 0) return undefined
      // At an end nothing is left to read; if there are bytes, they must not be lost.
      deliver(room.slice(0, length))
    }
  } catch (error) {
    const code = codeOf(error)
    return error instanceof Error && code !== "EAGAIN" && code !== "EWOULDBLOCK" && code !== "EBADF" ? error : undefined
  }
}
