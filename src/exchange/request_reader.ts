/**
 * Reads the requests of one client, each when the budget has room for it.
 *
 * @module
 */

import type { MessageReader, Outcome } from "../pipe/message_reader.ts";
import type { ServerConnection } from "../server/connection.ts";
import type { ServerContext } from "../server/context.ts";
import { readError } from "../server/end_reasons.ts";

/** What a read brought; see {@linkcode Outcome}. */
export type ReadOutcome = Exclude<Outcome, "later">;

/** See the module. */
export class RequestReader {
  readonly #connection: ServerConnection;
  readonly #context: ServerContext;
  readonly #reader: MessageReader;
  readonly #resumed: () => void;
  /** Kept, since one is needed for each request. */
  readonly #submitFirst: () => void = () => this.#submit(0);
  #last: ReadOutcome = "message";
  /** The outcome of a read that is kept, and comes again. */
  #kept: ReadOutcome | undefined = undefined;
  /** While it waits for room: how to give that up. */
  #stopWaiting: (() => void) | undefined = undefined;
  /** Bytes of the budget that the request takes, and what the budget is to be told about them. */
  #bytes = 0;
  #era = 0;

  /** @param resumed Called when a read is submitted that had to wait for room. */
  constructor(connection: ServerConnection, resumed: () => void) {
    this.#connection = connection;
    this.#context = connection.context;
    this.#reader = connection.reader;
    this.#resumed = resumed;
  }

  /** Whether it waits for room in the budget. */
  get waits(): boolean {
    return this.#stopWaiting !== undefined;
  }

  /** Whether Windows has the read, and has not ended it by now, seen or not. */
  get pending(): boolean {
    return this.#reader.pending;
  }

  /** Reads the next request. */
  read(): void {
    this.#stopWaiting = this.#context.budget.wait(0, this.#submitFirst);
  }

  /** Reads the rest of a long request, after "partial". */
  readRest(): void {
    const { length } = this.#reader;
    this.#stopWaiting = this.#context.budget.wait(length, () => this.#submit(length));
    if (this.waits) this.#context.onBlocked();
  }

  /** Cancels the read, whose completion still follows. */
  cancel(): void {
    // Of a request that has begun the rest is there, and only we are late.
    const late = this.waits || this.#reader.deferred;
    if (late && this.#reader.begun) return;
    if (!this.waits) return this.#reader.cancel();
    this.#giveUpRoom();
    this.#reader.completeCancelled();
  }

  /** What the read that completed brought; undefined: it completes once more, later. */
  outcome(): ReadOutcome | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) return kept;
    const outcome = this.#reader.outcome();
    if (outcome === "later") return undefined;
    if (outcome === "broken") this.#blame();
    this.#last = outcome;
    return outcome;
  }

  /** Keeps the outcome of the last read where it is. */
  keep(): void {
    this.#kept = this.#last;
  }

  /** Lets the kept outcome come again in the next turn. */
  redeliver(): void {
    this.#reader.redeliver();
  }

  /** Lets the outcome of the last read come again, when a shortage may have passed. */
  repeat(): void {
    this.#kept = this.#last;
    this.#reader.repeat();
  }

  /** The whole request, after "message". */
  take(): Uint8Array<ArrayBuffer> {
    const request = this.#reader.takeMessage();
    // The bytes of a long one are held since its rest was read.
    if (this.#bytes === 0) this.#hold(request.length);
    return request;
  }

  /** The request is answered, or given up: its bytes are room for others. */
  release(): void {
    this.#context.budget.free(this.#bytes, this.#era);
    this.#bytes = 0;
  }

  /** Reads nothing more. What is in flight completes for nobody. */
  close(): void {
    // What waits for room is no operation that would complete.
    if (this.waits && this.#reader.begun) this.#connection.dropRequest();
    this.#giveUpRoom();
    this.#reader.discard();
  }

  /** There is room: reads the next request, or the rest of one of this length. */
  #submit(length: number): void {
    const waited = this.waits;
    this.#stopWaiting = undefined;
    if (length === 0) this.#reader.readFirst();
    else this.#submitRest(length);
    if (waited) this.#resumed();
  }

  #submitRest(length: number): void {
    this.#hold(length);
    this.#reader.readRest();
    // Of the last request nothing is waited for: what is there of it is read.
    if (this.#context.draining && !this.#reader.deferred) this.#reader.cancel();
  }

  #giveUpRoom(): void {
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
  }

  #hold(bytes: number): void {
    this.#bytes = bytes;
    this.#era = this.#context.budget.hold(bytes);
  }

  #blame(): void {
    const { fault } = this.#reader;
    if (fault === undefined) return;
    const error = readError(this.#context, fault);
    this.#connection.setEndReason(fault.tooLong ? "maxRequest" : "error", error);
  }
}
