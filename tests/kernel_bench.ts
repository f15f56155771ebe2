/**
 * What the tests of the contract work with: a kernel, and ends of pipes that wait as the wait loop
 * does.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  type ClientAccess,
  type Handle,
  type Kernel,
  Lane,
  type Opened,
  type PipeSpec,
} from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";

/** A kernel under test, and what differs between the systems that it may run on. */
export interface Subject {
  readonly kernel: Kernel;
  /** Lets time pass, where that is the test's business; else the clock runs by itself. */
  readonly pass?: (milliseconds: number) => Promise<void>;
  /** Has the program go away. */
  readonly unload?: () => void;
  /** Looks for what the kernel still holds, after it was disposed of or abandoned. */
  readonly checked?: () => void;
}

/** What one system is known to do differently. */
export interface Exceptions {
  /** Wine ignores FILE_FLAG_FIRST_PIPE_INSTANCE. */
  readonly ignoresFirst?: boolean;
  /** Wine impersonates with the server's own token, whatever the client allows. */
  readonly ignoresLevels?: boolean;
  /** Makes a kernel whose memory and library may stay behind. */
  readonly makeToAbandon?: () => Subject;
}
/** Registers a test of a kernel. */
export type TestOfKernel = (
  title: string,
  body: (bench: Bench) => void | Promise<void>,
  make?: () => Subject,
) => void;

const ROOM = 65_536;

/** How much a read asks for unless told. */
export const FIRST_READ = 4096;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One end of a pipe with the slot of its operations. */
export class Side {
  readonly handle: Handle;
  readonly slot: number;
  open = true;
  readonly #kernel: Kernel;
  readonly #pending: [boolean, boolean] = [false, false];

  constructor(kernel: Kernel, handle: Handle, slot: number) {
    this.#kernel = kernel;
    this.handle = handle;
    this.slot = slot;
  }

  listen(): number {
    return this.#submitted(Lane.IN, this.#kernel.listen(this.handle, this.slot));
  }

  read(size: number = FIRST_READ): number {
    return this.#submitted(Lane.IN, this.#kernel.read(this.handle, this.slot, size));
  }

  write(message: string | Uint8Array<ArrayBuffer>): number {
    const bytes = typeof message === "string" ? encoder.encode(message) : message;
    return this.#submitted(Lane.OUT, this.#kernel.write(this.handle, this.slot, bytes));
  }

  cancel(lane: Lane): number {
    return this.#kernel.cancel(this.handle, lane, this.slot);
  }

  /** How an operation stands, without waiting. */
  status(lane: Lane): number {
    const status = this.#kernel.status(lane, this.slot);
    if (status !== Status.PENDING) this.#pending[lane] = false;
    return status;
  }

  /** How a submission ended: at once, or after waiting for its completion. */
  async end(lane: Lane, submitted: number): Promise<number> {
    if (submitted !== Status.PENDING) return submitted;
    while (true) {
      this.#kernel.rearm(true);
      const status = this.status(lane);
      if (status !== Status.PENDING) return status;
      assert(await this.#kernel.wait(true), "the wait failed");
    }
  }

  /** What the last read brought. */
  taken(): Uint8Array {
    const bytes = new Uint8Array(this.#kernel.transferred(Lane.IN, this.slot));
    this.#kernel.take(this.slot, bytes);
    return bytes;
  }

  text(): string {
    return decoder.decode(this.taken());
  }

  async accept(): Promise<number> {
    return await this.end(Lane.IN, this.listen());
  }

  /** How a read ends. */
  async readEnd(size?: number): Promise<number> {
    return await this.end(Lane.IN, this.read(size));
  }

  /** How a write ends. */
  async writeEnd(message: string | Uint8Array<ArrayBuffer>): Promise<number> {
    return await this.end(Lane.OUT, this.write(message));
  }

  /** Reads one message that must be whole. */
  async receive(size?: number): Promise<string> {
    assertEquals(await this.readEnd(size), Status.SUCCESS);
    return this.text();
  }

  /** Writes one message, which must succeed. */
  async send(message: string | Uint8Array<ArrayBuffer>): Promise<void> {
    assertEquals(await this.writeEnd(message), Status.SUCCESS);
  }

  peek(): number {
    return this.#kernel.peek(this.handle).status;
  }

  left(): number {
    const { status, left } = this.#kernel.peek(this.handle);
    assertEquals(status, Status.SUCCESS);
    return left;
  }

  disconnect(): number {
    return this.#kernel.disconnect(this.handle);
  }

  /** Ends what is in flight, as every caller must, and closes the handle. */
  async close(): Promise<void> {
    if (!this.open) return;
    for (const lane of [Lane.IN, Lane.OUT]) {
      if (!this.#pending[lane]) continue;
      this.cancel(lane);
      await this.end(lane, Status.PENDING);
    }
    this.open = false;
    assertEquals(this.#kernel.close(this.handle), Status.SUCCESS);
  }

  #submitted(lane: Lane, status: number): number {
    this.#pending[lane] = status === Status.PENDING;
    return status;
  }
}

/** What one test works with: a kernel, a pipe's name, and the ends that it opened. */
export class Bench {
  readonly kernel: Kernel;
  readonly subject: Subject;
  readonly path = "\\\\.\\pipe\\contract-" + crypto.randomUUID();
  readonly #sides: Side[] = [];
  #ended = false;

  constructor(subject: Subject) {
    this.kernel = subject.kernel;
    this.subject = subject;
  }

  spec(sizes: Partial<PipeSpec> = {}): PipeSpec {
    return {
      path: this.path,
      type: "message",
      direction: "both",
      readBufferSize: ROOM,
      writeBufferSize: ROOM,
      waitTimeout: 50,
      security: undefined,
      remote: false,
      ...sizes,
    };
  }

  /** An instance. */
  server(sizes?: Partial<PipeSpec>): Side {
    const { status, handle } = this.kernel.create(this.spec(sizes), false);
    assertEquals(status, Status.SUCCESS);
    return this.side(handle);
  }

  /** Opens a client's end. */
  open(access: Partial<ClientAccess> = {}, path = this.path): Opened {
    return this.kernel.open(path, {
      direction: "both",
      impersonation: "identification",
      ...access,
    });
  }

  /** A client's end; `mode` as Windows begins it, or as a message client makes it. */
  client(mode: "message" | "byte" = "message", access?: Partial<ClientAccess>): Side {
    const { status, handle } = this.open(access);
    assertEquals(status, Status.SUCCESS);
    if (mode === "message") assertEquals(this.kernel.keepMessages(handle), Status.SUCCESS);
    return this.side(handle);
  }

  /** A connection. */
  async pair(
    sizes: Partial<PipeSpec> = {},
    access?: Partial<ClientAccess>,
  ): Promise<{ server: Side; client: Side }> {
    const server = this.server(sizes);
    const submitted = server.listen();
    assertEquals(submitted, Status.PENDING);
    const client = this.client(sizes.type, access);
    assertEquals(await server.end(Lane.IN, submitted), Status.SUCCESS);
    return { server, client };
  }

  side(handle: Handle): Side {
    const side = new Side(this.kernel, handle, this.#sides.length);
    this.#sides.push(side);
    return side;
  }

  /** Ends everything, and gives the kernel back. */
  async tidy(): Promise<void> {
    if (this.#ended) return;
    // Clients first: a write that a server still has in flight ends with them.
    for (const side of this.#sides.toReversed()) await side.close();
    for (const { slot } of this.#sides) this.kernel.release(slot);
    this.#ended = true;
    this.kernel.dispose();
    this.subject.checked?.();
  }

  /** The kernel ended in the test itself. */
  ended(): void {
    this.#ended = true;
    this.subject.checked?.();
  }
}
