/**
 * A connection to a pipe server: messages out and in, one write and one read at a time.
 *
 * @module
 */

import { systemError } from "../kernel/errors.ts";
import type { Handle } from "../kernel/kernel.ts";
import { isEnd, Status } from "../kernel/status.ts";
import { encodeMessage, type Message } from "./message.ts";
import { MessageReader } from "./message_reader.ts";
import { abortSignal, type ClientSettings } from "../options/options.ts";
import type { LoopUser, WaitFailure, WaitLoop } from "../loop/wait_loop.ts";
import { Call, type CallKind, CallQueue } from "./calls.ts";
import { Outbox } from "./outbox.ts";
import { PipeEnd, type PipeEndOwner } from "./pipe_end.ts";

/**
 * A client's connection to a pipe server. `using` and `await using` close it.
 *
 * Iterating it gives the messages that come, until the server ends the connection or the program
 * closes it.
 *
 * **Order:** calls take effect in the order in which they were made. Messages are sent in that
 * order, and each message that comes goes to the first call that waits for one.
 *
 * **The end:** when the server has ended the connection and its last message was taken, the
 * connection closes itself. An open connection keeps the program running only while a call waits.
 */
export interface PipeConn
  extends Disposable, AsyncDisposable, AsyncIterable<Uint8Array<ArrayBuffer>> {
  /**
   * Whether the pipe keeps messages apart. A byte pipe, as `node:net` makes them, does not: all
   * calls that send or take messages then reject with a `TypeError`.
   */
  readonly type: "message" | "byte";
  /**
   * Sends one message and takes the next message that comes as its answer.
   *
   * Requests are served one at a time: one that was made while another waits for its answer is sent
   * after that, and so is everything that was sent after it.
   *
   * When the server answers a request in several messages, this resolves with the first. Take the
   * others with {@linkcode PipeConn.receive}, or in a loop over the connection, before the next
   * request: it would take them for its own answer. So it would with what the server sends unasked.
   *
   * **Cancellation:** aborting `signal` closes the connection, since the answer, coming late, would
   * be taken for that of the next request. A request that was not sent yet is only forgotten.
   *
   * @throws {TypeError} If the message has a wrong type, while a `receive()` or a loop over the
   *   connection waits for a message, or on a byte pipe.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   * @throws {Deno.errors.BrokenPipe} If the server ended the connection.
   * @throws {Deno.errors.Interrupted} If the connection is closed, now or beforehand.
   * @throws {Deno.errors.InvalidData} If the answer is longer than `maxMessage`.
   * @throws {WindowsError} If something else went wrong. The connection is closed then.
   * @throws {unknown} `signal.reason`, when `signal` aborts before the answer came.
   */
  request(
    message: Message,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Sends one message, after all that was sent before. The bytes are copied at the call.
   *
   * It does not wait for the answer to a request that was sent, but for requests that were made
   * before and wait for others.
   *
   * **Cancellation:** aborting `signal` closes the connection if the message is partly sent, since
   * nobody could tell where the next one begins. One that was not sent yet is only forgotten, and
   * one that Windows has taken is sent: the promise resolves.
   *
   * @returns Resolves when Windows has taken the message, which does not mean that it was read.
   * @throws {TypeError} If the message has a wrong type, or on a byte pipe.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   * @throws {Deno.errors.BrokenPipe} If the server ended the connection.
   * @throws {Deno.errors.Interrupted} If the connection is closed, now or beforehand.
   * @throws {WindowsError} If something else went wrong. The connection is closed then.
   * @throws {unknown} `signal.reason`, when `signal` aborts before the message was taken.
   */
  send(message: Message, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /**
   * Waits for one message: the next that is not the answer to a request made before.
   *
   * **Cancellation:** aborting `signal` forgets only this call; the next message goes to the next.
   *
   * @returns The message, or null when the server has ended the connection.
   * @throws {TypeError} On a byte pipe.
   * @throws {Deno.errors.Interrupted} If the connection is closed, now or beforehand.
   * @throws {Deno.errors.InvalidData} If the message is longer than `maxMessage`.
   * @throws {WindowsError} If something else went wrong. The connection is closed then.
   * @throws {unknown} `signal.reason`, when `signal` aborts before a message came.
   */
  receive(
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * Closes the connection. What was sent stays readable for the server; a message that it has not
   * taken yet is withdrawn. A loop over the connection ends, and everything else that still waits
   * rejects with `Deno.errors.Interrupted`.
   */
  close(): void;
}

/** An open pipe, as {@linkcode ClientConnection} begins. */
export interface OpenPipe {
  readonly handle: Handle;
  readonly type: PipeConn["type"];
}

type Bytes = Uint8Array<ArrayBuffer>;

const NO_BYTES = new Uint8Array(0);

/** See {@linkcode PipeConn}. */
export class ClientConnection implements PipeConn, PipeEndOwner, LoopUser {
  readonly type: PipeConn["type"];
  readonly #loop: WaitLoop;
  readonly #path: string;
  readonly #end: PipeEnd;
  readonly #reader: MessageReader;
  readonly #outbox: Outbox<Call>;
  readonly #calls = new CallQueue();
  /** Messages that came for calls that were forgotten meanwhile. */
  #early: Bytes[] = [];
  /** Who ended it, once it has ended. */
  #endedBy: "peer" | "program" | "failure" | undefined = undefined;
  readonly #released = Promise.withResolvers<void>();

  constructor(loop: WaitLoop, settings: ClientSettings, { handle, type }: OpenPipe) {
    this.type = type;
    this.#loop = loop;
    this.#path = settings.path;
    loop.enter(this);
    this.#end = new PipeEnd(loop, handle, this);
    this.#reader = new MessageReader(loop, this.#end.inbound, settings.maxMessage);
    this.#outbox = new Outbox(loop, this.#end);
  }

  async request(
    message: Message,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Bytes> {
    const answer = await this.#call("request", outgoing(message), abortSignal(options?.signal));
    if (answer === null) throw this.#endError();
    return answer;
  }

  async send(message: Message, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    await this.#call("send", outgoing(message), abortSignal(options?.signal));
  }

  async receive(options?: { signal?: AbortSignal | undefined }): Promise<Bytes | null> {
    return await this.#call("receive", NO_BYTES, abortSignal(options?.signal));
  }

  close(): void {
    this.#early = [];
    if (this.#endedBy === undefined) this.#finish("program", this.#closedError());
    else this.#endedBy = "program";
  }

  /** Closes the connection, and resolves when nothing of it is left. */
  closed(): Promise<void> {
    this.close();
    return this.#released.promise;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closed();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes, void, void> {
    while (true) {
      const message = await this.#call("iterate", NO_BYTES, undefined);
      if (message === null) return;
      yield message;
    }
  }

  /** See {@linkcode PipeEndOwner}. */
  outboundCompleted(status: number): void {
    const call = this.#outbox.take();
    if (call === undefined) return;
    if (status !== Status.SUCCESS) this.#unwritten(call, status);
    else if (call.kind === "send") call.resolve(null);
    if (this.#endedBy === undefined) this.#write();
  }

  /** See {@linkcode PipeEndOwner}. */
  inboundCompleted(): void {
    if (this.#endedBy !== undefined) return;
    switch (this.#reader.outcome()) {
      case "later":
        return;
      case "partial":
        return this.#reader.readRest();
      case "message":
        this.#early.push(this.#reader.takeMessage());
        break;
      case "ended":
        return this.#finish("peer", this.#goneError("ReadFile", Status.BROKEN));
      case "cancelled":
        if (this.#end.inbound.cancelled) break;
        return this.#finish("failure", this.#readError());
      case "broken":
        return this.#finish("failure", this.#readError());
    }
    this.#deliver();
  }

  /** See {@linkcode PipeEndOwner}. */
  crashed(cause: unknown): void {
    this.#finish(
      "failure",
      new Error(`Cannot go on talking to "${this.#path}": an internal error`, { cause }),
    );
  }

  /** See {@linkcode LoopUser}. */
  failed({ call, status }: WaitFailure): void {
    this.#abandon("failure", systemError("Cannot go on talking to", call, this.#path, status));
  }

  /** See {@linkcode LoopUser}. */
  abandoned(): void {
    this.#abandon("program", this.#closedError());
  }

  /** Begins a call; what it throws, its caller's promise rejects with. */
  #call(kind: CallKind, bytes: Bytes, signal: AbortSignal | undefined): Promise<Bytes | null> {
    if (this.type === "byte") throw this.#typeError("it is a byte pipe, which has no messages");
    if (kind === "request" && this.#calls.receiving) {
      throw this.#typeError("its answer would go to a receive() or a loop that waits already");
    }
    const closed = this.#endedBy === "program" || this.#endedBy === "failure";
    if (!closed && signal?.aborted) throw signal.reason;
    const call = new Call(kind, bytes, signal, (call) => this.#aborted(call));
    if (this.#endedBy === undefined) this.#begin(call);
    else this.#refuse(call);
    return call.promise;
  }

  #begin(call: Call): void {
    this.#calls.add(call);
    this.#advance();
    this.#deliver();
  }

  #refuse(call: Call): void {
    const early = call.writes ? undefined : this.#early.shift();
    if (early === undefined) this.#settle(call, this.#endError());
    else call.resolve(early);
  }

  /** Hands on whose turn it is to write. */
  #advance(): void {
    for (let next; (next = this.#calls.nextToWrite()) !== undefined;) this.#outbox.push(next);
    if (!this.#outbox.writing) this.#write();
  }

  #write(): void {
    const { head } = this.#outbox;
    if (head === undefined) return;
    const status = this.#outbox.submit(head);
    // In the next turn: whoever sends without end must not keep the thread.
    if (status !== Status.PENDING) this.#loop.complete(this.#end.outbound, status);
  }

  #unwritten(call: Call, status: number): void {
    if (this.#endedBy !== undefined) return this.#settle(call, this.#endError());
    if (isEnd(status)) {
      // An answer that came before the end is still to be read.
      if (call.kind === "send") call.reject(this.#goneError("WriteFile", status));
      return this.#lookForEnd();
    }
    if (call.withdrawn === "whole") return call.reject(undefined);
    const error = systemError("Cannot write to", "WriteFile", this.#path, status);
    call.reject(error);
    if (call.withdrawn === undefined) this.#finish("failure", error);
    else this.#finish("program", this.#closedError());
  }

  /** Gives everything to whom it belongs, and reads while somebody waits. */
  #deliver(): void {
    while (this.#calls.awaited) {
      const message = this.#early.shift();
      if (message === undefined) break;
      this.#calls.nextToTake()?.resolve(message);
      this.#advance();
    }
    if (this.#calls.awaited && !this.#end.inbound.expected) this.#reader.readFirst();
  }

  #aborted(call: Call): void {
    if (!call.writes || this.#calls.waits(call) || this.#outbox.remove(call)) {
      return this.#forget(call);
    }
    if (call.kind === "send") {
      // Its completion tells what has become of it.
      call.withdrawn = this.#end.outbound.deferred ? "whole" : "partly";
      return this.#end.cancel(this.#end.outbound);
    }
    call.reject(undefined);
    this.close();
  }

  #forget(call: Call): void {
    this.#calls.forget(call);
    call.reject(undefined);
    this.#advance();
    // A read that nobody waits for would keep the program. Of a message that has begun the rest
    // is there.
    const { inbound } = this.#end;
    if (!this.#calls.awaited && inbound.expected && !this.#reader.begun) this.#end.cancel(inbound);
  }

  /** The server is gone: unless there is something left to be read, so is the connection. */
  #lookForEnd(): void {
    if (this.#end.inbound.expected) return;
    const { status } = this.#loop.kernel.peek(this.#end.handle);
    if (isEnd(status)) this.#finish("peer", this.#goneError("PeekNamedPipe", status));
  }

  /** Settles everything but a message that is being written, and gives everything up. */
  #finish(by: "peer" | "program" | "failure", error: Error): void {
    this.#endedBy = by;
    this.#settleAll(error);
    this.#end.close(() => this.#released.resolve(this.#loop.leave(this)));
  }

  #abandon(by: "program" | "failure", error: Error): void {
    this.#end.abandon();
    this.#endedBy ??= by;
    this.#settleAll(error);
    const written = this.#outbox.take();
    if (written !== undefined) this.#settle(written, error);
    this.#released.resolve();
  }

  #settleAll(error: Error): void {
    for (const call of this.#calls.takeAll()) this.#settle(call, error);
    for (const call of this.#outbox.takeUnsent()) this.#settle(call, error);
  }

  /** The connection has ended: settles a call that is not served any more. */
  #settle(call: Call, error: Error): void {
    const isQuiet = call.kind === "receive" && this.#endedBy === "peer" ||
      call.kind === "iterate" && this.#endedBy !== "failure";
    if (isQuiet) call.resolve(null);
    else call.reject(error);
  }

  #endError(): Error {
    return this.#endedBy === "peer"
      ? this.#goneError("ReadFile", Status.BROKEN)
      : this.#closedError();
  }

  #goneError(call: string, status: number): Error {
    return systemError("Cannot talk to", call, this.#path, status);
  }

  #closedError(): Error {
    return new Deno.errors.Interrupted(
      `Cannot use the connection to "${this.#path}": it is closed`,
    );
  }

  #typeError(reason: string): TypeError {
    return new TypeError(`Cannot exchange messages with "${this.#path}": ${reason}`);
  }

  #readError(): Error {
    const { call, status, reason } = this.#reader.fault ??
      { call: "ReadFile", status: Status.CANCELLED };
    return reason === undefined
      ? systemError("Cannot read from", call, this.#path, status)
      : new Deno.errors.InvalidData(`Cannot read from "${this.#path}": ${reason}`);
  }
}

/** The bytes of a message, which the user cannot change any more. */
function outgoing(message: Message): Bytes {
  const bytes = encodeMessage(message);
  return typeof message === "string" ? bytes : bytes.slice();
}
