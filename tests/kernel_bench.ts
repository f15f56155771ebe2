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
import { End } from "../src/cli/doctor/end.ts";
import { accessOf, specOf } from "../src/cli/doctor/lab.ts";

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

/** How much a read asks for unless told. */
export const FIRST_READ = 4096;

/** One end of a pipe, whose waits may not fail. */
export class Side extends End {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel, handle: Handle, slot: number) {
    super(kernel, handle, slot, async () => assert(await kernel.wait(true), "the wait failed"));
    this.#kernel = kernel;
  }

  override async close(): Promise<number> {
    const status = await super.close();
    assertEquals(status, Status.SUCCESS);
    return status;
  }

  async accept(): Promise<number> {
    return await this.over(Lane.IN, this.listen());
  }

  /** How a read ends. */
  async readEnd(size?: number): Promise<number> {
    return await this.over(Lane.IN, this.read(size));
  }

  /** How a write ends. */
  async writeEnd(message: string | Uint8Array<ArrayBuffer>): Promise<number> {
    return await this.over(Lane.OUT, this.write(message));
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

  spec(sizes?: Partial<PipeSpec>): PipeSpec {
    return specOf(this.path, sizes);
  }

  /** An instance. */
  server(sizes?: Partial<PipeSpec>): Side {
    const { status, handle } = this.kernel.create(this.spec(sizes), false);
    assertEquals(status, Status.SUCCESS);
    return this.side(handle);
  }

  /** Opens a client's end. */
  open(access?: Partial<ClientAccess>, path = this.path): Opened {
    return this.kernel.open(path, accessOf(access));
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
    assertEquals(await server.over(Lane.IN, submitted), Status.SUCCESS);
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
