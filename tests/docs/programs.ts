/**
 * Programs of the documentation, made into one that can be run.
 *
 * @module
 */

import { readPage, ROOT } from "./page.ts";

/** Where a program names a pipe. */
const NAMED = /(\bpath: |\b(?:call|notify)\()"([\w.-]+)"/g;
/** What a line that prints says about it. */
const PRINTS = /console\.log\(.*\); \/\/ (.+)$/gm;

/** A program: the page in `docs/` that it is on, and some of its words. */
export type Program = readonly [page: string, words: string];

/** The text of a program. */
async function textOf([page, words]: Program): Promise<string> {
  return (await readPage(`docs/${page}.md`)).snippet("ts", words);
}

/** Programs that run together, in a folder of their own, with their own pipes. */
export class Play implements AsyncDisposable {
  /** What they print, by their comments. */
  readonly prints: readonly string[];
  readonly #names = new Map<string, string>();
  readonly #folder = Deno.makeTempDirSync();

  /**
   * Prepares programs.
   *
   * @param programs The last is waited for; all others are servers, which then end.
   */
  static async of(...programs: Program[]): Promise<Play> {
    return new Play(await Promise.all(programs.map(textOf)));
  }

  private constructor(programs: readonly string[]) {
    const texts = programs.map((text) => this.#rename(text));
    this.prints = texts.flatMap((text) => [...text.matchAll(PRINTS)])
      .flatMap(([, comment = ""]) => comment.split(", then "))
      .map((line) => this.#renamed(line));
    const imports = {
      "@overlapped/named-pipe": new URL("mod.ts", ROOT).href,
      "@overlapped/named-pipe/http": new URL("src/http/mod.ts", ROOT).href,
      "@overlapped/named-pipe/node": new URL("src/node/mod.ts", ROOT).href,
    };
    this.#write("deno.json", JSON.stringify({ imports }));
    for (const [i, text] of texts.entries()) this.#write(`${i}.ts`, text);
    const last = texts.length - 1;
    const servers = texts.slice(1).map((_, i) => `import("./${i}.ts");\n`).join("");
    // A server that is alone ends when it likes.
    const end = last === 0 ? "" : "Deno.exit();\n";
    this.#write("main.ts", `${servers}await import("./${last}.ts");\n${end}`);
  }

  /** The arguments of `deno` that run them. */
  get args(): string[] {
    const config = ["--config", `${this.#folder}/deno.json`, "--no-lock", "--cached-only"];
    return ["run", "--quiet", "--no-prompt", ...config, "--allow-ffi", `${this.#folder}/main.ts`];
  }

  /** The name that a pipe of the page has here. */
  nameOf(name: string): string {
    const own = this.#names.get(name) ?? `test-${crypto.randomUUID()}`;
    this.#names.set(name, own);
    return own;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }

  #rename(text: string): string {
    return text.replaceAll(NAMED, (_, before, name) => `${before}"${this.nameOf(name)}"`);
  }

  #renamed(line: string): string {
    return line.replace(
      /(\\\\\.\\pipe\\)([\w.-]+)/,
      (_, prefix, name) => prefix + this.nameOf(name),
    );
  }

  #write(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.#folder}/${name}`, text);
  }
}
