/**
 * The pages of the documentation: their links, their headings, and the programs in them.
 *
 * @module
 */

/** The repository. */
export const ROOT = new URL("../../", import.meta.url);

/** A program in a page. */
export interface Snippet {
  /** The first word after the fence. */
  readonly language: string;
  readonly text: string;
}

/** Lines of prose, with code blanked out, and the code blocks. */
interface Parts {
  readonly prose: string;
  readonly snippets: readonly Snippet[];
}

/** A page in Markdown. */
export class Page {
  /** Its path in the repository. */
  readonly path: string;
  readonly #parts: Parts;

  constructor(path: string, text: string) {
    this.path = path;
    this.#parts = partsOf(text);
  }

  /** The targets of its links, in the order of the page. */
  get links(): string[] {
    const prose = this.#parts.prose.replaceAll(/`[^`\n]*`/g, "");
    return [...prose.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$/gm)]
      .map(([, inline, defined = ""]) => inline ?? defined);
  }

  /** The anchors of its headings, as GitHub makes them. */
  get anchors(): Set<string> {
    const anchors = new Set<string>();
    for (const [, heading = ""] of this.#parts.prose.matchAll(/^#+ (.+)$/gm)) {
      const anchor = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
      let unique = anchor;
      for (let i = 1; anchors.has(unique); i++) unique = `${anchor}-${i}`;
      anchors.add(unique);
    }
    return anchors;
  }

  /** The rows of its tables, each as its cells. */
  get rows(): string[][] {
    return [...this.#parts.prose.matchAll(/^\|(.+)\|$/gm)]
      .map(([, row = ""]) => row.split("|").map((cell) => cell.trim()));
  }

  /**
   * The one program in a language that contains these words.
   *
   * @throws {Error} If there is none, or several.
   */
  snippet(language: string, words: string): string {
    const [found, ...others] = this.#parts.snippets
      .filter((snippet) => snippet.language === language && snippet.text.includes(words));
    if (found === undefined || others.length > 0) {
      const count = found === undefined ? 0 : 1 + others.length;
      throw new Error(`${this.path} has ${count} programs in ${language} with "${words}"`);
    }
    return found.text;
  }
}

/** Reads a page. */
export async function readPage(path: string): Promise<Page> {
  return new Page(path, await Deno.readTextFile(new URL(path, ROOT)));
}

/** All pages: those in `docs/`, and those beside it. */
export async function readPages(): Promise<Page[]> {
  const paths = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/RESULTS.md"];
  for await (const { name } of Deno.readDir(new URL("docs/", ROOT))) {
    if (name.endsWith(".md")) paths.push(`docs/${name}`);
  }
  return await Promise.all(paths.sort().map(readPage));
}

function partsOf(text: string): Parts {
  const snippets: Snippet[] = [];
  const prose = text.replaceAll("\r\n", "\n").replaceAll(
    /^( *)```(\w*).*\n([^]*?)^\1```$/gm,
    (_, indent: string, language: string, code: string) => {
      const lines = code.split("\n").map((line) => line.slice(indent.length));
      snippets.push({ language, text: lines.join("\n") });
      return "";
    },
  );
  return { prose, snippets };
}
