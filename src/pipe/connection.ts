/**
 * A connection over a pipe, at either end of it, as the program uses it.
 *
 * @module
 */

import { abortSignal } from "../options/checks.ts";
import type { CallKind } from "./calls.ts";
import { type As, decodeAs, type Decoded, decodingOf, type Ended, endedAs } from "./decoding.ts";
import { DirectionUse } from "./direction_use.ts";
import { Chunks } from "./chunks.ts";
import type { Duplex } from "./duplex.ts";
import type { ConnectionSettings } from "./link.ts";
import { encodeMessage, isBytes, type Message } from "./message.ts";
import type { PipePeer } from "./peer.ts";
import type { PipeConn, PipeEnded, ReceiveOptions, SendOptions } from "./pipe_conn.ts";
import { Readable, Writable } from "./streams.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of a chunk that is short enough to be gathered, and of all that are. */
const SHORT = 16_384;
const GATHERED = 65_536;

/** See {@linkcode PipeConn}. */
export class Connection<Peer extends PipePeer> implements PipeConn<Peer> {
  readonly path: string;
  readonly type: PipeConn["type"];
  readonly halfClose: PipeConn["halfClose"];
  readonly peer: Peer;
  readonly #duplex: Duplex;
  readonly #settings: ConnectionSettings;
  readonly #receives: DirectionUse;
  readonly #sends: DirectionUse;
  readonly #chunks: Chunks;
  #lastRead: Promise<unknown> = Promise.resolve();
  #writeClosed: Promise<void> | undefined = undefined;
  #readable: Readable | undefined = undefined;
  #writable: Writable | undefined = undefined;

  constructor(duplex: Duplex, settings: ConnectionSettings, peer: Peer) {
    const { path, type, direction, framing, halfClose } = settings;
    this.path = path;
    this.type = type;
    this.halfClose = halfClose;
    this.peer = peer;
    this.#duplex = duplex;
    this.#settings = settings;
    const noMessages = type === "byte" && framing === undefined;
    const { errors } = duplex.link;
    this.#receives = new DirectionUse(errors, direction !== "write", noMessages);
    this.#sends = new DirectionUse(errors, direction !== "read", noMessages);
    this.#chunks = new Chunks((into) => duplex.call("chunk", into));
    duplex.onEnd = (error) => this.#writable?.ended(error);
  }

  get closed(): Promise<PipeEnded> {
    return this.#duplex.closed;
  }

  get draining(): AbortSignal {
    return this.#duplex.link.draining;
  }

  get queued(): number {
    return this.#duplex.queued;
  }

  async request<A extends As = "bytes">(
    message: Message,
    options: ReceiveOptions<A> = {},
  ): Promise<Decoded<A>> {
    const as = decodingOf<A>(options.as);
    const signal = abortSignal(options.signal);
    this.#receives.begin("messages");
    const answer = await this.#duplex.call("request", this.#encode(message, "request"), signal);
    if (answer === null) throw this.#duplex.endError;
    return decodeAs(answer, as);
  }

  async send(message: Message, options: SendOptions = {}): Promise<void> {
    const signal = abortSignal(options.signal);
    await this.#duplex.call("send", this.#encode(message, "send"), signal);
  }

  async receive<A extends As = "bytes">(
    options: ReceiveOptions<A> = {},
  ): Promise<Decoded<A> | Ended<A>> {
    const as = decodingOf<A>(options.as);
    const signal = abortSignal(options.signal);
    this.#receives.begin("messages");
    const message = await this.#duplex.call("receive", undefined, signal);
    return message === null ? endedAs(as) : decodeAs(message, as);
  }

  async *messages<A extends As = "bytes">(
    options: { as?: A | undefined } = {},
  ): AsyncGenerator<Decoded<A>, void, void> {
    const as = decodingOf<A>(options.as);
    this.#receives.begin("messages");
    while (true) {
      const message = await this.#duplex.call("iterate");
      if (message === null) return;
      yield decodeAs(message, as);
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Bytes, void, void> {
    return this.messages();
  }

  async read(p: Uint8Array): Promise<number | null> {
    this.#receives.begin("bytes");
    if (!isBytes(p)) throw new TypeError("Cannot read into it: must be a Uint8Array");
    const read = this.#lastRead.then(() => this.#chunks.readInto(p));
    this.#lastRead = read.catch(() => {});
    return await read;
  }

  async write(p: Uint8Array): Promise<number> {
    this.#sends.begin("bytes");
    const bytes = this.#bytesOf(p);
    await this.#write(bytes);
    return bytes.length;
  }

  get readable(): ReadableStream<Bytes> {
    if (this.#readable === undefined) {
      this.#receives.begin("stream");
      const cancel = () => this.#cancelReadable();
      this.#readable = new Readable(this.type === "byte", this.#chunks, cancel);
    }
    return this.#readable.stream;
  }

  get writable(): WritableStream<Uint8Array> {
    if (this.#writable === undefined) {
      this.#sends.begin("stream");
      this.#writable = new Writable({
        encode: (chunk) => this.#bytesOf(chunk),
        waits: (bytes) => !this.#gathers(bytes),
        write: (bytes) => this.#write(bytes),
        close: () => this.#closeWritable(),
        abort: () => this.close(),
      });
      if (this.#duplex.stopped) this.#writable.ended(this.#duplex.endError);
    }
    return this.#writable.stream;
  }

  async closeWrite(): Promise<void> {
    if (this.#settings.halfClose === "none") throw this.#duplex.link.errors.noHalfClose();
    this.#sends.open();
    this.#writeClosed ??= this.#duplex.endWriting();
    await this.#writeClosed;
  }

  ref(): void {
    this.#duplex.keepAlive(true);
  }

  unref(): void {
    this.#duplex.keepAlive(false);
  }

  close(): void {
    this.#chunks.drop();
    this.#duplex.close();
  }

  /** Closes the connection, and resolves when everything is released. */
  release(): Promise<void> {
    this.close();
    return this.#duplex.link.released;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#duplex.finish();
    await this.#duplex.link.released;
  }

  /** Whether a stream need not wait for a chunk: it may be written together with later ones. */
  #gathers({ length }: Uint8Array): boolean {
    return this.type === "byte" && length <= SHORT && this.queued + length <= GATHERED;
  }

  /** Bytes that the program writes. */
  #bytesOf(p: unknown): Bytes {
    if (!isBytes(p)) throw new TypeError("Cannot write it: must be a Uint8Array");
    return encodeMessage(p);
  }

  /** With `halfClose`, nothing is written for no bytes: it would end this direction. */
  async #write(bytes: Bytes): Promise<void> {
    this.#checkWritable();
    if (bytes.length === 0 && this.#settings.halfClose !== "none") return;
    await this.#duplex.call("send", this.#stable(bytes, "send"));
  }

  async #closeWritable(): Promise<void> {
    if (this.#settings.halfClose !== "none") return await this.closeWrite();
    this.#duplex.finish();
    await this.#duplex.link.released;
  }

  async #cancelReadable(): Promise<void> {
    if (this.#settings.halfClose !== "none") return this.#duplex.endReading();
    this.#duplex.finish();
    await this.#duplex.link.released;
  }

  /** A message as it is written. */
  #encode(message: Message, kind: CallKind): Bytes {
    this.#sends.begin("messages");
    const bytes = encodeMessage(message);
    const { framing, halfClose } = this.#settings;
    const framed = framing === undefined ? bytes : encodeMessage(framing.encode(bytes));
    this.#checkWritable();
    if (framed.length === 0 && halfClose !== "none") {
      throw this.#duplex.link.errors.misuse(
        "an empty message would end this direction: call closeWrite()",
      );
    }
    const own = framing === undefined && typeof message === "string";
    return own ? framed : this.#stable(framed, kind);
  }

  #checkWritable(): void {
    if (this.#writeClosed === undefined) return;
    throw this.#duplex.link.errors.misuse("closeWrite() was called");
  }

  /** What is sent, in memory that the program cannot change while it waits. */
  #stable(bytes: Bytes, kind: CallKind): Bytes {
    return this.#duplex.submitsAtOnce(kind, bytes) ? bytes : bytes.slice();
  }
}
