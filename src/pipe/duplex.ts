/**
 * Carries out the calls of a connection, at either end of a pipe: one read and one write at a time.
 *
 * @module
 */

import { Deadline } from "../loop/deadlines.ts";
import { Call, type CallKind, CallQueue } from "./calls.ts";
import type { CloseReason } from "./close_reason.ts";
import { Ending } from "./ending.ts";
import { FrameTooLong } from "./framing/faults.ts";
import { Hold } from "./hold.ts";
import type { Inbox } from "./inbox.ts";
import { Incoming } from "./incoming.ts";
import type { ConnectionSettings, Link } from "./link.ts";
import { NO_BYTES } from "./message.ts";
import { LONGEST_PART } from "./outbox.ts";
import type { PipeEnded } from "./pipe_conn.ts";
import type { Outcome } from "./reader.ts";
import { LAST_WRITE_TIMEOUT } from "./write_queue.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** See the module. */
export class Duplex {
  readonly link: Link;
  readonly #settings: ConnectionSettings;
  readonly #calls = new CallQueue();
  readonly #incoming: Incoming;
  readonly #inbox: Inbox;
  readonly #hold: Hold;
  /** Whether a write has found that the other end has closed. */
  #endSeen = false;
  #ending: Ending | undefined = undefined;
  #closed: PromiseWithResolvers<PipeEnded> | undefined = undefined;
  /** Whether it closes once everything is written. */
  #finishing = false;
  readonly #lastWrite = new Deadline(() => this.close());
  /** Whether this end sends nothing more, with `halfClose`. */
  #writesOver = false;
  /** Whether this end has said so, or is to when everything before is written. */
  #writesEnding = false;

  constructor(link: Link, settings: ConnectionSettings) {
    this.link = link;
    this.#settings = settings;
    this.#incoming = new Incoming(link, settings);
    this.#inbox = this.#incoming.inbox;
    this.#hold = new Hold(link.loop);
  }

  /** Called when the connection has ended, unless the other end closed it. */
  onEnd: (error: Error) => void = () => {};

  /** Called when a call has received a message or chunk. */
  onReceived: () => void = () => {};

  /** Bytes of messages that Windows has not accepted. */
  get queued(): number {
    return this.link.queue.queued(Infinity) + this.#calls.held;
  }

  /** How many messages or chunks were read and not received. */
  get unread(): number {
    return this.#inbox.length;
  }

  /** Resolves when the connection has ended. Asking for it makes it read ahead. */
  get closed(): Promise<PipeEnded> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers<PipeEnded>();
      this.#incoming.watch();
      if (this.#ending !== undefined) this.#closed.resolve(this.#ending.ended);
      else if (this.#endSeen && this.#restWaits) this.#closed.resolve({ reason: "peer" });
      else this.#readOn();
      this.#hold.awaitEnd(this.#ending === undefined && !this.#endSeen);
    }
    return this.#closed.promise;
  }

  /** The error of a call on the connection once it has ended. */
  get endError(): Error {
    return this.#ending?.error ?? this.link.errors.closed();
  }

  /** Whether this program or a failure has ended the connection, or is about to. */
  get stopped(): boolean {
    return this.#finishing || this.#ending?.byPeer === false;
  }

  /** Whether what the other end has sent waits: for the program, or for room. */
  get #restWaits(): boolean {
    return this.#inbox.full || this.link.blocked;
  }

  /** Whether calls that wait keep the program running. */
  keepAlive(on: boolean): void {
    this.#hold.allow(on);
  }

  /** Begins to read, if the link reads ahead. */
  begin(): void {
    this.#readOn();
  }

  /** Whether a message that is sent now is submitted at once, so that it need not be copied. */
  submitsAtOnce(kind: CallKind, { length }: Bytes): boolean {
    const { queue } = this.link;
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
      throw this.link.errors.misuse(
        "the answer would go to a receive() or a loop that waits already",
      );
    }
    if (this.#ending?.byPeer !== false && signal?.aborted) throw signal.reason;
    const call = new Call(kind, bytes, signal, this.#onAborted, this.#hold.callSettled);
    this.#hold.callBegan();
    if (this.#ending !== undefined) this.#ending.settleLate(call);
    else if (call.writes && this.#finishing) call.reject(this.link.errors.closed());
    else if (kind === "request" && this.#inbox.over) call.reject(this.link.errors.ended());
    else this.#begin(call);
    return call.promise;
  }

  /** Ends this direction, with `halfClose`: resolves when everything before is written. */
  async endWriting(): Promise<void> {
    this.#writesEnding = true;
    await this.call("send");
    this.#writesOver = true;
    this.#closeIfDone();
  }

  /** Receives nothing more, with `halfClose`. What still arrives is dropped. */
  endReading(): void {
    this.#inbox.close();
    this.#deliver();
    this.#incoming.cancelUnneeded(this.#calls.awaitsMessage);
  }

  /** Closes the connection now. */
  close(): void {
    if (this.#ending === undefined) this.link.close("self");
  }

  /** Closes the connection once everything is written, or when the time for that is over. */
  finish(): void {
    if (this.#finishing || this.#ending !== undefined) return;
    this.#finishing = true;
    const { writeTimeout } = this.#settings;
    const limit = writeTimeout === Infinity ? LAST_WRITE_TIMEOUT : writeTimeout;
    this.link.loop.deadlines.set(this.#lastWrite, limit);
    this.#hold.close(true);
    this.#closeIfDone();
  }

  /** The read has completed. */
  readCompleted(outcome: Exclude<Outcome, "later">): void {
    if (this.#ending !== undefined) return;
    if (outcome === "partial") return this.link.readRest();
    if (this.#incoming.completed(outcome)) this.#deliver();
    else this.#readFailed();
  }

  /** Everything that was queued for writing is written. */
  written(): void {
    this.#closeIfDone();
  }

  /** A write found that the other end has closed. What it has sent can still be received. */
  unwritten(): void {
    if (this.#ending !== undefined) return;
    if (this.#settings.direction === "write") {
      this.#incoming.end();
      return this.#deliver();
    }
    this.#endSeen = true;
    this.#incoming.watch();
    this.#readOn();
    if (this.#restWaits) {
      // It can still be received, but nobody need wait for that to be told of the end.
      this.#closed?.resolve({ reason: "peer" });
      this.link.endSeen();
      this.#hold.awaitEnd(false);
    }
    // Only calls that want what is still to come need wait for it.
    if (!this.#calls.awaitsMessage) this.#closeIfDone();
  }

  /** The connection has ended: settles all calls, except those whose write is in flight. */
  ended(reason: CloseReason, error?: Error): void {
    if (this.#ending !== undefined) return;
    const ended = error === undefined ? { reason } : { reason, error };
    const allReceived = this.#inbox.over && !this.#inbox.full;
    const ending = new Ending(this.link.errors, ended, this.#finishing, allReceived);
    this.#ending = ending;
    this.link.loop.deadlines.lift(this.#lastWrite);
    this.#inbox.close();
    for (const call of this.#calls.removeAll()) ending.settle(call);
    this.#closed?.resolve(ended);
    // What was written before the other end closed is no error: a later write is.
    if (!ending.byPeer) this.onEnd(ending.cause);
    this.#hold.awaitEnd(false);
    this.#hold.close(true);
  }

  /** Everything is released. */
  released(): void {
    this.#hold.close(false);
  }

  readonly #onAborted = (call: Call): void => this.#aborted(call);

  #begin(call: Call): void {
    const { queue } = this.link;
    const { maxQueued } = this.#settings;
    const queued = call.writes ? queue.queued(maxQueued) + this.#calls.held : 0;
    this.#calls.add(call);
    if (queued > maxQueued && !this.#writesEnding) return this.link.overflowed(queued);
    this.#queueWrites();
    this.#deliver();
  }

  /** Queues all messages that may be written now. */
  #queueWrites(): void {
    const { queue } = this.link;
    for (let next; (next = this.#calls.nextToWrite()) !== undefined;) queue.add(next);
    queue.write();
  }

  /** Delivers received messages to the calls that wait, and reads on. */
  #deliver(): void {
    while (this.#calls.awaitsMessage && this.#ending === undefined) {
      const message = this.#inbox.next(this.#calls.awaitedChunk);
      if (message === undefined) break;
      if (message === null) this.#endReceivers();
      else {
        this.onReceived();
        this.#calls.nextToReceive()?.resolve(message);
      }
      this.#queueWrites();
    }
    if (this.#ending !== undefined) return;
    const { failure } = this.#inbox;
    if (failure !== undefined) return this.#unframed(failure.error);
    if (this.#incoming.peerClosed && !this.#inbox.full) return this.link.close("peer");
    this.#readOn();
    this.#closeIfDone();
  }

  /** Reads on if anybody wants what comes next. @returns Whether there is a read. */
  #readOn(): boolean {
    return this.#ending === undefined && this.#incoming.readOn(this.#calls.awaitsMessage);
  }

  #readFailed(): void {
    const { reason, error } = this.link.readError();
    this.link.close(reason, error);
  }

  /** What was read is no message. */
  #unframed(cause: unknown): void {
    const tooLong = cause instanceof FrameTooLong;
    this.link.close(tooLong ? "maxMessage" : "error", this.link.errors.unframed(cause));
  }

  #aborted(call: Call): void {
    const { queue } = this.link;
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
    this.#incoming.cancelUnneeded(this.#calls.awaitsMessage);
    this.#closeIfDone();
  }

  /** The other end sends nothing more: settles the calls that wait for a message. */
  #endReceivers(): void {
    for (const call of this.#calls.takeReceivers()) {
      if (call.writes) call.reject(this.link.errors.ended());
      else call.resolve(null);
    }
  }

  /** Closes the connection if nothing is left to do: see `finish` and `halfClose`. */
  #closeIfDone(): void {
    if (this.#ending !== undefined) return;
    const written = this.#finishing && this.link.queue.empty && this.#calls.allQueued;
    const over = this.#writesOver && this.#inbox.over && !this.#inbox.full;
    const byPeer = this.#endSeen || this.#incoming.peerClosed;
    if (written || over) this.link.close(byPeer ? "peer" : "self");
  }
}
