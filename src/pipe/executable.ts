/**
 * The program that the process at the other end of a connection runs.
 *
 * @module
 */

import type { WaitLoop } from "../loop/wait_loop.ts";

/** See the module. It is looked up once, when it is first asked for. */
export class Executable {
  readonly #loop: WaitLoop;
  readonly #process: number | undefined;
  readonly #since: number;
  #found: { readonly path: string | undefined } | undefined = undefined;

  /**
   * @param process The process, if it is known.
   * @param since When the connection came about, on the kernel's clock.
   */
  constructor(loop: WaitLoop, process: number | undefined, since: number) {
    this.#loop = loop;
    this.#process = process;
    this.#since = since;
  }

  /** The path of the program; undefined if it cannot be told. */
  get path(): string | undefined {
    this.#found ??= { path: this.#lookUp() };
    return this.#found.path;
  }

  /** A program may ask when everything has ended, and there is nobody left to tell. */
  #lookUp(): string | undefined {
    if (this.#process === undefined || this.#loop.ended) return undefined;
    return this.#loop.kernel.executable(this.#process, this.#since);
  }
}
