/**
 * Ends of pipes that a test works by hand, without a kernel, slots or events: each call says at
 * once how it went.
 *
 * @module
 */

import { Status } from "../../src/kernel/status.ts";
import type { ClientEnd } from "../../src/testing/memory/client_end.ts";
import type { End } from "../../src/testing/memory/end.ts";
import { Operation } from "../../src/testing/memory/operation.ts";
import type { ServerEnd } from "../../src/testing/memory/server_end.ts";

/** How a write went, or goes: `"done"`, `"pending"`, or the status it failed with. */
export type Outcome = "done" | "pending" | number;

const MOST = 0x7fff_ffff;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function outcome(operation: Operation): Outcome {
  if (operation.status === Status.PENDING) return "pending";
  return operation.status === Status.SUCCESS ? "done" : operation.status;
}

/** One end of a connection in a test. */
export abstract class RawEnd {
  readonly #end: End;
  readonly #writes: Operation[] = [];
  #reading: Operation | undefined;
  #more = false;
  #closed = false;

  constructor(end: End) {
    this.#end = end;
  }

  /** Writes one message. */
  write(message: Uint8Array | string): Outcome {
    const operation = new Operation();
    this.#writes.push(operation);
    this.#end.write(
      operation,
      typeof message === "string" ? encoder.encode(message) : message,
    );
    return outcome(operation);
  }

  /** How the last write stands by now. */
  get written(): Outcome {
    const last = this.#writes.at(-1);
    return last === undefined ? "done" : outcome(last);
  }

  /** How many writes pend. */
  get writing(): number {
    return this.#writes.filter((write) => write.status === Status.PENDING).length;
  }

  /** Cancels the last write that pends. False when none does. */
  cancelWrite(): boolean {
    const last = this.#writes.findLast((write) => write.status === Status.PENDING);
    return last?.cancel() ?? false;
  }

  /**
   * The next message, or what is there in byte read mode; at most `size` bytes of it, and
   * {@linkcode RawEnd.more} tells whether that was all. Undefined when nothing is there.
   */
  read(size: number = MOST): Uint8Array | undefined {
    const operation = new Operation();
    this.#end.read(operation, size);
    if (operation.cancel()) return undefined;
    return this.#brought(operation);
  }

  /** {@linkcode RawEnd.read}, as text. */
  readText(size: number = MOST): string | undefined {
    const bytes = this.read(size);
    return bytes && decoder.decode(bytes);
  }

  /** Waits for the next message. Undefined: the connection has ended, or this end was closed. */
  async receive(): Promise<Uint8Array | undefined> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const operation = new Operation(resolve);
    this.#reading = operation;
    this.#end.read(operation, MOST);
    await promise;
    this.#reading = undefined;
    return this.#brought(operation);
  }

  /** {@linkcode RawEnd.receive}, as text. */
  async receiveText(): Promise<string | undefined> {
    const bytes = await this.receive();
    return bytes && decoder.decode(bytes);
  }

  /** Whether the last read left a part of its message. */
  get more(): boolean {
    return this.#more;
  }

  /** Why nothing more can be read, 109 or 233 for a client; undefined while something may come. */
  get ended(): number | undefined {
    const { status } = this.#end.peek();
    return status === Status.SUCCESS ? undefined : status;
  }

  /** Switches between message and byte read mode. */
  keepMessages(on: boolean): number {
    return this.#end.keepMessages(on);
  }

  /** Whether its handle is closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Closes the handle. What becomes of writes that pend is up to the system. */
  close(): void {
    if (this.#closed) throw new Error("test: an end is closed twice");
    this.#closed = true;
    this.#reading?.cancel();
    this.#end.close();
  }

  /** The process ends: what pends is cancelled, and the handle closed. */
  kill(): void {
    for (const write of this.#writes) write.cancel();
    this.close();
  }

  #brought(operation: Operation): Uint8Array | undefined {
    this.#more = operation.status === Status.MORE_DATA;
    if (operation.status === Status.SUCCESS || this.#more) return operation.bytes;
    return undefined;
  }
}

/** A client's end in a test. */
export class RawClient extends RawEnd {
  constructor(end: ClientEnd) {
    super(end);
  }
}

/** A server's end in a test. */
export class RawServer extends RawEnd {
  readonly #server: ServerEnd;

  constructor(end: ServerEnd) {
    super(end);
    this.#server = end;
  }

  /** `"listening"`, `"connected"`, `"closing"` (the client left) or `"disconnected"`. */
  get state(): string {
    return this.#server.state;
  }

  /** Takes the next client, after a disconnect. */
  listen(): void {
    this.#server.listen(new Operation());
  }

  /** Throws the client out. */
  disconnect(): number {
    return this.#server.disconnect();
  }
}
