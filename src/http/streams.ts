/**
 * Streams of Node as streams of the web.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Duplex, Readable, Writable } from "node:stream";

/** Errors of Node's streams, as the reader of a web stream is to see them. */
type Explain = (error: unknown) => unknown;

/** What is received, no more of it than is read. Cancelling it destroys its source. */
export function readableOf(
  source: Readable,
  explain: Explain = (error) => error,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks: AsyncIterator<Buffer<ArrayBuffer>> = source[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(new Uint8Array(value.buffer, value.byteOffset, value.length));
      } catch (error) {
        controller.error(explain(error));
      }
    },
    cancel: () => void source.destroy(),
  }, { highWaterMark: 0 });
}

/** Writes a chunk, and waits until more can be written, or nothing. */
export function write(target: Writable, chunk: Uint8Array): Promise<void> {
  if (target.write(chunk) || target.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      target.off("drain", done).off("close", done);
      resolve();
    };
    target.on("drain", done).on("close", done);
  });
}

/** Both directions of a stream. */
export function streamsOf(
  duplex: Duplex,
): { readable: ReadableStream<Uint8Array<ArrayBuffer>>; writable: WritableStream<Uint8Array> } {
  const settle = (resolve: () => void, reject: (error: Error) => void) => (error?: Error | null) =>
    error ? reject(error) : resolve();
  const writable = new WritableStream<Uint8Array>({
    start: (controller) => {
      duplex.on("error", (error) => controller.error(error));
      duplex.once("close", () => controller.error(new Error("The connection is closed")));
    },
    write: (chunk) =>
      new Promise((resolve, reject) => duplex.write(chunk, settle(resolve, reject))),
    close: () => new Promise((resolve, reject) => duplex.end(settle(resolve, reject))),
    abort: () => void duplex.destroy(),
  });
  return { readable: readableOf(duplex), writable };
}
