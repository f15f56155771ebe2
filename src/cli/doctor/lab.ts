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

/** Milliseconds after which what is waited for does not come any more. */
const PATIENCE = 5_000;

const ROOM = 65_536;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How a status is told. */
export function told(status: number): string {
  if (status === Status.SUCCESS) return "success";
  return status === Status.PENDING ? "pending" : `error ${status}`;
}

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
  spec(changes: Partial<PipeSpec> = {}): PipeSpec {
    return {
      path: this.path,
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
    const end = new End(this, handle, this.#ends.length);
    this.#ends.push(end);
    return end;
  }
}

function accessOf(access: Partial<ClientAccess> = {}): ClientAccess {
  return { direction: "both", impersonation: "identification", ...access };
}

/** One end of a pipe, with the slot of its operations. */
export class End {
  readonly handle: Handle;
  readonly slot: number;
  readonly #lab: Lab;
  readonly #kernel: Kernel;
  readonly #pending: [boolean, boolean] = [false, false];
  #open = true;

  constructor(lab: Lab, handle: Handle, slot: number) {
    this.#lab = lab;
    this.#kernel = lab.kernel;
    this.handle = handle;
    this.slot = slot;
  }

  listen(): number {
    return this.#submitted(Lane.IN, this.#kernel.listen(this.handle, this.slot));
  }

  read(size = 4_096): number {
    return this.#submitted(Lane.IN, this.#kernel.read(this.handle, this.slot, size));
  }

  write(message: string | number): number {
    const bytes = typeof message === "string" ? encoder.encode(message) : new Uint8Array(message);
    return this.#submitted(Lane.OUT, this.#kernel.write(this.handle, this.slot, bytes));
  }

  cancel(lane: Lane): number {
    return this.#kernel.cancel(this.handle, lane, this.slot);
  }

  disconnect(): number {
    return this.#kernel.disconnect(this.handle);
  }

  /** The status of an operation, without waiting. */
  status(lane: Lane): number {
    const status = this.#kernel.status(lane, this.slot);
    if (status !== Status.PENDING) this.#pending[lane] = false;
    return status;
  }

  /** How a submission ends: at once, or after waiting for its completion. */
  async over(lane: Lane, submitted: number): Promise<number> {
    if (submitted !== Status.PENDING) return submitted;
    while (true) {
      this.#kernel.rearm(true);
      const status = this.status(lane);
      if (status !== Status.PENDING) return status;
      await this.#lab.wait();
    }
  }

  /** Reads, and tells what: the text, with the error if there is one. */
  async reads(size?: number): Promise<string> {
    const status = await this.over(Lane.IN, this.read(size));
    if (status === Status.SUCCESS) return `"${this.text()}"`;
    return status === Status.MORE_DATA ? `${told(status)} "${this.text()}"` : told(status);
  }

  /** Writes, and tells how that went. */
  async writes(message: string | number): Promise<string> {
    return told(await this.over(Lane.OUT, this.write(message)));
  }

  /** What the last read received. */
  text(): string {
    const bytes = new Uint8Array(this.#kernel.transferred(Lane.IN, this.slot));
    if (bytes.length > 0) this.#kernel.take(this.slot, bytes);
    return decoder.decode(bytes);
  }

  /** Ends what is in flight, and closes the handle. */
  async close(): Promise<void> {
    if (!this.#open) return;
    for (const lane of [Lane.IN, Lane.OUT]) {
      if (!this.#pending[lane]) continue;
      this.cancel(lane);
      await this.over(lane, Status.PENDING);
    }
    this.#open = false;
    this.#kernel.close(this.handle);
  }

  #submitted(lane: Lane, status: number): number {
    this.#pending[lane] = status === Status.PENDING;
    return status;
  }
}
