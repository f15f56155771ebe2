/**
 * One overlapped operation of one end of a pipe: a listen, a read or a write.
 *
 * @module
 */

import type { Handle, Lane } from "../kernel/kernel.ts";
import { Status } from "../kernel/status.ts";

/** Receives the results of operations. */
export interface CompletionHandler {
  /** The operation is over, `operation.status` says how, and its memory is the caller's again. */
  completed(operation: Operation): void;
  /** {@linkcode CompletionHandler.completed} threw, a bug of ours: abort what it served. */
  crashed(error: unknown): void;
}

type Phase =
  /** Nothing is expected. */
  | "idle"
  /** A read that is submitted in the next round. */
  | "requested"
  /** Windows has it. */
  | "inFlight"
  /** A shortage prevented it; it is submitted again later. */
  | "deferred"
  /** Over; its handler gets the result in a turn. */
  | "completed";

/** See the module. A listen or a read uses lane IN, a write lane OUT. */
export class Operation {
  /** How it ended, once it is over. */
  status: number = Status.SUCCESS;
  /** @internal Managed by the loop. */
  phase: Phase = "idle";
  /** @internal Its index among the operations in flight in its lane. */
  index = 0;
  /** @internal The most that it reads, in bytes; negative for a listen. */
  size = 0;
  /** Cancellation was requested: it is not submitted again. */
  cancelled = false;
  /** @internal After a shortage, its result is handed out again; it is not submitted again. */
  repeats = false;
  /** How often a shortage has deferred it, or its result. */
  shortages = 0;
  /** When a shortage last ceased to defer it, on the kernel's clock; -Infinity if none did. */
  deferredUntil = -Infinity;
  /** @internal What it writes, while this program has no memory to submit it. */
  message: Uint8Array<ArrayBuffer> | undefined = undefined;

  constructor(
    readonly handler: CompletionHandler,
    readonly handle: Handle,
    readonly lane: Lane,
    readonly slot: number,
  ) {}

  /** Whether a shortage prevented it, so that it is submitted again later. */
  get deferred(): boolean {
    return this.phase === "deferred";
  }

  /** Whether its handler will still get a result. */
  get expected(): boolean {
    return this.phase !== "idle";
  }
}
