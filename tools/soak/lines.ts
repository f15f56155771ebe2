/**
 * Processes that are told and tell one JSON value a line.
 *
 * @module
 */

import { TextLineStream } from "./line_stream.ts";

/** Milliseconds that a process may take to answer, or to end. */
const LIMIT = 60_000;

const encoder = new TextEncoder();

/** The lines of a stream, parsed. */
export async function* values<T>(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<T> {
  const lines = stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) yield JSON.parse(line);
}

/** Tells the process that started this one. */
export function tell(value: unknown): void {
  const line = encoder.encode(JSON.stringify(value) + "\n");
  for (let sent = 0; sent < line.length;) sent += Deno.stdout.writeSync(line.subarray(sent));
}

/** A process of this tool: it is asked one thing at a time, and answers each. */
export class Child<Question, Answer> implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #answers: AsyncGenerator<Answer>;

  constructor(module: string, ...args: string[]) {
    const url = new URL(module, import.meta.url).href;
    const flags = [
      "--quiet",
      "--no-lock",
      "--cached-only",
      "--allow-ffi",
      // A young generation of one size: it would grow with use for minutes, as no leak does.
      "--v8-flags=--expose-gc,--min-semi-space-size=4,--max-semi-space-size=4",
    ];
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", ...flags, url, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#answers = values<Answer>(this.#child.stdout);
  }

  /**
   * Asks, and waits for the answer: at most a minute, then the process is killed, which is an end
   * of it as any other.
   */
  async ask(question: Question): Promise<Answer> {
    using _limit = this.#killLater();
    await this.#input.write(encoder.encode(JSON.stringify(question) + "\n"));
    const { done, value } = await this.#answers.next();
    if (done) throw new Error(`A process ended before it answered ${JSON.stringify(question)}`);
    return value;
  }

  /** The process ends when nobody asks any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    using _limit = this.#killLater();
    await this.#input.close().catch(() => {});
    await this.#answers.return(undefined);
    await this.#child.status;
  }

  #killLater(): Disposable {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), LIMIT);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }
}
