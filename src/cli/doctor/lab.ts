/**
 * Ends of pipes to try things on, by the calls that the module makes.
 *
 * @module
 */

import {
  type ClientAccess,
  type Handle,
  type Kernel,
  Lane,
  type PipeSpec,
} from "../../kernel/kernel.ts";
import { Status } from "../../kernel/status.ts";
import { End, told } from "./end.ts";

/** Milliseconds after which what is waited for does not come any more. */
const PATIENCE = 5_000;

const ROOM = 65_536;

/** A step that must succeed before anything can be seen did not. */
function required(what: string, status: number): void {
  if (status !== Status.SUCCESS) throw new Error(`${what}: ${told(status)}`);
}

/** A name that nobody else has, and the ends of pipes of this name. */
export class Lab {
  readonly kernel: Kernel;
  readonly path: string = `\\\\.\\pipe\\doctor-${crypto.randomUUID()}`;
  readonly #ends: End[] = [];
  #timer: number;
  #late = false;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.#timer = this.#startTimer();
  }

  /** What an instance is created with. */
  spec(changes?: Partial<PipeSpec>): PipeSpec {
    return specOf(this.path, changes);
  }

  /** Creates an instance, and tells how that went. */
  create(first: boolean, changes?: Partial<PipeSpec>): string {
    const { status, handle } = this.kernel.create(this.spec(changes), first);
    if (status === Status.SUCCESS) this.#add(handle);
    return told(status);
  }

  /** An instance. */
  server(changes?: Partial<PipeSpec>): End {
    const { status, handle } = this.kernel.create(this.spec(changes), false);
    required("CreateNamedPipeW", status);
    return this.#add(handle);
  }

  /** Opens a client's end, and tells how that went. */
  open(access?: Partial<ClientAccess>): string {
    const { status, handle } = this.kernel.open(this.path, accessOf(access));
    if (status === Status.SUCCESS) this.#add(handle);
    return told(status);
  }

  /** A client's end; of a message pipe, one that keeps messages apart. */
  client(access?: Partial<ClientAccess>): End {
    const { status, handle } = this.kernel.open(this.path, accessOf(access));
    required("CreateFileW", status);
    if (this.kernel.type(handle) === "message") this.kernel.keepMessages(handle);
    return this.#add(handle);
  }

  /** A connection. */
  async pair(
    changes?: Partial<PipeSpec>,
    access?: Partial<ClientAccess>,
  ): Promise<{ server: End; client: End }> {
    const server = this.server(changes);
    const listening = server.listen();
    const client = this.client(access);
    required("ConnectNamedPipe", await server.over(Lane.IN, listening));
    return { server, client };
  }

  /** Waits until something has completed. */
  async wait(): Promise<void> {
    if (this.#late) throw new Error(`nothing completed within ${PATIENCE} ms`);
    if (!await this.kernel.wait(true)) throw new Error("WaitForMultipleObjects failed");
  }

  /**
   * Closes everything: clients first, with which writes of servers end.
   *
   * @throws {Error} If what was cancelled does not complete.
   */
  async close(): Promise<void> {
    // What came late has its own time to be cancelled in.
    this.kernel.stopTimer(this.#timer);
    this.#late = false;
    this.#timer = this.#startTimer();
    for (const end of this.#ends.toReversed()) await end.close();
    for (const { slot } of this.#ends) this.kernel.release(slot);
    this.kernel.stopTimer(this.#timer);
  }

  #startTimer(): number {
    return this.kernel.startTimer(PATIENCE, () => {
      this.#late = true;
      this.kernel.wake();
    });
  }

  #add(handle: Handle): End {
    const end = new End(this.kernel, handle, this.#ends.length, () => this.wait());
    this.#ends.push(end);
    return end;
  }
}

/** What an instance of this name is created with. */
export function specOf(path: string, changes: Partial<PipeSpec> = {}): PipeSpec {
  return {
    path,
    type: "message",
    direction: "both",
    readBufferSize: ROOM,
    writeBufferSize: ROOM,
    waitTimeout: 50,
    security: undefined,
    remote: false,
    ...changes,
  };
}

/** What a client's end is opened with. */
export function accessOf(access: Partial<ClientAccess> = {}): ClientAccess {
  return { direction: "both", impersonation: "identification", ...access };
}
