/** A host as the platform below `Net`. */
import type { Platform } from "../../../NetPlatform.js"
import { UnsupportedOption } from "../../../SocketError.js"
import * as TlsPlatform from "../tls/platform.js"
import { byteLength, decode } from "../tls/text.js"
import { connect } from "./connecting.js"
import { datagramsOf } from "./datagrams.js"
import type { MemoryHost } from "./host.js"
import { MemoryListener } from "./listener.js"
import { randomBytes } from "./network.js"
import { firstUnsupported, platformName } from "./options.js"

/**
 * Threads run in microtasks, and those that are ready have theirs queued before this one; the second hop lets them yield
 * once. A task of the event loop would be later than a thread that `TestClock` wakes expects.
 */
const endOfTurn = (task: () => void): void => {
  void settled.then(() => {
    void settled.then(task)
  })
}

const settled = Promise.resolve()

/** What a host gives to `Net.make`. */
export const make = (host: MemoryHost): Platform => ({
  name: platformName,
  endOfTurn,
  connect: (target) => connect(host, target),
  listen: (target, events) => new MemoryListener(host, target, events),
  tls: TlsPlatform.make(host),
  crypto: { randomBytes: (length) => randomBytes(host.network, length), isSynchronous: true },
  datagrams: datagramsOf(host),
  lookup: (name, family) => host.lookup(name, family),
  unsupported: (options, listen, path) =>
    firstUnsupported(options, path !== undefined) ?? (listen?.address._tag === "UnixAddress" && listen.reusePort
      ? new UnsupportedOption({ option: "reusePort", platform: platformName, why: "a path has no ports" })
      : undefined),
  byteLength,
  decode
})
