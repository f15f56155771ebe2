/**
 * What a process uses, seen from outside.
 *
 * @module
 */

import { isWine } from "../tests/win32/environment.ts";
import { closeHandle, openProcess, privateBytes, processTimes } from "../tests/win32/raw.ts";

/** Measures one process. */
export class ProcessMeter implements Disposable {
  readonly #handle: bigint;
  readonly #argument: string;
  #tasks: string | undefined = undefined;
  /** Nanoseconds of each thread, those that have ended since included. */
  readonly #ran = new Map<string, number>();

  /** @param argument What only this process has in its command line. */
  constructor(processId: number, argument: string) {
    this.#handle = openProcess(processId);
    this.#argument = argument;
  }

  /** The processor time used so far, in milliseconds. */
  get processorMs(): number {
    // Under Wine, GetProcessTimes of another process tells only a part.
    if (isWine()) return this.#processorMsOfLinux();
    const { kernel, user } = processTimes(this.#handle);
    return kernel + user;
  }

  /** Memory of its own, in bytes. */
  get privateBytes(): number {
    return privateBytes(this.#handle);
  }

  [Symbol.dispose](): void {
    closeHandle(this.#handle);
  }

  #processorMsOfLinux(): number {
    this.#tasks ??= findTasks(this.#argument);
    for (const name of entries(this.#tasks)) {
      const [ran] = readWords(`${this.#tasks}\\${name}\\schedstat`, " ");
      if (ran !== undefined) this.#ran.set(name, Number(ran));
    }
    return this.#ran.values().reduce((sum, ran) => sum + ran, 0) / 1e6;
  }
}

/** The entries of a folder; none if it is gone: Deno's server by `node:net` may die under its load. */
function entries(path: string): string[] {
  try {
    return Array.from(Deno.readDirSync(path), ({ name }) => name);
  } catch {
    return [];
  }
}

/** The words of a file; none if it is gone. */
function readWords(path: string, separator: string): string[] {
  try {
    return Deno.readTextFileSync(path).split(separator);
  } catch {
    return [];
  }
}

function findTasks(argument: string): string {
  for (const name of entries("Z:\\proc")) {
    const process = `Z:\\proc\\${name}`;
    if (/^\d+$/.test(name) && readWords(`${process}\\cmdline`, "\0").includes(argument)) {
      return `${process}\\task`;
    }
  }
  throw new Error(`Cannot find the process of ${argument}`);
}
