/**
 * Waits until an operation may have completed.
 *
 * A wait on another thread keeps the program running, unless Deno can be told to let go of it. Where
 * it cannot, and the program is not to be kept, this looks every {@linkcode POLL_TIME} instead.
 *
 * @module
 */

import type { Handle } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import { now, startTimer, stopTimer, unrefTimer } from "../src/kernel/scheduling.ts";
import type { Block } from "./block.ts";
import type { Counters } from "./counters.ts";
import type { Kernel32 } from "./kernel32.ts";
import { KernelError } from "./kernel_error.ts";
import { failure } from "./last_error.ts";
import { type OpPromises, opPromises } from "./op_promises.ts";
import { INFINITE, WAIT_FAILED, WAIT_TIMEOUT } from "./structs.ts";

/** Milliseconds that the waiting thread is given to return when the program goes away. */
const RETURN_TIME = 20;

/** Milliseconds between two looks at the events, where a wait would keep the program running. */
export const POLL_TIME = 15;

/**
 * Milliseconds of a pause in which the program can end. More than a turn takes: some versions of Deno
 * run a timer that is due before they ask whether anything keeps the program running.
 */
export const PAUSE = 3;

/** The functions of kernel32 that this needs. */
export type WaiterCalls = Pick<
  Kernel32["symbols"],
  | "CloseHandle"
  | "copyIn"
  | "CreateEventW"
  | "GetLastError"
  | "parkForMultipleObjects"
  | "ResetEvent"
  | "SetEvent"
  | "WaitForMultipleObjects"
>;

/** Looks at the events from time to time, and lets the program end meanwhile. */
interface Poll {
  timer: ReturnType<typeof startTimer>;
  /** Looks now. */
  readonly look: () => void;
}

/** The three events that the kernel waits for, and the wait. */
export class Waiter {
  readonly #calls: WaiterCalls;
  readonly #counters: Counters;
  readonly #events: Handle[] = [];
  readonly #wake: Handle;
  /** The event that listens and reads signal. */
  readonly arrivals: Handle;
  /** The event that writes signal. */
  readonly drained: Handle;
  /** The native array `[wake, arrivals, drained]`: a wait may read it at any time. */
  readonly #handles: bigint;
  /** Lets go of a wait; null where that cannot be done. */
  #promises: OpPromises | null;
  #keepsAlive = true;
  /** The wait on another thread, while it is dispatched. */
  #parked: Promise<number> | undefined = undefined;
  #poll: Poll | undefined = undefined;

  /**
   * Creates the events.
   *
   * @param promises How to let go of a wait; null where that cannot be done.
   * @throws {KernelError} If Windows has no event, or no memory for their array.
   */
  constructor(
    calls: WaiterCalls,
    slab: { allocate(bytes: number): Pick<Block, "address"> | undefined },
    counters: Counters,
    promises: OpPromises | null = opPromises() ?? null,
  ) {
    this.#calls = calls;
    this.#counters = counters;
    this.#promises = promises;
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
    const count = drained ? 3 : 2;
    const polls = !this.#keepsAlive && this.#promises === null;
    const index = polls ? await this.#pollFor(count) : await this.#parkFor(count);
    return index < count;
  }

  /** See {@linkcode Kernel.keepAlive}. */
  keepAlive(on: boolean): void {
    this.#keepsAlive = on;
    if (this.#parked !== undefined) this.#refParked(this.#parked);
    // The next wait is of the other kind.
    else if (on && this.#poll !== undefined) this.wake();
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
    this.#poll?.look();
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
      this.#parked !== undefined && now() < deadline &&
      this.#calls.WaitForMultipleObjects(1, this.#handles, 0, 0) !== WAIT_TIMEOUT
    ) {
      // This call took the signal itself.
      this.wake();
    }
  }

  async #parkFor(count: number): Promise<number> {
    const parked = this.#calls.parkForMultipleObjects(count, this.#handles, 0, INFINITE);
    this.#parked = parked;
    if (!this.#keepsAlive) this.#refParked(parked);
    try {
      return await parked;
    } finally {
      this.#parked = undefined;
    }
  }

  /** Lets the wait on another thread keep the program running, or not. */
  #refParked(parked: Promise<number>): void {
    try {
      if (this.#promises === null) this.wake();
      else if (this.#keepsAlive) this.#promises.ref(parked);
      else this.#promises.unref(parked);
    } catch {
      // Deno's functions are not what they were: the next wait polls.
      this.#promises = null;
      this.wake();
    }
  }

  /**
   * The first look comes after a pause: the program has to be able to end between two waits, even if
   * a signal is set all the time.
   */
  #pollFor(count: number): Promise<number> {
    return new Promise((resolve) => {
      const start = (milliseconds: number) => {
        const timer = startTimer(look, milliseconds);
        unrefTimer(timer);
        return timer;
      };
      const look = () => {
        if (this.#poll === undefined) return;
        stopTimer(this.#poll.timer);
        this.#counters.otherCalls++;
        const index = this.#calls.WaitForMultipleObjects(count, this.#handles, 0, 0);
        if (index === WAIT_TIMEOUT) {
          this.#poll.timer = start(POLL_TIME);
        } else {
          this.#poll = undefined;
          resolve(index);
        }
      };
      this.#poll = { timer: start(PAUSE), look };
    });
  }

  #newEvent(bManualReset: 0 | 1): Handle {
    const event = this.#calls.CreateEventW(0n, bManualReset, 0, 0n);
    if (event === 0n) throw new KernelError("CreateEventW", this.#calls.GetLastError());
    this.#events.push(event);
    return event;
  }
}
