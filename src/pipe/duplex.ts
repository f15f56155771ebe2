/**
 * Carries out the calls of a connection, at either end of a pipe: one read and one write at a time.
 *
 * @module
 */

import { isEnd } from "../kernel/status.ts";
import { Deadline } from "../loop/deadlines.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import { Call, type CallKind, CallQueue } from "./calls.ts";
import type { CloseReason } from "./close_reason.ts";
import type { ConnectionErrors } from "./connection_errors.ts";
import { FrameTooLong } from "./framing/faults.ts";
import type { BuiltInFraming } from "../options/framing.ts";
import { Inbox } from "./inbox.ts";
import { LONGEST_PART } from "./outbox.ts";
import type { PipeEnded } from "./pipe_conn.ts";
import type { PipeEnd } from "./pipe_end.ts";
import type { Outcome } from "./reader.ts";
import { LAST_WRITE_TIMEOUT, type WriteQueue } from "./write_queue.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const NO_BYTES = new Uint8Array(0);

/** The settings of a connection. */
export interface ConnectionSettings {
  readonly path: string;
  readonly type: "message" | "byte";
  readonly direction: "both" | "read" | "write";
  readonly framing: BuiltInFraming | undefined;
  readonly halfClose: "none" | "empty-message";
  readonly maxMessage: number;
  readonly maxQueued: number;
  readonly writeTimeout: number;
}

/** The end of a pipe that a connection uses, and its owner. */
export interface Link {
  readonly loop: WaitLoop;
  readonly pipeEnd: PipeEnd;
  readonly queue: WriteQueue;
  readonly errors: ConnectionErrors;
  /** Whether a message is read before the program asks for it. */
  readonly readsAhead: boolean;
  /** Aborts when the server has begun to shut down. */
  readonly draining: AbortSignal;
  /** Resolves when everything is released. */
  readonly released: Promise<void>;
  /** Reads the next message, or the rest of one: {@linkcode Connection.readCompleted} follows. */
  read(): void;
  readRest(): void;
  /** Cancels the read that no call needs. It completes all the same. */
  cancelRead(): void;
  /** Takes the message that was read. */
  take(): Bytes;
  /** The error of a read that was "broken", and the reason to end the connection with. */
  readError(): { readonly reason: CloseReason; readonly error: Error };
  /** More is queued than the limit allows. */
  overflowed(queued: number): void;
  /** Ends the connection: {@linkcode Connection.ended} follows at once. */
  close(reason: CloseReason, error?: Error): void;
}

/** See the module. */
export class Duplex {
  readonly #link: Link;
  readonly #settings: ConnectionSettings;
  readonly #calls = new CallQueue();
  readonly #inbox: Inbox;
  #reading = false;
  /** Whether the other end has closed, although not everything was received. */
  #peerClosed = false;
  #ended: PipeEnded | undefined = undefined;
  #closed: PromiseWithResolvers<PipeEnded> | undefined = undefined;
  /** Whether it closes once everything is written. */
  #finishing = false;
  readonly #lastWrite = new Deadline(() => this.close());
  /** Whether this end sends nothing more, with `halfClose`. */
  #writesOver = false;
  /** Whether this end has said so, or is to when everything before is written. */
  #writesEnding = false;

  constructor(link: Link, settings: ConnectionSettings) {
    this.#link = link;
    this.#settings = settings;
    const { framing, halfClose, maxMessage } = settings;
    this.#inbox = new Inbox(
      () => link.take(),
      framing && (() => framing.decoder(maxMessage)),
      halfClose === "empty-message",
    );
  }

  /** Called when the connection has ended, unless the other end closed it. */
  onEnd: (error: Error) => void = () => {};

  /** The errors of the connection. */
  get errors(): ConnectionErrors {
    return this.#link.errors;
  }

  /** Aborts when the server has begun to shut down. */
  get draining(): AbortSignal {
    return this.#link.draining;
  }

  /** Resolves when everything is released. */
  get released(): Promise<void> {
    return this.#link.released;
  }

  /** Bytes of messages that Windows has not accepted. */
  get queued(): number {
    return this.#link.queue.queued(Infinity) + this.#calls.held;
  }

  /** Resolves when the connection has ended. Asking for it makes it read ahead. */
  get closed(): Promise<PipeEnded> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers<PipeEnded>();
      if (this.#ended !== undefined) this.#closed.resolve(this.#ended);
      else this.#readOn();
    }
    return this.#closed.promise;
  }

  /** The error of a call on the connection once it has ended. */
  get endError(): Error {
    return this.#ended?.reason === "peer" ? this.errors.ended() : this.errors.closed();
  }

  /** Whether the connection has ended, or is about to. */
  get over(): boolean {
    return this.#ended !== undefined || this.#finishing;
  }

  /** Begins to read, if the link reads ahead. */
  begin(): void {
    this.#readOn();
  }

  /** Whether a message that is sent now is submitted at once, so that it need not be copied. */
  submitsAtOnce(kind: CallKind, { length }: Bytes): boolean {
    const { queue } = this.#link;
    const whole = this.#settings.type === "message" || length <= LONGEST_PART;
    return whole && queue.empty && this.#calls.writesNow(kind);
  }

  /**
   * Begins a call.
   *
   * @returns The message received; null if it was only to be written, or the connection has ended.
   * @throws {unknown} What rejects the promise of the caller, which is an async function.
   */
  call(
    kind: CallKind,
    bytes: Bytes = NO_BYTES,
    signal?: AbortSignal | undefined,
  ): Promise<Bytes | null> {
    if (kind === "request" && this.#calls.receiving) {
      throw this.errors.misuse("the answer would go to a receive() or a loop that waits already");
    }
    const alive = this.#ended === undefined || this.#ended.reason === "peer";
    if (alive && signal?.aborted) throw signal.reason;
    const call = new Call(kind, bytes, signal, (call) => this.#aborted(call));
    if (this.#ended !== undefined || call.writes && this.#finishing) {
      this.#settle(call, this.endError);
    } else {
      this.#begin(call);
    }
    return call.promise;
  }

  /** Ends this direction, with `halfClose`: resolves when everything before is written. */
  async endWriting(): Promise<void> {
    this.#writesEnding = true;
    await this.call("send");
    this.#writesOver = true;
    this.#closeIfOver();
  }

  /** Receives nothing more, with `halfClose`. What still arrives is dropped. */
  endReading(): void {
    this.#inbox.close();
    this.#closeIfOver();
    this.#readOn();
  }

  /** Closes the connection now. */
  close(): void {
    this.#inbox.close();
    if (this.#ended === undefined) this.#link.close("self");
  }

  /** Closes the connection once everything is written, or when the time for that is over. */
  finish(): void {
    if (this.over) return;
    this.#finishing = true;
    const { queue, loop } = this.#link;
    if (queue.empty) return this.#link.close("self");
    const { writeTimeout } = this.#settings;
    const limit = writeTimeout === Infinity ? LAST_WRITE_TIMEOUT : writeTimeout;
    loop.deadlines.set(this.#lastWrite, limit);
  }

  /** The read has completed. */
  readCompleted(outcome: Exclude<Outcome, "later">): void {
    if (this.#ended !== undefined) return;
    if (outcome === "partial") return this.#link.readRest();
    this.#reading = false;
    switch (outcome) {
      case "message":
        this.#inbox.arrived();
        return this.#deliver();
      case "ended":
        return this.#peerEnded();
      case "cancelled":
        // Not by us: it cannot be used any more.
        if (!this.#link.pipeEnd.inbound.cancelled) return this.#readFailed();
        return this.#deliver();
      case "broken":
        return this.#readFailed();
    }
  }

  /** Everything is written. */
  written(): void {
    if (this.#finishing && this.#ended === undefined) this.#link.close("self");
  }

  /** A write found that the other end has closed: ends too, unless something is left to be read. */
  unwritten(): void {
    if (this.#ended !== undefined || this.#reading || this.#inbox.full) return;
    const { loop, pipeEnd } = this.#link;
    const writesOnly = this.#settings.direction === "write";
    if (writesOnly || isEnd(loop.kernel.peek(pipeEnd.handle).status)) this.#peerEnded();
  }

  /** The connection has ended: settles all calls, except those whose write is in flight. */
  ended(reason: CloseReason, error?: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error === undefined ? { reason } : { reason, error };
    this.#link.loop.deadlines.lift(this.#lastWrite);
    const cause = error ?? this.endError;
    for (const call of this.#calls.removeAll()) this.#settle(call, cause);
    this.#closed?.resolve(this.#ended);
    // What was written before the other end closed is no error: a later write is.
    if (reason !== "peer") this.onEnd(cause);
  }

  #begin(call: Call): void {
    const { queue } = this.#link;
    const { maxQueued } = this.#settings;
    const queued = call.writes ? queue.queued(maxQueued) + this.#calls.held : 0;
    this.#calls.add(call);
    if (queued > maxQueued && !this.#writesEnding) return this.#link.overflowed(queued);
    this.#queueWrites();
    this.#deliver();
  }

  /** Queues all messages that may be written now. */
  #queueWrites(): void {
    const { queue } = this.#link;
    for (let next; (next = this.#calls.nextToWrite()) !== undefined;) queue.add(next);
    if (!queue.writing) queue.write();
  }

  /** Delivers received messages to the calls that wait, and reads on. */
  #deliver(): void {
    while (this.#calls.awaitsMessage && this.#ended === undefined) {
      const message = this.#inbox.next(this.#calls.awaitsChunk);
      if (message === undefined) break;
      if (message === null) {
        for (const call of this.#calls.takeReceivers()) this.#settleAtEnd(call);
        this.#closeIfOver();
        break;
      }
      this.#calls.nextToReceive()?.resolve(message);
      this.#queueWrites();
    }
    if (this.#ended !== undefined) return;
    const { failure } = this.#inbox;
    if (failure !== undefined) this.#unframed(failure.error);
    else if (this.#peerClosed && !this.#inbox.full) this.#link.close("peer");
    else this.#readOn();
  }

  /** Reads on if anybody wants what comes next, and nothing waits to be received. */
  #readOn(): void {
    if (this.#reading || this.#peerClosed || this.#ended !== undefined || this.#inbox.full) return;
    if (this.#settings.direction === "write") return;
    if (!this.#watches && !this.#calls.awaitsMessage) return;
    this.#reading = true;
    this.#link.read();
  }

  /** Whether it reads although no call waits. */
  get #watches(): boolean {
    return this.#link.readsAhead || this.#closed !== undefined;
  }

  #peerEnded(): void {
    this.#peerClosed = true;
    this.#inbox.end();
    this.#deliver();
  }

  #readFailed(): void {
    const { reason, error } = this.#link.readError();
    this.#link.close(reason, error);
  }

  /** What was read is no message. */
  #unframed(cause: unknown): void {
    const tooLong = cause instanceof FrameTooLong;
    this.#link.close(tooLong ? "maxMessage" : "error", this.errors.unframed(cause));
  }

  #aborted(call: Call): void {
    const { queue } = this.#link;
    if (this.#calls.withdraw(call)) return this.#drop(call);
    if (call.kind === "send") {
      if (queue.abort(call)) this.#drop(call);
    } else if (queue.remove(call)) {
      this.#calls.remove(call);
      this.#drop(call);
    } else {
      call.reject(undefined);
      this.close();
    }
  }

  /** Drops an aborted call that has written nothing. */
  #drop(call: Call): void {
    call.reject(undefined);
    this.#queueWrites();
    if (this.#reading && !this.#watches && !this.#calls.awaitsMessage) this.#link.cancelRead();
  }

  /** Settles a call on a connection that has ended. */
  #settle(call: Call, error: Error): void {
    const reason = this.#ended?.reason;
    const byPeer = reason === "peer" && !call.writes;
    const byProgram = reason === "self" || reason === "shutdown" || reason === "stopped";
    const quiet = byPeer || call.kind === "iterate" && byProgram ||
      call.kind === "chunk" && this.#finishing;
    if (quiet) call.resolve(null);
    else call.reject(error);
  }

  /** Settles a call that waits for a message, when the other end sends nothing more. */
  #settleAtEnd(call: Call): void {
    if (call.writes) call.reject(this.errors.ended());
    else call.resolve(null);
  }

  /** With `halfClose`, both directions are over: nothing is left to do. */
  #closeIfOver(): void {
    const over = this.#writesOver && this.#inbox.over && !this.#inbox.full;
    if (over && this.#ended === undefined) this.#link.close(this.#peerClosed ? "peer" : "self");
  }
}
