/**
 * A connection to a pipe server, with one write and one read at a time.
 *
 * @module
 */

import { systemError } from "../kernel/errors.ts";
import type { Handle } from "../kernel/kernel.ts";
import { isEnd, Status } from "../kernel/status.ts";
import { abortSignal } from "../options/checks.ts";
import type { ClientSettings } from "../options/client_settings.ts";
import type { LoopUser, WaitFailure, WaitLoop } from "../loop/wait_loop.ts";
import { Call, type CallKind, CallQueue } from "./calls.ts";
import { encodeMessage, type Message } from "./message.ts";
import { MessageReader } from "./message_reader.ts";
import { Outbox } from "./outbox.ts";
import type { PipeConn } from "./pipe_conn.ts";
import { PipeEnd, type PipeEndOwner } from "./pipe_end.ts";

/** A pipe that was opened, before it becomes a {@linkcode ClientConnection}. */
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
  /** Messages received for calls that were aborted meanwhile. */
  #unclaimed: Bytes[] = [];
  /** What ended it, once it has ended. */
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
    const answer = await this.#call("request", copyOf(message), abortSignal(options?.signal));
    if (answer === null) throw this.#endError();
    return answer;
  }

  async send(message: Message, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    await this.#call("send", copyOf(message), abortSignal(options?.signal));
  }

  async receive(options?: { signal?: AbortSignal | undefined }): Promise<Bytes | null> {
    return await this.#call("receive", NO_BYTES, abortSignal(options?.signal));
  }

  close(): void {
    this.#unclaimed = [];
    if (this.#endedBy === undefined) this.#close("program", this.#closedError());
    else this.#endedBy = "program";
  }

  /** Closes the connection, and resolves when everything is released. */
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
    if (status !== Status.SUCCESS) this.#writeFailed(call, status);
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
        this.#unclaimed.push(this.#reader.takeMessage());
        break;
      case "ended":
        return this.#close("peer", this.#peerError("ReadFile", Status.BROKEN));
      case "cancelled":
        if (this.#end.inbound.cancelled) break;
        return this.#close("failure", this.#readError());
      case "broken":
        return this.#close("failure", this.#readError());
    }
    this.#deliver();
  }

  /** See {@linkcode PipeEndOwner}. */
  crashed(cause: unknown): void {
    this.#close(
      "failure",
      new Error(`Closed the connection to "${this.#path}": an internal error`, { cause }),
    );
  }

  /** See {@linkcode LoopUser}. */
  failed({ call, status }: WaitFailure): void {
    this.#abandon("failure", systemError("Closed the connection to", call, this.#path, status));
  }

  /** See {@linkcode LoopUser}. */
  abandoned(): void {
    this.#abandon("program", this.#closedError());
  }

  /** Begins a call. A throw rejects the promise of the caller, which is an async function. */
  #call(kind: CallKind, bytes: Bytes, signal: AbortSignal | undefined): Promise<Bytes | null> {
    if (this.type === "byte") throw this.#typeError("it is a byte pipe, which has no messages");
    if (kind === "request" && this.#calls.receiving) {
      throw this.#typeError("its answer would go to a receive() or a loop that waits already");
    }
    const closed = this.#endedBy === "program" || this.#endedBy === "failure";
    if (!closed && signal?.aborted) throw signal.reason;
    const call = new Call(kind, bytes, signal, (call) => this.#aborted(call));
    if (this.#endedBy === undefined) this.#begin(call);
    else this.#callEnded(call);
    return call.promise;
  }

  #begin(call: Call): void {
    this.#calls.add(call);
    this.#queueWrites();
    this.#deliver();
  }

  /** A call on a connection that has ended receives what is left, or fails. */
  #callEnded(call: Call): void {
    const message = call.writes ? undefined : this.#unclaimed.shift();
    if (message === undefined) this.#settle(call, this.#endError());
    else call.resolve(message);
  }

  /** Queues all messages that may be written now. */
  #queueWrites(): void {
    for (let next; (next = this.#calls.nextToWrite()) !== undefined;) this.#outbox.push(next);
    if (!this.#outbox.writing) this.#write();
  }

  #write(): void {
    const { head } = this.#outbox;
    if (head === undefined) return;
    const status = this.#outbox.submit(head);
    // In the next turn: a program that sends endlessly must not keep the thread.
    if (status !== Status.PENDING) this.#loop.complete(this.#end.outbound, status);
  }

  #writeFailed(call: Call, status: number): void {
    if (this.#endedBy !== undefined) return this.#settle(call, this.#endError());
    if (isEnd(status)) {
      // A request keeps waiting: an answer sent before the end can still be read.
      if (call.kind === "send") call.reject(this.#peerError("WriteFile", status));
      return this.#checkEnd();
    }
    if (call.withdrawn === "whole") return call.reject(undefined);
    const error = systemError("Cannot write to", "WriteFile", this.#path, status);
    call.reject(error);
    if (call.withdrawn === undefined) this.#close("failure", error);
    else this.#close("program", this.#closedError());
  }

  /** Delivers received messages to the calls that wait, and reads on while any wait. */
  #deliver(): void {
    while (this.#calls.awaitsMessage) {
      const message = this.#unclaimed.shift();
      if (message === undefined) break;
      this.#calls.nextToReceive()?.resolve(message);
      this.#queueWrites();
    }
    if (this.#calls.awaitsMessage && !this.#end.inbound.expected) this.#reader.readFirst();
  }

  #aborted(call: Call): void {
    if (!call.writes || this.#calls.holds(call) || this.#outbox.remove(call)) {
      return this.#drop(call);
    }
    if (call.kind === "send") {
      // The completion of its write tells whether the message was sent.
      call.withdrawn = this.#end.outbound.deferred ? "whole" : "partly";
      return this.#end.cancel(this.#end.outbound);
    }
    call.reject(undefined);
    this.close();
  }

  /** Drops an aborted call that has written nothing. */
  #drop(call: Call): void {
    this.#calls.remove(call);
    call.reject(undefined);
    this.#queueWrites();
    // A read that no call needs would keep the program running. If a message was read in part, the
    // rest is there, and the read ends by itself.
    const { inbound } = this.#end;
    if (!this.#calls.awaitsMessage && inbound.expected && !this.#reader.begun) {
      this.#end.cancel(inbound);
    }
  }

  /** A write found that the server has disconnected: closes unless something is left to be read. */
  #checkEnd(): void {
    if (this.#end.inbound.expected) return;
    const { status } = this.#loop.kernel.peek(this.#end.handle);
    if (isEnd(status)) this.#close("peer", this.#peerError("PeekNamedPipe", status));
  }

  /** Settles all calls but that of a write in flight, and closes the pipe. */
  #close(by: "peer" | "program" | "failure", error: Error): void {
    this.#endedBy = by;
    this.#settleAll([...this.#calls.removeAll(), ...this.#outbox.takeUnsent()], error);
    this.#end.close(() => this.#released.resolve(this.#loop.leave(this)));
  }

  /** Nothing completes any more. */
  #abandon(by: "program" | "failure", error: Error): void {
    this.#end.abandon();
    this.#endedBy ??= by;
    this.#settleAll([...this.#calls.removeAll(), ...this.#outbox.takeAll()], error);
    this.#released.resolve();
  }

  #settleAll(calls: Call[], error: Error): void {
    for (const call of calls) this.#settle(call, error);
  }

  /** Settles a call on a connection that has ended. */
  #settle(call: Call, error: Error): void {
    const isQuiet = call.kind === "receive" && this.#endedBy === "peer" ||
      call.kind === "iterate" && this.#endedBy !== "failure";
    if (isQuiet) call.resolve(null);
    else call.reject(error);
  }

  #endError(): Error {
    return this.#endedBy === "peer"
      ? this.#peerError("ReadFile", Status.BROKEN)
      : this.#closedError();
  }

  /** The error of a connection that the server has ended. */
  #peerError(call: string, status: number): Error {
    return systemError("Cannot use the connection to", call, this.#path, status);
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

/** The bytes of a message, in memory of our own. */
function copyOf(message: Message): Bytes {
  const bytes = encodeMessage(message);
  return typeof message === "string" ? bytes : bytes.slice();
}
