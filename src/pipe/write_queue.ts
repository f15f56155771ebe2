/**
 * Writes the outgoing messages of one end of a pipe, with a time limit for each write, and counts
 * the bytes that wait.
 *
 * @module
 */

import { Deadline } from "../loop/deadlines.ts";
import { Status } from "../kernel/status.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import { Outbox, type Outgoing } from "./outbox.ts";
import type { PipeEnd } from "./pipe_end.ts";

/** Milliseconds that the last write of a connection may stay pending, if there is no other limit. */
export const LAST_WRITE_TIMEOUT = 10_000;

/** Is told what becomes of the messages of a {@linkcode WriteQueue}. */
export interface WriteOwner {
  /** All messages are written. */
  written(): void;
  /** A write failed: returns the error for its message and for those that wait. */
  writeFailed(status: number): Error;
  /** This many messages were dropped because a write failed. */
  unwritten(status: number, messages: number): void;
  /** The other end did not read in time. */
  stillUnread(): void;
  /** A shortage that prevents a write has lasted for the time of a write. */
  stillShort(status: number): void;
  /** A message was aborted of which the other end may have a part: end the connection. */
  aborted(): void;
}

/** See the module. */
export class WriteQueue<T extends Outgoing = Outgoing> {
  readonly #loop: WaitLoop;
  readonly #end: PipeEnd;
  readonly #owner: WriteOwner;
  readonly #outbox: Outbox<T>;
  readonly #unread = new Deadline(() => this.#expired());
  readonly #timeout: number;
  readonly #gathers: boolean;
  #queued = 0;
  /** Messages whose write was cancelled because they were aborted. */
  readonly #aborted = new Set<T>();
  /** Whether the other end may have a part of one of them. */
  #partly = false;
  #messagesWritten = 0;
  #bytesWritten = 0;
  /** Whether the connection is to end once its messages are written. */
  #ending = false;

  /**
   * @param timeout Milliseconds that one write may stay pending.
   * @param gathers Whether the pipe is a byte pipe.
   */
  constructor(
    loop: WaitLoop,
    end: PipeEnd,
    owner: WriteOwner,
    timeout: number,
    gathers: boolean,
  ) {
    this.#loop = loop;
    this.#end = end;
    this.#owner = owner;
    this.#timeout = timeout;
    this.#gathers = gathers;
    this.#outbox = new Outbox(loop, end, gathers);
  }

  /**
   * Bytes of messages that Windows has not accepted.
   *
   * @param most If more than that wait, checks whether the write in flight has completed since.
   */
  queued(most: number): number {
    const { outbound } = this.#end;
    const unseen = this.#queued > most && outbound.expected && !outbound.deferred &&
      !this.#loop.isPending(outbound);
    if (unseen) this.#accepted();
    return this.#queued;
  }

  /** Whether no message waits or is being written. */
  get empty(): boolean {
    return this.#outbox.head === undefined;
  }

  /** How many messages Windows has accepted. */
  get messagesWritten(): number {
    return this.#messagesWritten;
  }

  /** How many bytes Windows has accepted, also of a message that it has not accepted whole. */
  get bytesWritten(): number {
    return this.#bytesWritten + this.#outbox.sent;
  }

  /** Called when Windows has accepted anything. */
  onAccepted: (() => void) | undefined = undefined;

  /** Whether a write was submitted, and its result is still to come. */
  get writing(): boolean {
    return this.#outbox.writing;
  }

  /** Adds a message, without submitting anything. */
  add(message: T): void {
    this.#outbox.push(message);
    this.#queued += message.waiting;
  }

  /** Writes the messages, one after another. No effect while that is under way. */
  write(): void {
    const { head } = this.#outbox;
    if (head === undefined || this.writing) return;
    const status = this.#outbox.submit(head);
    if (status === Status.PENDING) {
      this.#loop.deadlines.set(this.#unread, this.#limit);
      return;
    }
    if (status === Status.SUCCESS) this.#accepted();
    // Only the end of an exchange continues in the same turn: a responder that sends endlessly must
    // not keep the thread.
    if (head.last) this.completed(status);
    else this.#loop.complete(this.#end.outbound, status);
  }

  /** The write completed. */
  completed(status: number): void {
    this.#loop.deadlines.lift(this.#unread);
    if (this.#aborted.size > 0) {
      const aborted = [...this.#aborted];
      this.#aborted.clear();
      if (status === Status.CANCELLED) return this.#withdraw(aborted);
    }
    if (status !== Status.SUCCESS) return this.#fail(status);
    this.onAccepted?.();
    for (let message; (message = this.#outbox.takeWritten()) !== undefined;) {
      this.#messagesWritten++;
      this.#bytesWritten += message.length;
      this.#unqueue(message);
      message.end();
    }
    const { head, sent } = this.#outbox;
    if (head === undefined) return this.#owner.written();
    if (sent > 0) this.#wait(head, head.length - sent);
    this.write();
  }

  /** Removes a message of which nothing was submitted. False if something was. */
  remove(message: T): boolean {
    const removed = this.#outbox.remove(message);
    if (removed) this.#unqueue(message);
    return removed;
  }

  /**
   * Withdraws a message. If a write has a part of it, the write is cancelled: its completion ends the
   * message if Windows has accepted it all the same, or else the connection.
   *
   * @returns Whether it is withdrawn; its owner settles it then.
   */
  abort(message: T): boolean {
    const { outbound } = this.#end;
    if (this.remove(message)) return true;
    if (this.#aborted.size === 0) this.#partly = !outbound.deferred;
    this.#partly ||= this.#outbox.cut(message);
    this.#aborted.add(message);
    this.#loop.cancel(outbound);
    return false;
  }

  /**
   * Drops the messages that are not being written.
   *
   * @returns How many were dropped.
   */
  drop(error: () => Error): number {
    return this.#drop(this.#outbox.takeUnsent(), error);
  }

  /** The connection is ending: its last messages get a time limit, if they have none. */
  limitLast(): void {
    this.#ending = true;
    const { deadlines } = this.#loop;
    if (this.#outbox.writing && !deadlines.has(this.#unread)) {
      deadlines.set(this.#unread, this.#limit);
    }
  }

  /**
   * The connection has ended, and nothing completes any more: drops all messages.
   *
   * @returns How many were dropped.
   */
  close(error: () => Error): number {
    this.#loop.deadlines.lift(this.#unread);
    return this.#dropAll(error);
  }

  #withdraw(aborted: readonly T[]): void {
    if (this.#partly) return this.#owner.aborted();
    for (const message of aborted) {
      if (this.remove(message)) message.end(new Deno.errors.Interrupted("The message was aborted"));
    }
    if (this.empty) this.#owner.written();
    else this.write();
  }

  #fail(status: number): void {
    const error = this.#owner.writeFailed(status);
    this.#owner.unwritten(status, this.#dropAll(() => error));
  }

  #dropAll(error: () => Error): number {
    this.#bytesWritten += this.#outbox.sent;
    return this.#drop(this.#outbox.takeAll(), error);
  }

  #drop(messages: readonly T[], error: () => Error): number {
    if (messages.length === 0) return 0;
    // One for all: it costs more than the rest.
    const reason = error();
    for (const message of messages) {
      this.#unqueue(message);
      message.end(reason);
    }
    return messages.length;
  }

  /** Windows has accepted the head, though its promise settles later. */
  #accepted(): void {
    // A write to a byte pipe may be a part of it only.
    if (!this.#gathers && this.#outbox.head !== undefined) this.#unqueue(this.#outbox.head);
  }

  #unqueue(message: T): void {
    this.#wait(message, 0);
  }

  /** This many bytes of the message wait from now on. */
  #wait(message: T, bytes: number): void {
    this.#queued += bytes - message.waiting;
    message.waiting = bytes;
  }

  get #limit(): number {
    return this.#ending && this.#timeout === Infinity ? LAST_WRITE_TIMEOUT : this.#timeout;
  }

  #expired(): void {
    const { outbound } = this.#end;
    if (outbound.deferred) this.#owner.stillShort(outbound.status);
    else if (!this.#loop.isPending(outbound)) this.#loop.deadlines.set(this.#unread, this.#limit);
    else this.#stillUnread();
  }

  /** The time begins when Windows has the message, except on a connection that is ending. */
  #stillUnread(): void {
    const since = this.#ending ? -Infinity : this.#end.outbound.deferredUntil;
    const left = since + this.#limit - this.#loop.kernel.now();
    if (left > 0) this.#loop.deadlines.set(this.#unread, left);
    else this.#owner.stillUnread();
  }
}
