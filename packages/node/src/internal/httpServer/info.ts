/** What `HttpConnection.current` shows. */
import type { Socket } from "@copas/core/Socket"
import type { Thread } from "@copas/core/Thread"
import type * as Option from "effect/Option"
import type { HttpConnection } from "../../HttpConnection.js"

export const shown = (
  socket: Socket,
  thread: Option.Option<Thread>,
  version: HttpConnection["version"],
  requestNumber: number
): HttpConnection => ({
  id: socket.id,
  socketName: socket.name,
  thread,
  localAddress: socket.localAddress,
  remoteAddress: socket.remoteAddress,
  tls: socket.tls,
  version,
  requestNumber
})
