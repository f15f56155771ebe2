/**
 * The dashboard in the Windows build, seen from outside.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** What `bench` has printed. */
export interface Load {
  readonly clients: number;
  readonly requests: number;
}

function file(name: string): string {
  return fileURLToPath(new URL(`../../${name}`, import.meta.url));
}

/** See the module. */
export class Dashboard implements AsyncDisposable {
  /** The address of the page. */
  readonly url: string;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    child: Deno.ChildProcess,
    lines: AsyncIterator<string>,
    url: string,
  ) {
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#lines = lines;
    this.url = url;
  }

  /** @param args The arguments of the example. */
  static async start(...args: readonly string[]): Promise<Dashboard> {
    const allowed = ["--allow-run", "--allow-read"];
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        file("tools/windows.ts"),
        "run",
        "--quiet",
        ...allowed,
        file("tests/browser/loaded_dashboard.ts"),
        ...args,
      ],
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = linesOf(child.stdout);
    while (true) {
      const { done, value = "" } = await lines.next();
      if (done) throw new Error("The dashboard does not start");
      const [, url] = /^see (\S+)/.exec(value) ?? [];
      if (url !== undefined) return new Dashboard(child, lines, url);
    }
  }

  /** So many clients ask for so many seconds, each again as soon as it is answered. */
  async load(clients: number, seconds: number): Promise<Load> {
    const args = `--clients ${clients} --seconds ${seconds}\n`;
    await this.#input.write(new TextEncoder().encode(args));
    const { value = "" } = await this.#lines.next();
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    while (!(await this.#lines.next()).done);
    await this.#child.status;
  }
}

async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, undefined, void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
