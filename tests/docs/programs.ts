/**
 * Programs of the documentation, made into one that can be run.
 *
 * @module
 */

import type { Page } from "./page.ts";
import { ROOT } from "./page.ts";

/** Where a program names a pipe. */
const NAMED = /(\bpath: |\b(?:call|notify)\()"([\w.-]+)"/g;
/** What a line that prints says about it. */
const PRINTS = /console\.log\(.*\); \/\/ (.+)$/gm;

/** Programs of a page that run together, in a folder of their own, with their own pipes. */
export class Play implements AsyncDisposable {
  /** What they print, by their comments. */
  readonly prints: readonly string[];
  readonly #names = new Map<string, string>();
  readonly #folder = Deno.makeTempDirSync();

  /**
   * @param page The page.
   * @param words Some words of each program. The last is waited for; all others are servers.
   */
  constructor(page: Page, words: readonly string[]) {
    const texts = words.map((word) => this.#rename(page.snippet("ts", word)));
    this.prints = texts.flatMap((text) => [...text.matchAll(PRINTS)])
      .flatMap(([, comment = ""]) => comment.split(", then "))
      .map((line) => this.#renamed(line));
    const imports = {
      "@overlapped/named-pipe": new URL("mod.ts", ROOT).href,
      "@overlapped/named-pipe/node": new URL("src/node/mod.ts", ROOT).href,
    };
    this.#write("deno.json", JSON.stringify({ imports }));
    for (const [i, text] of texts.entries()) this.#write(`${i}.ts`, text);
    const servers = texts.slice(1).map((_, i) => `import("./${i}.ts");\n`).join("");
    this.#write("main.ts", `${servers}await import("./${texts.length - 1}.ts");\nDeno.exit();\n`);
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
