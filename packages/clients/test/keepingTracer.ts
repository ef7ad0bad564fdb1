/** A tracer for tests, which keeps its spans. */
import { type Exit, Tracer } from "effect"

/** A span, what it was given, and how it ended. */
export interface Kept extends Tracer.Span {
  readonly attributes: Map<string, unknown>
  readonly events: Array<readonly [name: string, attributes: unknown]>
  exit: Exit.Exit<unknown, unknown> | undefined
}

/** Every span has these two, so that a test can say what a server is told. */
export const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
export const spanId = "00f067aa0ba902b7"

export const keepingTracer = (spans: Array<Kept> = []): Tracer.Tracer =>
  Tracer.make({
    span: (name, parent, context, links, startTime, kind, options) => {
      const attributes = new Map(Object.entries(options?.attributes ?? {}))
      const events: Kept["events"] = []
      const span: Kept = {
        _tag: "Span",
        name,
        spanId,
        traceId,
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes,
        events,
        exit: undefined,
        links: [...links],
        sampled: true,
        kind,
        end: (_, exit) => {
          span.exit = exit
        },
        attribute: (key, value) => void attributes.set(key, value),
        event: (event, _, more) => void events.push([event, more]),
        addLinks: () => undefined
      }
      spans.push(span)
      return span
    },
    context: (run) => run()
  })
