/**
 * Outgoing messages of one client: a promise for each, a time limit for the one that is being
 * written, and a count of the bytes that wait.
 *
 * @module
 */

import { Deadline } from "../loop/deadlines.ts";
import { Status } from "../kernel/status.ts";
import { LAST_WRITE_TIMEOUT } from "../options/server_settings.ts";
import { Outbox } from "../pipe/outbox.ts";
import type { PipeEnd } from "../pipe/pipe_end.ts";
import { DONE, rejected } from "./promises.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { ServerConnection } from "./connection.ts";

/** An outgoing message. */
class Reply {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly last: boolean;
  /** Its length until Windows has accepted it, even if the program has detached the memory. */
  waiting: number;
  #ended = false;
  #error: Error | undefined = undefined;
  #settle: ((error: Error | undefined) => void) | undefined = undefined;

  constructor(bytes: Uint8Array<ArrayBuffer>, last: boolean) {
    this.bytes = bytes;
    this.last = last;
    this.waiting = bytes.length;
  }

  /** Windows has accepted the message or, with an error, never will. */
  end(error?: Error): void {
    this.#ended = true;
    this.#error = error;
    this.#settle?.(error);
  }

  /** Settles when the message has ended. To be called once. Never an unhandled rejection. */
  promise(): Promise<void> {
    if (this.#ended) return this.#error === undefined ? DONE : rejected(this.#error);
    const promise = new Promise<void>((resolve, reject) => {
      this.#settle = (error) => error === undefined ? resolve() : reject(error);
    });
    promise.catch(() => {});
    return promise;
  }
}

/** See the module. */
export class Replies {
  readonly #loop: WaitLoop;
  readonly #end: PipeEnd;
  readonly #connection: ServerConnection;
  readonly #outbox: Outbox<Reply>;
  readonly #unread = new Deadline(() => this.#expired());
  readonly #timeout: number;
  #queued = 0;
  /** Whether the connection is to end once its messages are written. */
  #ending = false;

  /** @param timeout Milliseconds that one message may wait for the client to read. */
  constructor(loop: WaitLoop, end: PipeEnd, timeout: number, connection: ServerConnection) {
    this.#loop = loop;
    this.#end = end;
    this.#timeout = timeout;
    this.#connection = connection;
    this.#outbox = new Outbox(loop, end);
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
    if (unseen && this.#outbox.head !== undefined) this.#unqueue(this.#outbox.head);
    return this.#queued;
  }

  /** Whether no message waits or is being written. */
  get empty(): boolean {
    return this.#outbox.head === undefined;
  }

  /**
   * Adds a message, without submitting anything.
   *
   * @param last Whether the answer ends with it.
   * @param own Whether the program cannot write to its memory.
   */
  add(message: Uint8Array<ArrayBuffer>, last: boolean, own: boolean): Reply {
    // A waiting message must not be in memory that the program can change.
    const reply = new Reply(this.empty || own ? message : message.slice(), last);
    this.#outbox.push(reply);
    this.#queued += reply.waiting;
    return reply;
  }

  /** Writes the messages, one after another. */
  write(): void {
    const { head } = this.#outbox;
    if (head === undefined) return;
    const status = this.#outbox.submit(head);
    if (status === Status.PENDING) {
      this.#loop.deadlines.set(this.#unread, this.#limit);
      return;
    }
    // Windows has accepted it, though its promise settles later.
    if (status === Status.SUCCESS) this.#unqueue(head);
    // Only the end of an exchange continues in the same turn: a responder that sends endlessly must
    // not keep the thread.
    if (head.last) this.completed(status);
    else this.#loop.complete(this.#end.outbound, status);
  }

  /** The write completed. */
  completed(status: number): void {
    this.#loop.deadlines.lift(this.#unread);
    if (status !== Status.SUCCESS) return this.#fail(status);
    const head = this.#outbox.take();
    if (head === undefined) return;
    this.#unqueue(head);
    head.end();
    if (this.empty) this.#connection.written();
    else this.write();
  }

  /**
   * Drops the messages that are not being written.
   *
   * @returns How many were dropped.
   */
  drop(error: Error): number {
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
  close(error: Error): number {
    this.#loop.deadlines.lift(this.#unread);
    return this.#drop(this.#outbox.takeAll(), error);
  }

  #fail(status: number): void {
    const error = this.#connection.writeFailed(status);
    this.#connection.unwritten(status, this.#drop(this.#outbox.takeAll(), error));
  }

  #drop(replies: readonly Reply[], error: Error): number {
    for (const reply of replies) {
      this.#unqueue(reply);
      reply.end(error);
    }
    return replies.length;
  }

  #unqueue(reply: Reply): void {
    this.#queued -= reply.waiting;
    reply.waiting = 0;
  }

  get #limit(): number {
    return this.#ending && this.#timeout === Infinity ? LAST_WRITE_TIMEOUT : this.#timeout;
  }

  #expired(): void {
    const { outbound } = this.#end;
    if (outbound.deferred) this.#connection.stillShort(outbound.status);
    else if (!this.#loop.isPending(outbound)) this.#loop.deadlines.set(this.#unread, this.#limit);
    else this.#stillUnread();
  }

  /** The time begins when Windows has the message, except on a connection that is ending. */
  #stillUnread(): void {
    const since = this.#ending ? -Infinity : this.#end.outbound.deferredUntil;
    const left = since + this.#limit - this.#loop.kernel.now();
    if (left > 0) this.#loop.deadlines.set(this.#unread, left);
    else this.#connection.stillUnread();
  }
}
