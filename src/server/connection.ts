/**
 * One client's connection to an instance: its identity, its end reason and its outgoing messages.
 *
 * @module
 */

import { systemError } from "../kernel/errors.ts";
import { isEnd, Status } from "../kernel/status.ts";
import { ChunkReader } from "../pipe/chunk_reader.ts";
import { FramedReader } from "../pipe/framed_reader.ts";
import { MessageReader } from "../pipe/message_reader.ts";
import { encodeMessage, type Message } from "../pipe/message.ts";
import type { Outgoing } from "../pipe/outbox.ts";
import type { Reader } from "../pipe/reader.ts";
import { type WriteOwner, WriteQueue } from "../pipe/write_queue.ts";
import type { Operation } from "../loop/operation.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import { BudgetedReader } from "./budgeted_reader.ts";
import { ServerClient } from "./client.ts";
import { ClientFacts } from "./client_facts.ts";
import type { ServerContext } from "./context.ts";
import type { CloseReason } from "../pipe/close_reason.ts";
import { timedOut, tooMany, unread } from "./end_reasons.ts";
import type { PipeInstance } from "./instance.ts";
import type { Transfer } from "./stats.ts";

/** What reads the messages of a client: those that are framed, chunks, or what Windows keeps apart. */
function newReader(context: ServerContext, loop: WaitLoop, inbound: Operation): Reader {
  const { framing, sessions, settings } = context;
  const { type, maxMessage, readBufferSize } = settings;
  if (type === "message" && framing === undefined) {
    return new MessageReader(loop, inbound, maxMessage, readBufferSize);
  }
  const chunks = new ChunkReader(loop, inbound);
  // A connection that is given to the program decodes its chunks itself.
  return framing === undefined || !sessions.answers
    ? chunks
    : new FramedReader(loop, inbound, chunks, framing, maxMessage);
}

/** See the module. */
export class ServerConnection implements WriteOwner, Transfer {
  readonly client: ServerClient;
  readonly facts: ClientFacts;
  readonly context: ServerContext;
  readonly loop: WaitLoop;
  readonly instance: PipeInstance;
  /** Reads what the client sends. */
  readonly reader: BudgetedReader;
  readonly queue: WriteQueue;
  /** When the client connected, on the kernel's clock. */
  readonly since: number;
  /** Whether the client connected before its instance listened. */
  readonly early: boolean;
  #reason: CloseReason | undefined = undefined;
  #error: Error | undefined = undefined;
  /** Whether the client has disconnected within a frame, which is the reason then. */
  #cutOff = false;
  /** The client's process, if `maxPerProcess` counts it. */
  #process: number | undefined = undefined;
  #excess = false;
  #abortError: Error | undefined = undefined;

  constructor(context: ServerContext, loop: WaitLoop, instance: PipeInstance, early: boolean) {
    const { settings } = context;
    this.context = context;
    this.loop = loop;
    this.instance = instance;
    this.early = early;
    const { end } = instance;
    const { type, writeTimeout } = settings;
    this.reader = new BudgetedReader(this, newReader(context, loop, end.inbound));
    this.queue = new WriteQueue(loop, end, this, writeTimeout, type === "byte");
    this.since = loop.kernel.now();
    this.facts = new ClientFacts(loop.kernel, end.handle);
    this.client = new ServerClient(++context.clients, this);
    if (context.hooks.showsClients || context.sessions.showsClients) this.facts.show();
    if (settings.maxPerProcess !== Infinity) this.#count(this.facts.processId);
  }

  /** Whether the client's process has more connections than it may: it is about to be evicted. */
  get excess(): boolean {
    return this.#excess;
  }

  /** Whether the client is not known to have disconnected. */
  get connected(): boolean {
    return this.#reason !== "peer" && !this.#cutOff;
  }

  /** Whether the client ended the connection: it did if there is no other reason. */
  get clientDisconnected(): boolean {
    return this.#reason === undefined || this.#reason === "peer" || this.#cutOff;
  }

  /** Why the connection ends, once that is known. */
  get endReason(): { readonly reason: CloseReason; readonly error: Error | undefined } {
    return { reason: this.#reason ?? "error", error: this.#error };
  }

  /** See {@linkcode Transfer}. */
  get messagesOut(): number {
    return this.queue.messagesWritten;
  }

  /** See {@linkcode Transfer}. */
  get bytesIn(): number {
    return this.reader.bytesReceived;
  }

  /** See {@linkcode Transfer}. */
  get bytesOut(): number {
    return this.queue.bytesWritten;
  }

  /** Sets why the connection ends. The first reason counts. */
  setEndReason(reason: CloseReason, error?: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#error = error;
  }

  /** The client has disconnected, and its last frame is not complete. */
  cutOff(error: Error): void {
    this.#cutOff ||= this.#reason === undefined;
    this.setEndReason("error", error);
  }

  /** Ends the connection, called by the program. */
  close(): void {
    if (this.instance.connection === this) this.instance.finish("self");
  }

  /** Why the connection has ended, always the same error. To be called once the reason is set. */
  readonly endError = (): Error => this.#abortError ??= this.abortError();

  /** Why nothing can be sent to the client any more. */
  abortError(): Error {
    const { path, sessions } = this.context;
    const action = `${sessions.action} a client of`;
    return this.clientDisconnected
      ? systemError(action, "WriteFile", path, Status.NO_DATA)
      : this.#error ??
        new Deno.errors.Interrupted(`${action} "${path}": the server ended the connection`);
  }

  /**
   * A message as it is sent.
   *
   * @throws {TypeError | RangeError} If it is no message, or cannot be framed.
   */
  frame(message: Message): Uint8Array<ArrayBuffer> {
    const bytes = encodeMessage(message);
    const { framing } = this.context;
    return framing === undefined ? bytes : encodeMessage(framing.encode(bytes));
  }

  /** Queues a message. False: too much waits already, so the connection ends. */
  enqueue(message: Outgoing): boolean {
    const { maxQueued } = this.context.settings;
    const waiting = this.queue.queued(maxQueued);
    this.queue.add(message);
    if (waiting <= maxQueued) return true;
    this.instance.evict("maxQueued", unread(this.context, waiting));
    return false;
  }

  /** Drops the messages that are not being written. */
  dropUnsent(): void {
    this.#countDropped(this.queue.drop(() => this.abortError()));
  }

  /** Counts a request as dropped. */
  dropRequest(): void {
    this.#countDropped(1);
  }

  /** All messages are written. */
  written(): void {
    this.instance.session?.written();
  }

  /** A write failed: the error for its message and for those that wait. */
  writeFailed(status: number): Error {
    if (!isEnd(status)) this.setEndReason("error", this.#writeError(status));
    return this.abortError();
  }

  /** This many messages were dropped because a write failed. */
  unwritten(status: number, messages: number): void {
    this.#countDropped(messages);
    this.instance.session?.unwritten();
    if (!isEnd(status)) this.instance.raise("writeFailed");
  }

  /** The client did not read a message in time. */
  stillUnread(): void {
    this.instance.evict("writeTimeout", timedOut(this.context, "writeTimeout"));
  }

  /** A shortage that does not pass is not the client's fault, but must not hold memory forever. */
  stillShort(status: number): void {
    this.instance.evict("error", this.#writeError(status));
  }

  /** See {@linkcode WriteOwner}. */
  aborted(): void {
    this.instance.stop("self");
  }

  /** The connection has ended: rejects what is left, and calls `onDisconnect`. */
  end(): void {
    const { client, context } = this;
    this.facts.end();
    this.#countDropped(this.queue.close(this.endError));
    const { reason, error } = this.endReason;
    context.counters.ended(reason, this);
    this.instance.callbacks.add(() => context.hooks.disconnected(client, reason, error));
    if (this.#process !== undefined) context.processes.release(this.#process);
    this.#process = undefined;
  }

  #count(process: number | undefined): void {
    if (process === undefined) return;
    if (this.context.processes.admit(process)) {
      this.#process = process;
      return;
    }
    this.#excess = true;
    this.instance.callbacks.add(() =>
      this.instance.evict("maxPerProcess", tooMany(this.context, process))
    );
  }

  #countDropped(messages: number): void {
    if (this.clientDisconnected) return;
    for (let i = 0; i < messages; i++) this.context.tally.dropped();
  }

  #writeError(status: number): Error {
    return systemError("Cannot write to a client of", "WriteFile", this.context.path, status);
  }
}
