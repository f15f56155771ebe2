/**
 * Ends of pipes as other programs have them, which know nothing of this module.
 *
 * @module
 */

import { systemError } from "../kernel/errors.ts";
import { isEnd, Status } from "../kernel/status.ts";
import { encodeMessage, type Message } from "../pipe/message.ts";
import type { End } from "./memory/end.ts";
import { Operation } from "./memory/operation.ts";
import type { ServerEnd } from "./memory/server_end.ts";

/**
 * An end of a pipe that the test works by hand, as another program might: it reads only when asked,
 * writes whatever it is given, and can vanish at any time. All members work when destructured.
 *
 * @example A client that does not read its answer
 * ```ts
 * import { memoryPipes } from "@overlapped/named-pipe/testing";
 *
 * await using pipes = memoryPipes();
 * await using _server = pipes.serve({ path: "echo" }, (request) => request);
 * using client = await pipes.rawClient("echo");
 * await client.write("hello");
 * client.close();
 * ```
 */
export interface RawEnd extends Disposable {
  /** The full name of the pipe, `\\.\pipe\…`. */
  readonly path: string;
  /** Bytes that were given to {@linkcode RawEnd.write} and that the pipe has not taken: it is full. */
  readonly pending: number;
  /**
   * Writes one message; on a byte pipe, bytes.
   *
   * @returns Resolves when the pipe has taken them: at once if they fit into its buffer, otherwise
   *   when the other end has read enough. Rejects with `Deno.errors.BrokenPipe` if the other end has
   *   left, and with `Deno.errors.Interrupted` if this one was closed.
   * @throws {TypeError} If the message has a wrong type.
   */
  readonly write: (message: Message) => Promise<void>;
  /**
   * Reads one message, or on a byte pipe what is there; waits while there is nothing.
   *
   * @returns The message, or null when the other end has left or this one was closed.
   */
  readonly read: () => Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * Vanishes: closes the handle, as the system does when a program ends. What the pipe has taken
   * stays readable for the other end, what is {@linkcode RawEnd.pending} is lost. Twice is harmless.
   */
  readonly close: () => void;
}

/**
 * A server's end of a pipe that the test works by hand: one instance, for one client at a time.
 *
 * @example A server that disconnects instead of answering
 * ```ts
 * import { memoryPipes } from "@overlapped/named-pipe/testing";
 *
 * await using pipes = memoryPipes();
 * using server = pipes.rawServer("rude");
 * const answer = pipes.call("rude", "hello").catch((error) => error.name);
 * await server.read();
 * server.disconnect();
 * console.assert(await answer === "BrokenPipe");
 * ```
 */
export interface RawServer extends RawEnd {
  /**
   * Disconnects the client, which cannot read any more what it has not read yet, and waits for the
   * next one. No effect when there is none.
   */
  readonly disconnect: () => void;
}

/**
 * What {@linkcode MemoryProgram.rawClient} can be told.
 *
 * @example A client that does not say who it is
 * ```ts
 * import { memoryPipes } from "@overlapped/named-pipe/testing";
 *
 * await using pipes = memoryPipes();
 * await using _server = pipes.serve({ path: "who" }, (_request, { client }) => client.user().sid);
 * using anonymous = await pipes.rawClient("who", { impersonation: "anonymous" });
 * ```
 */
export interface RawClientOptions {
  /**
   * What this end does: read, write, or both.
   *
   * @default {"both"}
   */
  direction?: "both" | "read" | "write" | undefined;
  /**
   * What the server may do with the identity of this program. With `"anonymous"`, it cannot learn it.
   *
   * @default {"identification"}
   */
  impersonation?: "anonymous" | "identification" | "impersonation" | "delegation" | undefined;
}

/**
 * What {@linkcode MemoryProgram.rawServer} can be told.
 *
 * @example A byte pipe that holds next to nothing
 * ```ts
 * import { memoryPipes } from "@overlapped/named-pipe/testing";
 *
 * await using pipes = memoryPipes();
 * using server = pipes.rawServer("narrow", { type: "byte", readBufferSize: 1 });
 * ```
 */
export interface RawServerOptions {
  /**
   * Whether the pipe keeps messages apart.
   *
   * @default {"message"}
   */
  type?: "message" | "byte" | undefined;
  /**
   * What this end does: read, write, or both.
   *
   * @default {"both"}
   */
  direction?: "both" | "read" | "write" | undefined;
  /**
   * Bytes that clients can write before this end has read them, from 0.
   *
   * @default {65536}
   */
  readBufferSize?: number | undefined;
  /**
   * Bytes that this end can write before its client has read them, from 0.
   *
   * @default {65536}
   */
  writeBufferSize?: number | undefined;
}

/** More than any read brings. */
const MOST = 0x7fff_ffff;

/** See {@linkcode RawEnd}. */
export class RawConnection<E extends End> implements RawEnd {
  readonly path: string;
  protected readonly end: E;
  readonly #operations = new Set<Operation>();
  #pending = 0;
  #closed = false;

  constructor(end: E) {
    this.end = end;
    this.path = end.path;
    if (end.terms.messages) end.keepMessages(true);
  }

  get pending(): number {
    return this.#pending;
  }

  get write(): (message: Message) => Promise<void> {
    return (message) => this.#write(encodeMessage(message).slice());
  }

  get read(): () => Promise<Uint8Array<ArrayBuffer> | null> {
    return () => this.#read();
  }

  get close(): () => void {
    return () => {
      if (this.#closed) return;
      this.#closed = true;
      for (const operation of this.#operations) operation.cancel();
      this.end.close();
    };
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether there is another end to write to and read from, or was. */
  protected get ready(): Promise<void> | undefined {
    return undefined;
  }

  async #write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#pending += bytes.length;
    const { status } = await this.#run((operation) => this.end.write(operation, bytes));
    this.#pending -= bytes.length;
    if (status === Status.SUCCESS) return;
    if (status !== Status.CANCELLED) {
      throw systemError("Cannot write to", "WriteFile", this.path, status);
    }
    throw new Deno.errors.Interrupted(`Cannot write to "${this.path}": this end was closed`);
  }

  async #read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const { status, bytes } = await this.#run((operation) => this.end.read(operation, MOST));
    if (status === Status.SUCCESS) return new Uint8Array(bytes);
    if (isEnd(status) || status === Status.CANCELLED) return null;
    throw systemError("Cannot read from", "ReadFile", this.path, status);
  }

  /** Runs an operation, and waits for its end. */
  async #run(submit: (operation: Operation) => void): Promise<Operation> {
    const { ready } = this;
    if (ready !== undefined) await ready;
    const { promise, resolve } = Promise.withResolvers<void>();
    const operation = new Operation(resolve);
    this.#operations.add(operation);
    if (this.#closed) operation.cancel();
    else submit(operation);
    await promise;
    this.#operations.delete(operation);
    return operation;
  }
}

/** See {@linkcode RawServer}. */
export class RawInstance extends RawConnection<ServerEnd> implements RawServer {
  #connected: Promise<void> | undefined;

  constructor(end: ServerEnd) {
    super(end);
    this.#listen();
  }

  get disconnect(): () => void {
    return () => {
      if (this.end.state === "listening") return;
      this.end.disconnect();
      this.#listen();
    };
  }

  protected override get ready(): Promise<void> | undefined {
    return this.#connected;
  }

  #listen(): void {
    this.#connected = new Promise((resolve) => {
      this.end.listen(
        new Operation(() => {
          this.#connected = undefined;
          resolve();
        }),
      );
    });
  }
}
