/**
 * Reads the messages of one client, each once the budget has room for it, and has the client's token
 * taken with the first.
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
  /** Stored, because every request needs it. */
  readonly #submitFirst: () => void = () => this.#submit(undefined);
  readonly #measures: boolean;
  #arrivedAt = 0;
  /** Whether the client's token is still to be taken, with the first data that is read. */
  #unidentified: boolean;
  #last: ReadOutcome = "message";
  /** The kept outcome of a read, which is delivered again. */
  #kept: ReadOutcome | undefined = undefined;
  /** Stops waiting for room; defined while it waits. */
  #stopWaiting: (() => void) | undefined = undefined;
  /** Bytes of the budget that the request holds, and their era. */
  #bytes = 0;
  #era = 0;

  /** @param reader Reads the messages. */
  constructor(connection: ServerConnection, reader: Reader) {
    this.#connection = connection;
    this.#context = connection.context;
    this.#measures = this.#context.counters.latency !== undefined;
    this.#unidentified = this.#context.settings.identifies;
    this.#reader = reader;
  }

  /** When the last message has arrived, on the kernel's clock, if that is measured. */
  get arrivedAt(): number {
    return this.#arrivedAt;
  }

  /** Bytes of the message, after "partial" or "message". */
  get length(): number {
    return this.#reader.length;
  }

  /** Bytes that were read so far, frames included, except while the connection ended. */
  get bytesReceived(): number {
    return this.#reader.bytesReceived;
  }

  /** Whether it waits for room in the budget. */
  get waiting(): boolean {
    return this.#stopWaiting !== undefined;
  }

  /** Whether the read is in flight and has not completed, seen or not. */
  get pending(): boolean {
    return this.#reader.pending;
  }

  /** Reads the next message; one that is kept is the next. */
  read(): void {
    if (this.#kept !== undefined) return;
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
    const outcome = this.#kept ?? this.#received();
    this.#kept = undefined;
    return this.#unidentified ? this.#identified(outcome) : outcome;
  }

  /** Keeps the outcome of the last read, with its message in place. */
  keep(): void {
    this.#kept = this.#last;
  }

  /** Delivers the kept outcome again in the next turn. */
  redeliver(): void {
    this.#reader.redeliver();
  }

  /** Takes the whole message, after "message": see {@linkcode Reader.takeMessage}. */
  take(into?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const request = this.#reader.takeMessage(into);
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
    this.#unidentified = false;
  }

  #received(): ReadOutcome | undefined {
    const outcome = this.#reader.outcome();
    if (outcome === "later") return undefined;
    if (this.#reader.fault !== undefined) this.#setEndReason(this.#reader.fault, outcome);
    this.#last = outcome;
    if (outcome === "message" && this.#measures) {
      this.#arrivedAt = this.#connection.loop.kernel.now();
    }
    return outcome;
  }

  /** Takes the client's token once its first data has arrived, before anything else is read. */
  #identified(outcome: ReadOutcome | undefined): ReadOutcome | undefined {
    if (outcome !== "message" && outcome !== "partial") return outcome;
    this.#unidentified = !this.#connection.facts.takeToken();
    if (!this.#unidentified) return outcome;
    this.#kept = outcome;
    this.#reader.repeat();
    return undefined;
  }

  /** There is room: reads the next request, or the rest of one of this length. */
  #submit(length: number | undefined): void {
    const waited = this.waiting;
    this.#stopWaiting = undefined;
    if (length === undefined) this.#reader.readFirst();
    else this.#submitRest(length);
    if (waited) this.#connection.instance.session?.readResumed();
  }

  #submitRest(length: number): void {
    this.#hold(length);
    this.#reader.readRest();
    // The last request is not waited for: only what is already in the pipe is read.
    const lastOnly = this.#connection.instance.session?.lastOnly === true;
    if (lastOnly && !this.#reader.deferred) this.#reader.cancel();
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
