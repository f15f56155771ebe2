/**
 * Reads a trace of the Wine server's requests: which process made how many of them.
 *
 * @module
 */

/** What a process asked for between the marks. */
export interface Requests {
  readonly all: number;
  readonly byName: ReadonlyMap<string, number>;
}

const REQUEST = /^([0-9a-f]{4}): (\w+)\( /;
const REPLY = /^([0-9a-f]{4}): (\w+)\(\) = 0 (.*)$/;

/** Counts while lines come in. */
export class TraceReader {
  /** The process of each thread, by their numbers. */
  readonly #processes = new Map<string, number>();
  readonly #counts = new Map<number, Map<string, number>>();
  #counting = false;

  /** Takes the next line. */
  line(text: string): void {
    const [, thread, name] = REQUEST.exec(text) ?? [];
    if (thread !== undefined && name !== undefined) return this.#request(thread, name, text);
    const [, asker, call, result] = REPLY.exec(text) ?? [];
    if (asker !== undefined && result !== undefined) this.#reply(asker, call ?? "", result);
  }

  /** What a process asked for. */
  of(processId: number): Requests {
    const byName = this.#counts.get(processId) ?? new Map<string, number>();
    return { all: byName.values().reduce((sum, count) => sum + count, 0), byName };
  }

  /** How often one process has made a request: the one that has made it most. */
  most(name: string): number {
    return Math.max(0, ...this.#counts.values().map((counts) => counts.get(name) ?? 0));
  }

  #request(thread: string, name: string, text: string): void {
    if (name === "create_event") {
      if (text.includes("bench-begin")) this.#counting = true;
      if (text.includes("bench-end")) this.#counting = false;
    }
    const process = this.#processes.get(thread);
    if (!this.#counting || process === undefined) return;
    const counts = this.#counts.get(process) ?? new Map<string, number>();
    counts.set(name, (counts.get(name) ?? 0) + 1);
    this.#counts.set(process, counts);
  }

  #reply(thread: string, name: string, result: string): void {
    const number = (field: string) => new RegExp(`\\b${field}=([0-9a-f]+)`).exec(result)?.[1];
    const process = number("pid");
    if (name === "init_first_thread" && process !== undefined) {
      this.#processes.set(thread, parseInt(process, 16));
    }
    const made = number("tid");
    const maker = this.#processes.get(thread);
    // A thread that is made for another process says itself whose it is, when it begins.
    if (name === "new_thread" && made !== undefined && maker !== undefined) {
      this.#processes.set(made.padStart(4, "0"), maker);
    }
  }
}
