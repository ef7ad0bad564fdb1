import type { TraceEvent } from "../Socket.js"

/** What a tracer throws is its own affair: it must not get between the platform and the socket. */
export const show = (tracer: (event: TraceEvent) => void, event: TraceEvent): void => {
  try {
    tracer(event)
  } catch {
    // There is nobody to tell.
  }
}
