/**
 * A client's end of a pipe: messages out and in, one write and one read at a time.
 *
 * @module
 */

import { systemError } from "./errors.ts";
import { type Handle, isEnd, Lane, Status } from "./kernel.ts";
import { encodeMessage, type Message } from "./message.ts";
import { MessageReader } from "./message_reader.ts";
import { abortSignal, type ClientSettings } from "./options.ts";
import { remove } from "./remove.ts";
import {
  type Completer,
  type LoopUser,
  Operation,
  type WaitFailure,
  type WaitLoop,
} from "./wait_loop.ts";

/**
 * A client's connection to a pipe server. `using` and `await using` close it.
 *
 * Iterating it gives the messages that come, until the server ends the connection.
 */
export interface PipeConn
  extends Disposable, AsyncDisposable, AsyncIterable<Uint8Array<ArrayBuffer>> {
  /**
   * Sends one message and waits for one message as its answer. Concurrent requests wait for each
   * other and are answered in order.
   *
   * **Cancellation:** aborting `signal` closes the connection, since the answer, coming late, would
   * be taken for that of the next request. One that still waits for others is only forgotten.
   *
   * @throws {TypeError} If the message has a wrong type.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   * @throws {Deno.errors.BrokenPipe} If the server ended the connection.
   * @throws {Deno.errors.Interrupted} If the connection is closed, now or beforehand.
   * @throws {Deno.errors.InvalidData} If the answer is longer than `maxMessage`.
   * @throws {WindowsError} If something else went wrong.
   * @throws {unknown} `signal.reason`, when `signal` aborts before the answer came.
   */
  request(
    message: Message,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Sends one message. The bytes are copied at the call.
   *
   * **Cancellation:** aborting `signal` closes the connection if the message is partly sent, since
   * nobody could tell where the next one begins. One that still waits for others is only forgotten.
   *
   * @returns Resolves when Windows has taken the message, which does not mean that it was read.
   * @throws {TypeError} If the message has a wrong type.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   * @throws {Deno.errors.BrokenPipe} If the server ended the connection.
   * @throws {Deno.errors.Interrupted} If the connection is closed, now or beforehand.
   * @throws {WindowsError} If something else went wrong.
   * @throws {unknown} `signal.reason`, when `signal` aborts before the message was taken.
   */
  send(message: Message, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /**
   * Waits for one message.
   *
   * **Cancellation:** aborting `signal` forgets only this call; the next message goes to the next.
   *
   * @returns The message, or null when the server has ended the connection.
   * @throws {Deno.errors.Interrupted} If the connection is closed, now or beforehand.
   * @throws {Deno.errors.InvalidData} If the message is longer than `maxMessage`.
   * @throws {WindowsError} If something else went wrong.
   * @throws {unknown} `signal.reason`, when `signal` aborts before a message came.
   */
  receive(
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * Closes the connection. What was sent stays readable for the server; a message that it has not
   * taken yet is withdrawn. Everything that still waits rejects with `Deno.errors.Interrupted`.
   */
  close(): void;
}

interface Receiver {
  resolve(message: Uint8Array<ArrayBuffer> | null): void;
  reject(error: unknown): void;
}

interface Sender {
  readonly bytes: Uint8Array<ArrayBuffer>;
  resolve(): void;
  reject(error: unknown): void;
}

/** What is to be forgotten when it is aborted while it waits; false: it is too late for that. */
type Forget = () => boolean;

/** See {@linkcode PipeConn}. */
export class ClientConnection implements PipeConn, Completer, LoopUser {
  readonly #loop: WaitLoop;
  readonly #path: string;
  readonly #handle: Handle;
  readonly #slot: number;
  readonly #in: Operation;
  readonly #out: Operation;
  readonly #reader: MessageReader;
  readonly #receivers: Receiver[] = [];
  readonly #senders: Sender[] = [];
  /** A message that came for a receiver that was forgotten meanwhile. */
  readonly #early: Uint8Array<ArrayBuffer>[] = [];
  #requests: Promise<unknown> = Promise.resolve();
  #requesting = 0;
  /** Why nothing more is received; null: the server has ended the connection. */
  #end: { error: Error | null } | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;
  readonly #released = Promise.withResolvers<void>();

  constructor(loop: WaitLoop, settings: ClientSettings, handle: Handle) {
    this.#loop = loop;
    this.#path = settings.path;
    this.#handle = handle;
    loop.enter(this);
    this.#slot = loop.takeSlot();
    this.#in = new Operation(this, handle, Lane.IN, this.#slot);
    this.#out = new Operation(this, handle, Lane.OUT, this.#slot);
    this.#reader = new MessageReader(loop, this.#in, settings.maxMessage);
  }

  request(
    message: Message,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Uint8Array<ArrayBuffer>> {
    return attempt(() => {
      const bytes = this.#outgoing(message);
      const signal = abortSignal(options?.signal);
      const ask = () => this.#exchange(bytes, signal);
      // At once if it can: what is sent afterwards must not overtake it.
      const answer = this.#requesting++ === 0 ? ask() : this.#requests.then(ask);
      this.#requests = answer.catch(() => {}).finally(() => this.#requesting--);
      return signal === undefined ? answer : unlessAborted(answer, signal);
    });
  }

  send(message: Message, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    return attempt(() => {
      const bytes = this.#outgoing(message);
      return this.#send(bytes, abortSignal(options?.signal));
    });
  }

  receive(
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Uint8Array<ArrayBuffer> | null> {
    return attempt(() => this.#receive(abortSignal(options?.signal)));
  }

  close(): void {
    this.closed();
  }

  /** Closes the connection, and resolves when nothing of it is left. */
  closed(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closed();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    while (true) {
      const message = await this.receive();
      if (message === null) return;
      yield message;
    }
  }

  /** See {@linkcode Completer}. */
  completed(operation: Operation): void {
    if (operation === this.#out) this.#wrote(operation.status);
    else this.#read();
    this.#release();
  }

  /** See {@linkcode Completer}. */
  crashed(error: unknown): void {
    const cause = `Cannot go on talking to "${this.#path}": an internal error`;
    this.#ended(new Error(cause, { cause: error }));
    this.close();
    this.#release();
  }

  /** See {@linkcode LoopUser}. */
  failed({ call, status }: WaitFailure): void {
    this.#abandon(systemError("Cannot go on talking to", call, this.#path, status));
  }

  /** See {@linkcode LoopUser}. */
  abandoned(): void {
    this.#abandon(this.#closedError());
  }

  /** The bytes of a message, which the user cannot change any more. */
  #outgoing(message: Message): Uint8Array<ArrayBuffer> {
    const bytes = encodeMessage(message);
    return typeof message === "string" ? bytes : bytes.slice();
  }

  async #exchange(
    bytes: Uint8Array<ArrayBuffer>,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array<ArrayBuffer>> {
    signal?.throwIfAborted();
    const abort = () => this.close();
    signal?.addEventListener("abort", abort, { once: true });
    let unsent: unknown;
    this.#send(bytes, undefined).catch((error) => {
      unsent = error;
      // Of a server that is gone the end is still to be read, and perhaps an answer before it.
      if (!(error instanceof Deno.errors.BrokenPipe)) this.close();
    });
    try {
      // At the same time: a server that answers before it has read all must not wait for us.
      const message = await this.#receive(undefined);
      if (message === null) throw unsent ?? this.#endedError("ReadFile", Status.BROKEN);
      return message;
    } catch (error) {
      throw signal?.aborted ? signal.reason : unsent ?? error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  #send(bytes: Uint8Array<ArrayBuffer>, signal: AbortSignal | undefined): Promise<void> {
    const unusable = this.#unusable(signal);
    if (unusable !== undefined) return Promise.reject(unusable.reason);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sender = { bytes, resolve, reject };
    this.#senders.push(sender);
    if (this.#senders.length === 1) this.#write(sender);
    return this.#abortable(promise, signal, reject, () => {
      const waits = this.#senders.indexOf(sender) > 0;
      if (waits) remove(this.#senders, sender);
      return waits;
    });
  }

  #receive(signal: AbortSignal | undefined): Promise<Uint8Array<ArrayBuffer> | null> {
    const unusable = this.#unusable(signal);
    if (unusable !== undefined) return Promise.reject(unusable.reason);
    const early = this.#early.shift();
    if (early !== undefined) return Promise.resolve(early);
    if (this.#end !== undefined) {
      return this.#end.error === null ? Promise.resolve(null) : Promise.reject(this.#end.error);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer> | null>();
    const receiver = { resolve, reject };
    this.#receivers.push(receiver);
    if (!this.#in.expected) this.#reader.readFirst();
    return this.#abortable(promise, signal, reject, () => {
      remove(this.#receivers, receiver);
      return true;
    });
  }

  #abortable<T>(
    promise: Promise<T>,
    signal: AbortSignal | undefined,
    reject: (reason: unknown) => void,
    forget: Forget,
  ): Promise<T> {
    if (signal === undefined) return promise;
    const abort = () => {
      reject(signal.reason);
      if (!forget()) this.close();
    };
    signal.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", abort));
  }

  #unusable(signal: AbortSignal | undefined): { reason: Error } | undefined {
    if (this.#closing !== undefined) return { reason: this.#closedError() };
    if (signal?.aborted) return { reason: signal.reason };
    return undefined;
  }

  #write(sender: Sender): void {
    const status = this.#loop.write(this.#out, sender.bytes);
    // In the next turn: whoever sends without end must not keep the thread.
    if (status !== Status.PENDING) this.#loop.finish(this.#out, status);
  }

  #wrote(status: number): void {
    const sender = this.#senders.shift();
    if (this.#closing !== undefined && status !== Status.SUCCESS) {
      sender?.reject(this.#closedError());
    } else if (status === Status.SUCCESS) {
      sender?.resolve();
    } else {
      const error = isEnd(status)
        ? this.#endedError("WriteFile", status)
        : systemError("Cannot write to", "WriteFile", this.#path, status);
      sender?.reject(error);
    }
    const next = this.#senders[0];
    if (next !== undefined && this.#closing === undefined) this.#write(next);
  }

  #read(): void {
    if (this.#closing !== undefined) return;
    switch (this.#reader.outcome()) {
      case "later":
        return;
      case "partial":
        return this.#reader.readRest();
      case "message":
        this.#received(this.#reader.takeMessage());
        break;
      case "ended":
        this.#ended(null);
        break;
      case "cancelled":
      case "broken":
        this.#ended(this.#readError());
        this.close();
        break;
    }
    if (this.#receivers.length > 0 && this.#end === undefined) this.#reader.readFirst();
  }

  #received(message: Uint8Array<ArrayBuffer>): void {
    const receiver = this.#receivers.shift();
    if (receiver === undefined) this.#early.push(message);
    else receiver.resolve(message);
  }

  #ended(error: Error | null): void {
    this.#end = { error };
    for (const receiver of this.#receivers.splice(0)) {
      if (error === null) receiver.resolve(null);
      else receiver.reject(error);
    }
  }

  #readError(): Error {
    const { call, status, reason } = this.#reader.fault ??
      { call: "ReadFile", status: Status.CANCELLED };
    return reason === undefined
      ? systemError("Cannot read from", call, this.#path, status)
      : new Deno.errors.InvalidData(`Cannot read from "${this.#path}": ${reason}`);
  }

  #endedError(call: string, status: number): Error {
    return systemError("Cannot talk to", call, this.#path, status);
  }

  #closedError(): Error {
    return new Deno.errors.Interrupted(
      `Cannot use the connection to "${this.#path}": it is closed`,
    );
  }

  #close(): Promise<void> {
    const error = this.#closedError();
    for (const receiver of this.#receivers.splice(0)) receiver.reject(error);
    // The first is being written: its promise settles when that is over.
    for (const sender of this.#senders.splice(1)) sender.reject(error);
    this.#loop.cancel(this.#in);
    this.#loop.cancel(this.#out);
    queueMicrotask(() => this.#release());
    return this.#released.promise;
  }

  /** Gives everything up, once nothing is in flight. */
  #release(): void {
    if (this.#closing === undefined || this.#in.expected || this.#out.expected) return;
    if (this.#over) return;
    this.#over = true;
    this.#loop.kernel.close(this.#handle);
    this.#loop.freeSlot(this.#slot);
    this.#released.resolve(this.#loop.leave(this));
  }

  #over = false;

  #abandon(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    const { kernel } = this.#loop;
    kernel.cancel(this.#handle, Lane.IN, this.#slot);
    kernel.cancel(this.#handle, Lane.OUT, this.#slot);
    kernel.close(this.#handle);
    this.#ended(error);
    for (const sender of this.#senders.splice(0)) sender.reject(error);
    this.#closing ??= this.#released.promise;
    this.#released.resolve();
  }
}

/** What a call throws at once is a rejection, as from any function that gives a promise. */
function attempt<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Does not wait for what was aborted, even while it waits for others itself. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([promise, aborted]).finally(() => {
    signal.removeEventListener("abort", abort);
  });
}
