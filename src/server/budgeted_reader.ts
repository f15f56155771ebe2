/**
 * Reads the messages of one client, each once the budget has room for it.
 *
 * @module
 */

import type { Fault, Outcome, Reader } from "../pipe/reader.ts";
import type { ServerConnection } from "./connection.ts";
import type { ServerContext } from "./context.ts";
import { readError } from "./end_reasons.ts";

/** The outcome of a read; see {@linkcode Outcome}. */
export type ReadOutcome = Exclude<Outcome, "later">;

/** See the module. */
export class BudgetedReader {
  readonly #connection: ServerConnection;
  readonly #context: ServerContext;
  readonly #reader: Reader;
  readonly #resumed: () => void;
  readonly #lastOnly: () => boolean;
  /** Stored, because every request needs it. */
  readonly #submitFirst: () => void = () => this.#submit(undefined);
  #last: ReadOutcome = "message";
  /** The kept outcome of a read, which is delivered again. */
  #kept: ReadOutcome | undefined = undefined;
  /** Stops waiting for room; defined while it waits. */
  #stopWaiting: (() => void) | undefined = undefined;
  /** Bytes of the budget that the request holds, and their era. */
  #bytes = 0;
  #era = 0;

  /**
   * @param reader Reads the messages.
   * @param resumed Called when a read that waited for room is submitted.
   * @param lastOnly Whether nothing is read any more but what is already in the pipe.
   */
  constructor(
    connection: ServerConnection,
    reader: Reader,
    resumed: () => void,
    lastOnly: () => boolean,
  ) {
    this.#connection = connection;
    this.#context = connection.context;
    this.#reader = reader;
    this.#resumed = resumed;
    this.#lastOnly = lastOnly;
  }

  /** Whether it waits for room in the budget. */
  get waiting(): boolean {
    return this.#stopWaiting !== undefined;
  }

  /** Whether the read is in flight and has not completed, seen or not. */
  get pending(): boolean {
    return this.#reader.pending;
  }

  /** Reads the next message. */
  read(): void {
    this.#stopWaiting = this.#context.budget.wait(0, this.#submitFirst);
  }

  /** Reads the rest of a long message, after "partial". */
  readRest(): void {
    const { length } = this.#reader;
    this.#stopWaiting = this.#context.budget.wait(length, () => this.#submit(length));
    if (this.waiting) this.#context.onBlocked();
  }

  /** Cancels the read, whose completion still follows. */
  cancel(): void {
    // The rest of a request that has begun is already in the pipe: only our read is delayed.
    const delayed = this.waiting || this.#reader.deferred;
    if (delayed && this.#reader.begun) return;
    if (!this.waiting) return this.#reader.cancel();
    this.#cancelWait();
    this.#reader.completeCancelled();
  }

  /** The outcome of the completed read; undefined: it completes once more, later. */
  outcome(): ReadOutcome | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) return kept;
    const outcome = this.#reader.outcome();
    if (outcome === "later") return undefined;
    if (this.#reader.fault !== undefined) this.#setEndReason(this.#reader.fault, outcome);
    this.#last = outcome;
    return outcome;
  }

  /** Keeps the outcome of the last read, with its message in place. */
  keep(): void {
    this.#kept = this.#last;
  }

  /** Delivers the kept outcome again in the next turn. */
  redeliver(): void {
    this.#reader.redeliver();
  }

  /** Delivers the outcome of the last read again, when a shortage may have passed. */
  repeat(): void {
    this.#kept = this.#last;
    this.#reader.repeat();
  }

  /** Takes the whole message, after "message". */
  take(): Uint8Array<ArrayBuffer> {
    const request = this.#reader.takeMessage();
    // The bytes of a long request are held since the read of its rest.
    if (this.#bytes === 0) this.#hold(request.length);
    return request;
  }

  /** The message is received, answered or dropped: releases its bytes. */
  release(): void {
    this.#context.budget.free(this.#bytes, this.#era);
    this.#bytes = 0;
  }

  /** Reads nothing more. The completion of a read in flight is discarded. */
  close(): void {
    // A read that waits for room never completes, so its request is counted here.
    if (this.waiting && this.#reader.begun) this.#connection.dropRequest();
    for (let i = this.#reader.waiting; i > 0; i--) this.#connection.dropRequest();
    this.#cancelWait();
    this.#reader.discard();
  }

  /** There is room: reads the next request, or the rest of one of this length. */
  #submit(length: number | undefined): void {
    const waited = this.waiting;
    this.#stopWaiting = undefined;
    if (length === undefined) this.#reader.readFirst();
    else this.#submitRest(length);
    if (waited) this.#resumed();
  }

  #submitRest(length: number): void {
    this.#hold(length);
    this.#reader.readRest();
    // The last request is not waited for: only what is already in the pipe is read.
    if (this.#lastOnly() && !this.#reader.deferred) this.#reader.cancel();
  }

  #cancelWait(): void {
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
  }

  #hold(bytes: number): void {
    this.#bytes = bytes;
    this.#era = this.#context.budget.hold(bytes);
  }

  #setEndReason(fault: Fault, outcome: ReadOutcome): void {
    const error = readError(this.#context, fault);
    if (outcome === "ended") this.#connection.cutOff(error);
    else this.#connection.setEndReason(fault.tooLong ? "maxMessage" : "error", error);
  }
}
