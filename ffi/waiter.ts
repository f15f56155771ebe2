/**
 * Waits until an operation may have completed.
 *
 * @module
 */

import type { Handle } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import { now } from "../src/kernel/scheduling.ts";
import type { Counters } from "./counters.ts";
import type { Kernel32 } from "./kernel32.ts";
import { KernelError } from "./kernel_error.ts";
import { failure } from "./last_error.ts";
import type { Slab } from "./slab.ts";
import { INFINITE, WAIT_FAILED, WAIT_TIMEOUT } from "./structs.ts";

/** Milliseconds that the waiting thread is given to return when the program goes away. */
const RETURN_TIME = 20;

/** The three events that the kernel waits for, and the wait on another thread. */
export class Waiter {
  readonly #calls: Kernel32["symbols"];
  readonly #counters: Counters;
  readonly #events: Handle[] = [];
  readonly #wake: Handle;
  /** The event that listens and reads signal. */
  readonly arrivals: Handle;
  /** The event that writes signal. */
  readonly drained: Handle;
  /** The native array `[wake, arrivals, drained]`: a wait may read it at any time. */
  readonly #handles: bigint;
  /** Whether a wait is dispatched. */
  #waiting = false;

  /**
   * Creates the events.
   *
   * @throws {KernelError} If Windows has no event, or no memory for their array.
   */
  constructor(calls: Kernel32["symbols"], slab: Slab, counters: Counters) {
    this.#calls = calls;
    this.#counters = counters;
    try {
      // Only the event that belongs to no operation may reset itself. The others must stay set for
      // the next wait, https://learn.microsoft.com/windows/win32/api/minwinbase/ns-minwinbase-overlapped
      this.#wake = this.#newEvent(0);
      this.arrivals = this.#newEvent(1);
      this.drained = this.#newEvent(1);
      const handles = new BigUint64Array([this.#wake, this.arrivals, this.drained]);
      const block = slab.allocate(handles.byteLength);
      if (block === undefined) throw new KernelError("VirtualAlloc", calls.GetLastError());
      this.#handles = block.address;
      calls.copyIn(this.#handles, handles, BigInt(handles.byteLength));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** See {@linkcode Kernel.rearm}. */
  rearm(drained: boolean): void {
    this.#counters.otherCalls++;
    this.#calls.ResetEvent(this.arrivals);
    if (drained) {
      this.#counters.otherCalls++;
      this.#calls.ResetEvent(this.drained);
    }
  }

  /** See {@linkcode Kernel.wait}. */
  async wait(drained: boolean): Promise<boolean> {
    this.#counters.waits++;
    this.#waiting = true;
    const count = drained ? 3 : 2;
    const index = await this.#calls.parkForMultipleObjects(count, this.#handles, 0, INFINITE);
    this.#waiting = false;
    return index < count;
  }

  /** See {@linkcode Kernel.waitStatus}. */
  waitStatus(drained: boolean): number {
    this.#counters.otherCalls++;
    const count = drained ? 3 : 2;
    const index = this.#calls.WaitForMultipleObjects(count, this.#handles, 0, 0);
    if (index === WAIT_FAILED) return failure(this.#calls.GetLastError());
    // This wait took the signal, which belongs to the next wait.
    if (index === 0) this.wake();
    return index < count || index === WAIT_TIMEOUT ? Status.SUCCESS : Status.UNKNOWN;
  }

  /** See {@linkcode Kernel.wake}. */
  wake(): void {
    this.#counters.otherCalls++;
    this.#calls.SetEvent(this.#wake);
  }

  /** Makes a wait return, and closes the events. Their native array stays in memory. */
  abandon(): void {
    this.#endWait();
    // A wait that was dispatched and begins only now finds nothing to wait for, and returns.
    const none = new BigUint64Array(3);
    this.#calls.copyIn(this.#handles, none, BigInt(none.byteLength));
    this.close();
  }

  /** Closes the handles of the events. Operations in flight keep the events themselves. */
  close(): void {
    for (const event of this.#events.splice(0)) this.#calls.CloseHandle(event);
  }

  /**
   * Makes the waiting thread return. It has returned once it has taken the signal of `wake`. A wait
   * that returns for another reason takes no signal, and one that has not begun may never take it.
   */
  #endWait(): void {
    this.wake();
    const deadline = now() + RETURN_TIME;
    while (
      this.#waiting && now() < deadline &&
      this.#calls.WaitForMultipleObjects(1, this.#handles, 0, 0) !== WAIT_TIMEOUT
    ) {
      // This call took the signal itself.
      this.wake();
    }
  }

  #newEvent(bManualReset: 0 | 1): Handle {
    const event = this.#calls.CreateEventW(0n, bManualReset, 0, 0n);
    if (event === 0n) throw new KernelError("CreateEventW", this.#calls.GetLastError());
    this.#events.push(event);
    return event;
  }
}
