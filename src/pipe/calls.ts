/**
 * The pending calls of a connection, in the order in which they were made.
 *
 * @module
 */

import { Outgoing } from "./outbox.ts";
import { remove } from "./remove.ts";

/**
 * What a call does: it writes a message, receives the next one, or both. A `"chunk"` is received as
 * it was read, whether it is a message or not.
 */
export type CallKind = "send" | "request" | "receive" | "iterate" | "chunk";

type Bytes = Uint8Array<ArrayBuffer>;

/** One call, until it is settled. */
export class Call extends Outgoing {
  /** The message received; null if it was only to be written, or the connection has ended. */
  readonly promise: Promise<Bytes | null>;
  readonly #resolve: (message: Bytes | null) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #abort: () => void;
  #onSettled: (() => void) | undefined;

  /**
   * @param bytes The message that it writes, or the memory that a chunk may be copied into if it
   *   fits; otherwise empty.
   * @param abort Called when the signal aborts before the call is settled.
   * @param settled Called when the call is settled.
   */
  constructor(
    readonly kind: CallKind,
    bytes: Bytes,
    signal: AbortSignal | undefined,
    abort: (call: Call) => void,
    settled: () => void,
  ) {
    super(bytes, false);
    const { promise, resolve, reject } = Promise.withResolvers<Bytes | null>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    this.#abort = () => abort(this);
    this.#onSettled = settled;
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Whether it writes a message. */
  get writes(): boolean {
    return this.kind === "send" || this.kind === "request";
  }

  /** Whether it receives a message. */
  get receives(): boolean {
    return this.kind !== "send";
  }

  /** Its message is written or, with an error, dropped. A request goes on waiting for its answer. */
  override end(error?: Error): void {
    if (this.kind === "request") return;
    if (error === undefined) this.resolve(null);
    else this.reject(error);
  }

  resolve(message: Bytes | null): void {
    this.#settle();
    this.#resolve(message);
  }

  /** Rejects with the error, or with the reason of its signal, if that has aborted. */
  reject(error: unknown): void {
    this.#settle();
    this.#reject(this.#signal?.aborted ? this.#signal.reason : error);
  }

  /** From now on, an abort has no effect. */
  #settle(): void {
    const settled = this.#onSettled;
    this.#onSettled = undefined;
    settled?.();
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}

/**
 * Decides which call writes next, and which receives the next message.
 *
 * Messages are written in the order of their calls, and messages that arrive are received in that
 * order. A request is written once the requests before it are answered, and calls made after it are
 * written after it.
 */
export class CallQueue {
  /** Calls whose message may not be written yet. */
  #unwritten: Call[] = [];
  /** Requests and, after them, calls that only receive. */
  #receivers: Call[] = [];
  /** The request that may be written, or was, and is not answered. */
  #unanswered: Call | undefined = undefined;

  /** Whether a call waits for a message. */
  get awaitsMessage(): boolean {
    return this.#receivers.length > 0;
  }

  /** Whether a call that is not a request waits for a message. */
  get receiving(): boolean {
    const last = this.#receivers.at(-1);
    return last !== undefined && !last.writes;
  }

  add(call: Call): void {
    if (call.writes) this.#unwritten.push(call);
    if (call.receives) this.#receivers.push(call);
  }

  /** Removes the next call whose message may be written, if there is one. */
  nextToWrite(): Call | undefined {
    const next = this.#unwritten[0];
    if (next?.kind === "request") {
      if (this.#unanswered !== undefined) return undefined;
      this.#unanswered = next;
    }
    return this.#unwritten.shift();
  }

  /** Removes the call that receives the message that has arrived. */
  nextToReceive(): Call | undefined {
    const next = this.#receivers.shift();
    if (next === this.#unanswered) this.#unanswered = undefined;
    return next;
  }

  /** Whether a message is written as soon as it is added. */
  writesNow(kind: CallKind): boolean {
    return this.#unwritten.length === 0 && (kind !== "request" || this.#unanswered === undefined);
  }

  /** If the call that waits for the next message takes it as it was read: where it may be copied. */
  get awaitedChunk(): Bytes | undefined {
    const next = this.#receivers[0];
    return next?.kind === "chunk" ? next.bytes : undefined;
  }

  /** Removes a call that was aborted, if nothing of it was written. */
  withdraw(call: Call): boolean {
    if (call.writes && !this.#unwritten.includes(call)) return false;
    this.remove(call);
    return true;
  }

  /** Bytes of messages that may not be written yet. */
  get held(): number {
    return this.#unwritten.reduce((bytes, { length }) => bytes + length, 0);
  }

  /** Whether all messages may be written. */
  get allQueued(): boolean {
    return this.#unwritten.length === 0;
  }

  /** Removes the calls that wait for a message, and requests with all that they have not sent. */
  takeReceivers(): Call[] {
    const receivers = this.#receivers.splice(0);
    this.#unwritten = this.#unwritten.filter((call) => !call.receives);
    this.#unanswered = undefined;
    return receivers;
  }

  /** Removes a call that was aborted. */
  remove(call: Call): void {
    remove(this.#unwritten, call);
    remove(this.#receivers, call);
    if (call === this.#unanswered) this.#unanswered = undefined;
  }

  /** Removes all calls. */
  removeAll(): Set<Call> {
    const all = new Set([...this.#receivers, ...this.#unwritten]);
    this.#receivers = [];
    this.#unwritten = [];
    this.#unanswered = undefined;
    return all;
  }
}
