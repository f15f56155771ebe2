/**
 * Other programs, run by the same Deno as the tests.
 *
 * @module
 */

import { within } from "./support.ts";

/** What became of a program. */
export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** Where a program finds itself. */
export interface ProgramOptions {
  env?: Record<string, string> | undefined;
  /** Whether it gets what {@linkcode Program.write} is given; otherwise its input is empty. */
  input?: boolean | undefined;
  /** How many milliseconds it may run. @default {30_000} */
  limit?: number | undefined;
}

/** What a program has printed so far. */
class Output {
  text = "";
  readonly #waiting: { holds: (text: string) => boolean; resolve: () => void }[] = [];
  /** Resolves when the program has closed it. */
  readonly closed: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.closed = this.#read(stream);
  }

  /** Resolves when something holds for what it has printed. */
  until(holds: (text: string) => boolean): Promise<void> {
    if (holds(this.text)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ holds, resolve }));
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.text += text;
      for (const { holds, resolve } of this.#waiting) if (holds(this.text)) resolve();
    }
  }
}

/** A program that runs. */
export class Program implements AsyncDisposable {
  /** What became of it, when it has ended. */
  readonly ended: Promise<Ran>;
  readonly #child: Deno.ChildProcess;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #unload = () => this.kill();
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> | undefined;
  readonly #stdout: Output;
  readonly #stderr: Output;

  constructor(args: string[], { env = {}, input = false, limit = 30_000 }: ProgramOptions = {}) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args,
      env: { NO_COLOR: "1", ...env },
      stdin: input ? "piped" : "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdout = new Output(this.#child.stdout);
    this.#stderr = new Output(this.#child.stderr);
    if (input) this.#stdin = this.#child.stdin.getWriter();
    addEventListener("unload", this.#unload);
    this.#timer = setTimeout(this.#unload, limit);
    this.ended = this.#run();
  }

  /** The process id. */
  get processId(): number {
    return this.#child.pid;
  }

  /** Resolves with so many lines that it has printed, when there are so many. */
  async lines(count: number): Promise<string[]> {
    await this.#wrote(this.#stdout, (text) => text.split("\n").length > count, `${count} lines`);
    return this.#stdout.text.split(/\r?\n/).slice(0, count);
  }

  /** Writes to its input. */
  async write(text: string): Promise<void> {
    await this.#stdin?.write(new TextEncoder().encode(text));
  }

  /** Ends its input. */
  async closeInput(): Promise<void> {
    await this.#stdin?.close();
  }

  /** Resolves when it has printed this. */
  printed(text: string): Promise<void> {
    return this.#wrote(this.#stdout, (printed) => printed.includes(text), `"${text}"`);
  }

  /** Resolves when it has complained about this. */
  complained(text: string): Promise<void> {
    return this.#wrote(this.#stderr, (printed) => printed.includes(text), `"${text}"`);
  }

  async #wrote(
    output: Output,
    holds: (text: string) => boolean,
    what: string,
  ): Promise<void> {
    const early = this.ended.then(({ code, stderr }) => {
      throw new Error(`The program ended with ${code} before it printed ${what}: ${stderr}`);
    });
    await within(what, Promise.race([output.until(holds), early]), 30_000);
  }

  /** TerminateProcess. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }

  /** Kills it, if it has not ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.ended;
  }

  async #run(): Promise<Ran> {
    const [status] = await Promise.all([
      this.#child.status,
      this.#stdout.closed,
      this.#stderr.closed,
    ]);
    // Its input may be closed already.
    await this.#stdin?.abort().catch(() => {});
    clearTimeout(this.#timer);
    removeEventListener("unload", this.#unload);
    return { code: status.code, stdout: this.#stdout.text, stderr: this.#stderr.text };
  }
}

/** Runs a program to its end. */
export function run(args: string[], options?: ProgramOptions): Promise<Ran> {
  return new Program(args, options).ended;
}

/** The arguments for a program of the tests: no settings, no downloads, these permissions. */
export function testProgram(name: string, ...permissions: string[]): string[] {
  const file = new URL(`programs/${name}.ts`, import.meta.url).href;
  return ["run", "--quiet", "--no-config", "--no-lock", "--cached-only", ...permissions, file];
}
