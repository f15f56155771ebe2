/**
 * Reading from one end of a pipe, whether it keeps messages apart or not.
 *
 * @module
 */

import { type Kernel, Lane } from "../kernel/kernel.ts";
import { isEnd, Status } from "../kernel/status.ts";
import type { Operation } from "../loop/operation.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";

/** Bytes of a connection's first read, and of each read while what comes is short. */
export const FIRST_READ = 4_096;

/**
 * How a read ended. With "broken", `fault` says why the message cannot be used; with "later", the
 * read goes on, and completes again.
 */
export type Outcome = "message" | "partial" | "ended" | "cancelled" | "broken" | "later";

/** Why a message cannot be used. */
export interface Fault {
  readonly call: string;
  readonly status: number;
  /** Why, unless a call failed. */
  readonly reason?: string;
  /** The message is longer than the limit. */
  readonly tooLong?: boolean;
  /** What a framing threw. */
  readonly cause?: unknown;
}

/** Reads one message at a time; what that is depends on the pipe and on how it is used. */
export abstract class Reader {
  protected readonly loop: WaitLoop;
  protected readonly kernel: Kernel;
  protected readonly operation: Operation;
  #fault: Fault | undefined = undefined;
  #discards = false;
  #received = 0;

  constructor(loop: WaitLoop, operation: Operation) {
    this.loop = loop;
    this.kernel = loop.kernel;
    this.operation = operation;
  }

  /** Bytes of the message, after "partial" or "message". */
  abstract get length(): number;

  /** Whether a message was read in part, and its rest is still to be read. */
  abstract get begun(): boolean;

  /** How many messages were read besides the last one: the next reads complete with them. */
  get waiting(): number {
    return 0;
  }

  /** Submits the first read of the next message. */
  abstract readFirst(): void;

  /** Submits the one read for the rest, after "partial". */
  abstract readRest(): void;

  /**
   * Takes the whole message, after "message". It may still be in the slot's memory until then.
   *
   * @param into Memory that it may be copied into, if it fits.
   * @returns The message: in memory of its own, or the part of `into` that it fills.
   */
  abstract takeMessage(into?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;

  /** How a read with this status has ended. */
  protected abstract received(status: number): Outcome;

  /** Why the last read was "broken", or why a connection ends with one that was not. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  /** Bytes that were read so far and not discarded, frames included. */
  get bytesReceived(): number {
    return this.#received;
  }

  /** Whether the read is pending in Windows, even if the loop has not looked since. */
  get pending(): boolean {
    return this.loop.isPending(this.operation);
  }

  /** Whether the read, or its result, waits for a shortage to pass. */
  get deferred(): boolean {
    return this.operation.deferred;
  }

  /** Cancels the read, whose completion still follows. */
  cancel(): void {
    this.loop.cancel(this.operation);
  }

  /** Completes a read that was not submitted, as cancelled. */
  completeCancelled(): void {
    this.loop.complete(this.operation, Status.CANCELLED);
  }

  /** Lets the read complete once more, in the next turn. */
  redeliver(): void {
    this.loop.complete(this.operation, this.operation.status);
  }

  /** Lets the read complete once more, when a shortage may have passed. */
  repeat(): void {
    this.loop.repeat(this.operation);
  }

  /**
   * From now on a read is only classified: while closing, fetching the message could fail and delay
   * the close.
   */
  discard(): void {
    this.#discards = true;
  }

  /** How the read that completed has ended. To be called once, when it completes. */
  outcome(): Outcome {
    const { status } = this.operation;
    return this.#discards ? this.classify(status) : this.received(status);
  }

  /** Bytes that the read has received. */
  protected get transferred(): number {
    return this.kernel.transferred(Lane.IN, this.operation.slot);
  }

  /** Counts bytes that were read. */
  protected count(bytes: number): void {
    this.#received += bytes;
  }

  /** What was read cannot be used. */
  protected broken(fault: Fault): Outcome {
    this.#fault = fault;
    return "broken";
  }

  /** A read that failed, was cancelled, or found the end. */
  protected failed(status: number): Outcome {
    if (status === Status.CANCELLED) return "cancelled";
    return isEnd(status) ? "ended" : this.broken({ call: "ReadFile", status });
  }

  /** How a read that is discarded has ended: "message" if a message was read, even in part. */
  protected classify(status: number): Outcome {
    const cancelled = status === Status.CANCELLED;
    const read = status === Status.SUCCESS || status === Status.MORE_DATA;
    if (read || cancelled && this.begun) return "message";
    return cancelled ? "cancelled" : "ended";
  }
}
