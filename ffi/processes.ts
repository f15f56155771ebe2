/**
 * Other processes: what they run.
 *
 * @module
 */

import { now } from "../src/kernel/scheduling.ts";
import type { Handle } from "../src/kernel/kernel.ts";
import type { Counters } from "./counters.ts";
import type { Kernel32 } from "./kernel32.ts";
import { PROCESS_QUERY_LIMITED_INFORMATION } from "./structs.ts";
import { narrow } from "./wide_strings.ts";

/** Characters of the longest path, with its NUL. */
const LONGEST_PATH = 32_768;

/** Intervals of a `FILETIME` in a millisecond. */
const INTERVALS = 10_000;

/**
 * How much later than it did a process may seem to have begun. The system stamps it with a clock of
 * coarse steps, in milliseconds; and that clock is adjusted by up to this share while the monotonic
 * one is not.
 */
const CLOCK_STEP = 50;
const CLOCK_DRIFT = 0.001;

/** Asks about processes. */
export class Processes {
  readonly #calls: Kernel32["symbols"];
  readonly #counters: Counters;

  /** Calls nothing yet. */
  constructor(calls: Kernel32["symbols"], counters: Counters) {
    this.#calls = calls;
    this.#counters = counters;
  }

  /** See {@linkcode Kernel.executable}. */
  executable(process: number, since: number = Infinity): string | undefined {
    this.#counters.otherCalls++;
    const handle = this.#calls.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, process);
    if (handle === 0n) return undefined;
    try {
      return this.#beganAfter(handle, since) ? undefined : this.#image(handle);
    } finally {
      this.#counters.otherCalls++;
      this.#calls.CloseHandle(handle);
    }
  }

  /** Compares ages: start times and the monotonic clock count from different moments. */
  #beganAfter(handle: Handle, since: number): boolean {
    const age = this.#age(handle);
    const elapsed = now() - since;
    return age === undefined || age < elapsed * (1 - CLOCK_DRIFT) - CLOCK_STEP;
  }

  /** Milliseconds since a process began; undefined if the system does not tell. */
  #age(handle: Handle): number | undefined {
    this.#counters.otherCalls += 2;
    const creation = new BigUint64Array(1);
    const other = new BigUint64Array(1);
    if (this.#calls.GetProcessTimes(handle, creation, other, other, other) === 0) return undefined;
    const system = new BigUint64Array(1);
    this.#calls.GetSystemTimeAsFileTime(system);
    return Number((system[0] ?? 0n) - (creation[0] ?? 0n)) / INTERVALS;
  }

  #image(handle: Handle): string | undefined {
    this.#counters.otherCalls++;
    const path = new Uint16Array(LONGEST_PATH);
    const length = new Uint32Array([LONGEST_PATH]);
    return this.#calls.QueryFullProcessImageNameW(handle, 0, path, length) !== 0
      ? narrow(path)
      : undefined;
  }
}
