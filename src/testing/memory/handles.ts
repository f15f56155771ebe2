/**
 * The handles of one process.
 *
 * @module
 */

import type { Handle } from "../../kernel/kernel.ts";
import type { Contract } from "./contract.ts";
import type { End } from "./end.ts";
import type { Flight } from "./flight.ts";

/** An end of a pipe that a process has opened. */
export interface Open {
  readonly end: End;
  /** A message was read, and nothing was submitted since: its writer can be identified. */
  identifiable: boolean;
  /** What was submitted last, by lane. */
  readonly flights: [Flight | undefined, Flight | undefined];
}

/** See the module. */
export class Handles {
  readonly #contract: Contract;
  readonly #open = new Map<Handle, Open>();
  #last = 0n;

  constructor(contract: Contract) {
    this.#contract = contract;
  }

  /** How many are open. */
  get count(): number {
    return this.#open.size;
  }

  /** All that are open. */
  all(): Open[] {
    return [...this.#open.values()];
  }

  /** The number of one more handle. */
  next(): Handle {
    return this.#last += 4n;
  }

  /** A handle for one more end. */
  add(end: End): Handle {
    const handle = this.next();
    this.#open.set(handle, { end, identifiable: false, flights: [undefined, undefined] });
    return handle;
  }

  /** What a handle stands for; it has to be open. */
  use(handle: Handle): Open {
    this.#contract.living();
    return this.#open.get(handle) ?? this.#contract.fail(`handle ${handle} is not open`);
  }

  /** What a handle stands for, if it is open. */
  get(handle: Handle): Open | undefined {
    return this.#open.get(handle);
  }

  /** It is no handle any more. */
  delete(handle: Handle): void {
    this.#open.delete(handle);
  }

  /** None is a handle any more. */
  clear(): void {
    this.#open.clear();
  }
}
