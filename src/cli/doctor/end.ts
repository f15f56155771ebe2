/**
 * One end of a pipe, by the calls that the module makes.
 *
 * @module
 */

import { type Handle, type Identified, type Kernel, Lane } from "../../kernel/kernel.ts";
import { Status } from "../../kernel/status.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How a status is told. */
export function told(status: number): string {
  if (status === Status.SUCCESS) return "success";
  return status === Status.PENDING ? "pending" : `error ${status}`;
}

/** One end of a pipe, with the slot of its operations. */
export class End {
  readonly handle: Handle;
  readonly slot: number;
  readonly #kernel: Kernel;
  readonly #wait: () => Promise<void>;
  readonly #pending: [boolean, boolean] = [false, false];
  #open = true;

  /** @param wait Waits until something has completed. */
  constructor(kernel: Kernel, handle: Handle, slot: number, wait: () => Promise<void>) {
    this.#kernel = kernel;
    this.handle = handle;
    this.slot = slot;
    this.#wait = wait;
  }

  /** Whether its handle is not closed. */
  get open(): boolean {
    return this.#open;
  }

  listen(): number {
    return this.#submitted(Lane.IN, this.#kernel.listen(this.handle, this.slot));
  }

  read(size = 4_096): number {
    return this.#submitted(Lane.IN, this.#kernel.read(this.handle, this.slot, size));
  }

  /** @param message What is written: a text, or so many bytes. */
  write(message: string | number | Uint8Array<ArrayBuffer>): number {
    const bytes = typeof message === "string"
      ? encoder.encode(message)
      : typeof message === "number"
      ? new Uint8Array(message)
      : message;
    return this.#submitted(Lane.OUT, this.#kernel.write(this.handle, this.slot, bytes));
  }

  cancel(lane: Lane): number {
    return this.#kernel.cancel(this.handle, lane, this.slot);
  }

  disconnect(): number {
    return this.#kernel.disconnect(this.handle);
  }

  /** Who wrote the message that was read last. */
  identified(): Identified {
    const { status, call, token } = this.#kernel.openToken(this.handle);
    if (status !== Status.SUCCESS) return { status, call, identity: undefined };
    const identified = this.#kernel.identify(token);
    this.#kernel.closeToken(token);
    return identified;
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
      await this.#wait();
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
  taken(): Uint8Array {
    return this.#kernel.takeNew(this.slot, this.#kernel.transferred(Lane.IN, this.slot));
  }

  /** The same, as text. */
  text(): string {
    return decoder.decode(this.taken());
  }

  /**
   * Ends what is in flight, and closes the handle.
   *
   * @returns The status of that.
   */
  async close(): Promise<number> {
    if (!this.#open) return Status.SUCCESS;
    for (const lane of [Lane.IN, Lane.OUT]) {
      if (!this.#pending[lane]) continue;
      this.cancel(lane);
      await this.over(lane, Status.PENDING);
    }
    this.#open = false;
    return this.#kernel.close(this.handle);
  }

  #submitted(lane: Lane, status: number): number {
    this.#pending[lane] = status === Status.PENDING;
    return status;
  }
}
