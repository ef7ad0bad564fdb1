/**
 * A transducer over a stream of bytes.
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Stream from "effect/Stream"
import * as transducer from "./transducer.js"

/** Each run opens a transducer of its own. What was right before a fault is emitted before the stream fails. */
export const through =
  <E2>(open: () => transducer.Transducer, fail: (fault: transducer.Fault) => E2) =>
  <E, R>(stream: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | E2, R> => {
    type Step = Channel.Channel<Chunk.Chunk<Uint8Array>, Chunk.Chunk<Uint8Array>, E | E2, E, unknown, unknown>
    const step = (running: transducer.Transducer): Step => {
      const emit = (parts: ReadonlyArray<Uint8Array>, rest: () => Step): Step => {
        const filled = parts.filter((part) => part.length > 0)
        const next = (): Step => running.fault === undefined ? rest() : Channel.fail(fail(running.fault))
        return filled.length === 0
          ? Channel.suspend(next)
          : Channel.flatMap(Channel.write(Chunk.fromIterable(filled)), next)
      }
      return Channel.readWith({
        onInput: (chunks: Chunk.Chunk<Uint8Array>) =>
          emit(
            Chunk.toReadonlyArray(chunks).map((chunk) => transducer.pushAlone(running, chunk)),
            () => step(running)
          ),
        onFailure: Channel.fail,
        onDone: () => emit([transducer.endAlone(running)], () => Channel.void)
      })
    }
    return Stream.fromChannel(Channel.pipeTo(Stream.toChannel(stream), Channel.suspend(() => step(open()))))
  }
