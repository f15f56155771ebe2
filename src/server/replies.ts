/**
 * Messages on their way to one client: a promise each, a time limit for the one that is being
 * written, and a bound on what waits.
 *
 * @module
 */

import { Deadline } from "../loop/deadlines.ts";
import { Status } from "../kernel/status.ts";
import { LAST_WRITE_TIMEOUT } from "../options/options.ts";
import { Outbox } from "../pipe/outbox.ts";
import type { PipeEnd } from "../pipe/pipe_end.ts";
import { DONE, rejected } from "./promises.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { ServerConnection } from "./connection.ts";

/** A message on its way out. */
class Reply {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly last: boolean;
  /** Bytes of it that Windows has not taken, even when its user has detached the memory since. */
  waiting: number;
  #over = false;
  #error: Error | undefined = undefined;
  #settle: ((error: Error | undefined) => void) | undefined = undefined;

  constructor(bytes: Uint8Array<ArrayBuffer>, last: boolean) {
    this.bytes = bytes;
    this.last = last;
    this.waiting = bytes.length;
  }

  /** Windows has taken it, or with an error: never will. */
  end(error?: Error): void {
    this.#over = true;
    this.#error = error;
    this.#settle?.(error);
  }

  /** Settles when it is over; to be asked once. Never becomes an unhandled rejection. */
  promise(): Promise<void> {
    if (this.#over) return this.#error === undefined ? DONE : rejected(this.#error);
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
  /** Nothing more is written after what is there. */
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
   * Bytes of messages that Windows has not taken.
   *
   * @param most When it is more than that, what Windows took unseen is left out.
   */
  queued(most: number): number {
    const { outbound } = this.#end;
    const unseen = this.#queued > most && outbound.expected && !outbound.deferred &&
      !this.#loop.isPending(outbound);
    if (unseen && this.#outbox.head !== undefined) this.#unqueue(this.#outbox.head);
    return this.#queued;
  }

  /** Whether there is no message that Windows has not taken. */
  get empty(): boolean {
    return this.#outbox.head === undefined;
  }

  /**
   * Adds a message, without submitting anything.
   *
   * @param last The answer ends with it.
   * @param own Nobody else can write to its memory.
   */
  add(message: Uint8Array<ArrayBuffer>, last: boolean, own: boolean): Reply {
    // Until it is submitted, a message must not be what the user may write to.
    const reply = new Reply(this.empty || own ? message : message.slice(), last);
    this.#outbox.push(reply);
    this.#queued += reply.waiting;
    return reply;
  }

  /** Writes what there is, one message after the other. */
  write(): void {
    const { head } = this.#outbox;
    if (head === undefined) return;
    const status = this.#outbox.submit(head);
    if (status === Status.PENDING) {
      this.#loop.deadlines.set(this.#unread, this.#limit);
      return;
    }
    // Windows has taken it, though its promise settles later.
    if (status === Status.SUCCESS) this.#unqueue(head);
    // Only the end of an exchange goes on in the same turn: a responder that sends without end
    // must not keep the thread.
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
   * Gives up the messages that are not being written.
   *
   * @returns How many there were.
   */
  drop(error: Error): number {
    const dropped = this.#outbox.takeUnsent();
    for (const reply of dropped) this.#drop(reply, error);
    return dropped.length;
  }

  /** The connection is to end: its last messages are waited for, but never for ever. */
  limitLast(): void {
    this.#ending = true;
    const { deadlines } = this.#loop;
    if (this.#outbox.writing && !deadlines.has(this.#unread)) {
      deadlines.set(this.#unread, this.#limit);
    }
  }

  /**
   * The connection is over: nothing completes any more.
   *
   * @returns How many messages are given up.
   */
  close(error: Error): number {
    this.#loop.deadlines.lift(this.#unread);
    const head = this.#outbox.writing ? this.#outbox.take() : undefined;
    if (head !== undefined) this.#drop(head, error);
    return this.drop(error) + (head === undefined ? 0 : 1);
  }

  #fail(status: number): void {
    const error = this.#connection.writeFailed(status);
    const head = this.#outbox.take();
    if (head !== undefined) this.#drop(head, error);
    const dropped = this.drop(error) + (head === undefined ? 0 : 1);
    this.#connection.unwritten(status, dropped);
  }

  #drop(reply: Reply, error: Error): void {
    this.#unqueue(reply);
    reply.end(error);
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

  /** The client's time begins when Windows has taken the message; what ends is given no more. */
  #stillUnread(): void {
    const since = this.#ending ? -Infinity : this.#end.outbound.deferredUntil;
    const left = since + this.#limit - this.#loop.kernel.now();
    if (left > 0) this.#loop.deadlines.set(this.#unread, left);
    else this.#connection.stillUnread();
  }
}
