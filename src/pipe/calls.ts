/**
 * The calls of a connection that wait, in the order in which they were made.
 *
 * @module
 */

import { remove } from "./remove.ts";

/** What a call asks for: to write a message, to take the next one that comes, or both. */
export type CallKind = "send" | "request" | "receive" | "iterate";

type Bytes = Uint8Array<ArrayBuffer>;

/** One call, until it is settled. */
export class Call {
  /** Null: the message was written, or none comes any more. */
  readonly promise: Promise<Bytes | null>;
  /** What was taken back of its message when its signal aborted: all of it, or perhaps only a part. */
  withdrawn: "whole" | "partly" | undefined = undefined;
  readonly #resolve: (message: Bytes | null) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #abort: () => void;

  /**
   * @param bytes What it writes; empty if it writes nothing.
   * @param abort Called when the signal aborts before the call is settled.
   */
  constructor(
    readonly kind: CallKind,
    readonly bytes: Bytes,
    signal: AbortSignal | undefined,
    abort: (call: Call) => void,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<Bytes | null>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    this.#abort = () => abort(this);
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Whether it writes a message. */
  get writes(): boolean {
    return this.kind === "send" || this.kind === "request";
  }

  /** Whether it takes a message that comes. */
  get takes(): boolean {
    return this.kind !== "send";
  }

  resolve(message: Bytes | null): void {
    this.#forgetSignal();
    this.#resolve(message);
  }

  reject(error: unknown): void {
    this.#forgetSignal();
    this.#reject(this.#signal?.aborted ? this.#signal.reason : error);
  }

  /** Once it is settled, an abort changes nothing. */
  #forgetSignal(): void {
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}

/**
 * Who may write, and who gets the next message.
 *
 * Messages are written in the order of their calls, and messages that come go to their takers in
 * that order. A request is written when those before it were answered, and what was called after it
 * is written after it.
 */
export class CallQueue {
  /** Calls that have a message to write, and may not yet. */
  #unwritten: Call[] = [];
  /** Requests and, after them, those that receive. */
  #takers: Call[] = [];
  /** The request that may be written, or was, and has no answer. */
  #asking: Call | undefined = undefined;

  /** Whether somebody waits for a message. */
  get awaited(): boolean {
    return this.#takers.length > 0;
  }

  /** Whether somebody waits for a message without having asked for it. */
  get receiving(): boolean {
    const last = this.#takers.at(-1);
    return last !== undefined && !last.writes;
  }

  add(call: Call): void {
    if (call.writes) this.#unwritten.push(call);
    if (call.takes) this.#takers.push(call);
  }

  /** The next call whose message may be written. */
  nextToWrite(): Call | undefined {
    const next = this.#unwritten[0];
    if (next?.kind === "request") {
      if (this.#asking !== undefined) return undefined;
      this.#asking = next;
    }
    return this.#unwritten.shift();
  }

  /** The call that gets the message that has come. */
  nextToTake(): Call | undefined {
    const next = this.#takers.shift();
    if (next === this.#asking) this.#asking = undefined;
    return next;
  }

  /** Whether the message of a call may not be written yet. */
  waits(call: Call): boolean {
    return this.#unwritten.includes(call);
  }

  /** Nobody waits for this call any more. */
  forget(call: Call): void {
    remove(this.#unwritten, call);
    remove(this.#takers, call);
    if (call === this.#asking) this.#asking = undefined;
  }

  /** All calls that wait for their turn or for a message. */
  takeAll(): Set<Call> {
    const all = new Set([...this.#takers, ...this.#unwritten]);
    this.#takers = [];
    this.#unwritten = [];
    this.#asking = undefined;
    return all;
  }
}
