/**
 * The two streams of a connection.
 *
 * @module
 */

import type { Chunks } from "./chunks.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a {@linkcode Writable} does with its chunks. */
export interface Sink {
  /** The bytes of a chunk. Throws if it cannot be written. */
  encode(chunk: unknown): Bytes;
  /** Whether they are written before the stream is ready for the next chunk. */
  waits(bytes: Bytes): boolean;
  write(bytes: Bytes): Promise<void>;
  /** Writes what is queued, and ends. */
  close(): Promise<void>;
  /** Ends at once. */
  abort(): void;
}

/** The stream of what arrives. It reads only when the program does. */
export class Readable {
  readonly stream: ReadableStream<Bytes>;
  readonly #chunks: Chunks;
  #cancelled = false;

  /**
   * @param bytes Whether it is a stream of bytes, which supports BYOB readers.
   * @param cancelled Called when the program wants no more.
   */
  constructor(bytes: boolean, chunks: Chunks, cancelled: () => void | Promise<void>) {
    this.#chunks = chunks;
    const cancel = () => {
      this.#cancelled = true;
      return cancelled();
    };
    this.stream = bytes
      ? new ReadableStream(
        { type: "bytes", pull: (controller) => this.#pullBytes(controller), cancel },
        { highWaterMark: 0 },
      )
      : new ReadableStream<Bytes>(
        { pull: (controller) => this.#pullMessage(controller), cancel },
        { highWaterMark: 0 },
      );
  }

  async #pullBytes(controller: ReadableByteStreamController): Promise<void> {
    const request = controller.byobRequest;
    const view = request?.view;
    if (request === null || !view) {
      const chunk = await this.#chunks.next();
      if (this.#cancelled) return;
      if (chunk === null) controller.close();
      else controller.enqueue(chunk);
      return;
    }
    const p = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const read = await this.#chunks.readInto(p);
    if (this.#cancelled) return;
    if (read === null) controller.close();
    request.respond(read ?? 0);
  }

  /** An empty chunk says nothing to the reader of a stream. */
  async #pullMessage(controller: ReadableStreamDefaultController<Bytes>): Promise<void> {
    let chunk: Bytes | null;
    do chunk = await this.#chunks.next(); while (chunk?.length === 0);
    if (this.#cancelled) return;
    if (chunk === null) controller.close();
    else controller.enqueue(chunk);
  }
}

/** The stream of what is sent. */
export class Writable {
  readonly stream: WritableStream<Uint8Array>;
  readonly #sink: Sink;
  #controller: WritableStreamDefaultController | undefined = undefined;
  /** Whether the stream knows by itself why it ends. */
  #ending = false;
  /** Resolves when the last chunk that was not waited for is written, or has failed. */
  #gathered: Promise<void> = Promise.resolve();
  /** The error of a chunk that was not waited for. */
  #failure: { readonly error: unknown } | undefined = undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.stream = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
        // The sink's own abort() is called only once the write in flight has completed.
        controller.signal.addEventListener("abort", () => this.#abort(), { once: true });
      },
      write: (chunk) => this.#write(chunk),
      close: () => this.#close(),
    });
  }

  /** The connection has ended. */
  ended(error: Error): void {
    if (!this.#ending) this.#controller?.error(error);
  }

  async #write(chunk: Uint8Array): Promise<void> {
    this.#throwFailure();
    const bytes = this.#encode(chunk);
    const waits = this.#sink.waits(bytes);
    const written = this.#sink.write(bytes);
    if (waits) return await written;
    this.#gathered = written.catch((error) => {
      this.#failure ??= { error };
    });
  }

  /** After a chunk that cannot be written the stream is of no use any more. */
  #encode(chunk: unknown): Bytes {
    try {
      return this.#sink.encode(chunk);
    } catch (error) {
      this.#abort();
      throw error;
    }
  }

  #abort(): void {
    this.#ending = true;
    this.#sink.abort();
  }

  async #close(): Promise<void> {
    this.#ending = true;
    await this.#sink.close();
    await this.#gathered;
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
