/**
 * The two streams of a connection.
 *
 * @module
 */

type Bytes = Uint8Array<ArrayBuffer>;

/** Where a {@linkcode Readable} gets its chunks. */
export interface Source {
  /** The next chunk; null at the end. */
  chunk(): Promise<Bytes | null>;
  /** Reads bytes into memory of the program; null at the end. */
  readInto(p: Uint8Array): Promise<number | null>;
  /** The program wants no more. */
  cancel(): void | Promise<void>;
}

/** What a {@linkcode Writable} does with its chunks. */
export interface Sink {
  /** Whether the chunk is written before the stream is ready for the next one. */
  waits(chunk: Uint8Array): boolean;
  write(chunk: Uint8Array): Promise<unknown>;
  /** Writes what is queued, and ends. */
  close(): Promise<void>;
  /** Ends at once. */
  abort(): void;
}

/** The stream of what arrives. It reads only when the program does. */
export class Readable {
  readonly stream: ReadableStream<Bytes>;
  readonly #source: Source;
  #cancelled = false;

  /** @param bytes Whether it is a stream of bytes, which supports BYOB readers. */
  constructor(bytes: boolean, source: Source) {
    this.#source = source;
    const cancel = () => this.#cancel();
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
      const chunk = await this.#source.chunk();
      if (this.#cancelled) return;
      if (chunk === null) controller.close();
      else controller.enqueue(chunk);
      return;
    }
    const p = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const read = await this.#source.readInto(p);
    if (this.#cancelled) return;
    if (read === null) controller.close();
    request.respond(read ?? 0);
  }

  /** An empty chunk says nothing to the reader of a stream. */
  async #pullMessage(controller: ReadableStreamDefaultController<Bytes>): Promise<void> {
    let chunk: Bytes | null;
    do chunk = await this.#source.chunk(); while (chunk?.length === 0);
    if (this.#cancelled) return;
    if (chunk === null) controller.close();
    else controller.enqueue(chunk);
  }

  #cancel(): void | Promise<void> {
    this.#cancelled = true;
    return this.#source.cancel();
  }
}

/** The stream of what is sent. */
export class Writable {
  readonly stream: WritableStream<Uint8Array>;
  readonly #sink: Sink;
  #controller: WritableStreamDefaultController | undefined = undefined;
  #closing = false;
  /** The error of a chunk that was not waited for. */
  #failure: { readonly error: unknown } | undefined = undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
    this.stream = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      write: (chunk) => this.#write(chunk),
      close: () => this.#close(),
      abort: () => sink.abort(),
    });
  }

  /** The connection has ended. */
  ended(error: Error): void {
    if (!this.#closing) this.#controller?.error(error);
  }

  async #write(chunk: Uint8Array): Promise<void> {
    this.#throwFailure();
    const waits = this.#sink.waits(chunk);
    const written = this.#sink.write(chunk);
    if (waits) await written;
    else written.catch((error) => this.#failure ??= { error });
  }

  async #close(): Promise<void> {
    this.#closing = true;
    await this.#sink.close();
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
