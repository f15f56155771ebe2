/**
 * The client's end of a pipe, for the connection that uses it.
 *
 * @module
 */

import { isEnd, Status } from "../kernel/status.ts";
import type { LoopUser, WaitFailure, WaitLoop } from "../loop/wait_loop.ts";
import { ChunkReader } from "../pipe/chunk_reader.ts";
import type { CloseReason } from "../pipe/close_reason.ts";
import { ConnectionErrors } from "../pipe/connection_errors.ts";
import { Duplex } from "../pipe/duplex.ts";
import type { ConnectionSettings, Link } from "../pipe/link.ts";
import { MessageReader } from "../pipe/message_reader.ts";
import { PipeEnd, type PipeEndOwner } from "../pipe/pipe_end.ts";
import type { Reader } from "../pipe/reader.ts";
import { type WriteOwner, WriteQueue } from "../pipe/write_queue.ts";

/** A signal that never aborts: no client is told that its server will end. */
const NEVER = new AbortController().signal;

/** See the module. */
export class ClientLink implements Link, PipeEndOwner, LoopUser, WriteOwner {
  readonly loop: WaitLoop;
  readonly pipeEnd: PipeEnd;
  readonly queue: WriteQueue;
  readonly errors: ConnectionErrors;
  readonly duplex: Duplex;
  readonly readsAhead = false;
  readonly blocked = false;
  readonly draining = NEVER;
  readonly #reader: Reader;
  readonly #timeout: number;
  readonly #released = Promise.withResolvers<void>();
  /** Whether the connection has ended, and what its last write gets. */
  #ended: Error | undefined = undefined;

  constructor(loop: WaitLoop, settings: ConnectionSettings, handle: bigint) {
    const { path, type, framing, maxMessage, writeTimeout } = settings;
    this.loop = loop;
    this.errors = new ConnectionErrors(path, false);
    this.#timeout = writeTimeout;
    loop.enter(this);
    // Only calls that wait keep the program running.
    loop.release(this);
    this.pipeEnd = new PipeEnd(loop, handle, this);
    this.queue = new WriteQueue(loop, this.pipeEnd, this, writeTimeout, type === "byte");
    const chunks = type === "byte" || framing !== undefined;
    const { inbound } = this.pipeEnd;
    this.#reader = chunks
      ? new ChunkReader(loop, inbound)
      : new MessageReader(loop, inbound, maxMessage);
    this.duplex = new Duplex(this, settings);
  }

  /** Whether the connection has ended. */
  get over(): boolean {
    return this.#ended !== undefined;
  }

  /** See {@linkcode Link}. */
  get released(): Promise<void> {
    return this.#released.promise;
  }

  /** See {@linkcode Link}. */
  read(): void {
    this.#reader.readFirst();
  }

  /** See {@linkcode Link}. */
  readRest(): void {
    this.#reader.readRest();
  }

  /** See {@linkcode Link}. The rest of a message that has begun is there, and ends by itself. */
  cancelRead(): void {
    if (!this.#reader.begun) this.#reader.cancel();
  }

  /** See {@linkcode Link}. */
  get length(): number {
    return this.#reader.length;
  }

  /** See {@linkcode Link}. */
  take(into?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    return this.#reader.takeMessage(into);
  }

  /** See {@linkcode Link}. */
  readError(): { readonly reason: CloseReason; readonly error: Error } {
    const fault = this.#reader.fault ?? { call: "ReadFile", status: Status.CANCELLED };
    return {
      reason: fault.tooLong ? "maxMessage" : "error",
      error: this.errors.read(fault),
    };
  }

  /** See {@linkcode Link}. A client sets itself no such limit. */
  overflowed(): void {}

  /** See {@linkcode Link}. Nobody else is to be told. */
  endSeen(): void {}

  /** See {@linkcode Link}. */
  close(reason: CloseReason, error?: Error): void {
    if (this.#ended !== undefined) return;
    const ended = error ?? (reason === "peer" ? this.errors.ended() : this.errors.closed());
    this.#ended = ended;
    this.duplex.ended(reason, error);
    this.queue.drop(() => ended);
    this.pipeEnd.close(() => this.#release(this.loop.leave(this)));
  }

  /** See {@linkcode PipeEndOwner}. */
  inboundCompleted(): void {
    if (this.#ended !== undefined) return;
    const outcome = this.#reader.outcome();
    if (outcome !== "later") this.duplex.readCompleted(outcome);
  }

  /** See {@linkcode PipeEndOwner}. */
  outboundCompleted(status: number): void {
    this.queue.completed(status);
  }

  /** See {@linkcode PipeEndOwner}. */
  crashed(cause: unknown): void {
    this.close("error", this.errors.crash(cause));
  }

  /** See {@linkcode WriteOwner}. */
  written(): void {
    this.duplex.written();
  }

  /** See {@linkcode WriteOwner}. */
  writeFailed(status: number): Error {
    if (this.#ended !== undefined) return this.#ended;
    return isEnd(status) ? this.errors.peer("WriteFile", status) : this.errors.write(status);
  }

  /** See {@linkcode WriteOwner}. */
  unwritten(status: number): void {
    if (isEnd(status)) this.duplex.unwritten();
    else this.close("error", this.errors.write(status));
  }

  /** See {@linkcode WriteOwner}. */
  stillUnread(): void {
    this.close("writeTimeout", this.errors.unread(this.#timeout));
  }

  /** See {@linkcode WriteOwner}. */
  stillShort(status: number): void {
    this.close("error", this.errors.write(status));
  }

  /** See {@linkcode WriteOwner}. */
  aborted(): void {
    this.close("self");
  }

  /** See {@linkcode LoopUser}. */
  failed({ call, status }: WaitFailure): void {
    this.#abandon("error", this.errors.failed(call, status));
  }

  /** See {@linkcode LoopUser}. */
  abandoned(): void {
    this.#abandon("stopped");
  }

  /** Nothing completes any more. */
  #abandon(reason: CloseReason, error?: Error): void {
    this.pipeEnd.abandon();
    this.#ended ??= error ?? this.errors.closed();
    this.duplex.ended(reason, error);
    this.#release();
  }

  #release(left?: Promise<void>): void {
    this.queue.close(() => this.#ended ?? this.errors.closed());
    this.duplex.released();
    this.#released.resolve(left);
  }
}
