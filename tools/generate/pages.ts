/**
 * The pages that are partly generated: what is between their marks is taken from the code.
 *
 * @module
 */

import skipped from "../../tests/windows/skipped_under_wine.json" with { type: "json" };
import { exact } from "./exact.ts";
import { ADMISSION, EXCHANGES, INSTANCE } from "./machines.ts";
import { picture } from "./picture.ts";
import { sequence } from "./sequence.ts";

/** The tests that Wine cannot run, and why. */
function skippedTests(): string {
  const rows = Object.entries(skipped).map(([test, why]) => `| ${test} | ${why} |`);
  return ["| test | why Wine cannot show it |", "| --- | --- |", ...rows].join("\n");
}

/** The parts of each page, by the names in their marks. */
const PAGES: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  "docs/states.md": {
    "picture of the instance": () => picture(INSTANCE),
    "table of the instance": () => exact(INSTANCE),
    "picture of exchanges": () => picture(EXCHANGES),
    "table of exchanges": () => exact(EXCHANGES),
    "picture of admission": () => picture(ADMISSION),
    "table of admission": () => exact(ADMISSION),
    "an exchange": sequence,
  },
  "docs/stability.md": { "skipped tests": skippedTests },
};

/** A page, as it is and as it should be. */
export interface Page {
  readonly file: URL;
  readonly name: string;
  readonly text: string;
  readonly generated: string;
}

/** Replaces what is between the marks of a part. */
export function withPart(page: string, name: string, part: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`The page has no ${begin} with its end`);
  return `${page.slice(0, from)}${begin}\n\n${part.trim()}\n\n${page.slice(to)}`;
}

/** Generates all pages. */
export async function pages(): Promise<Page[]> {
  return await Promise.all(
    Object.entries(PAGES).map(async ([name, parts]) => {
      const file = new URL(`../../${name}`, import.meta.url);
      const text = await Deno.readTextFile(file);
      const generated = Object.entries(parts)
        .reduce((page, [name, part]) => withPart(page, name, part()), text);
      return { file, name, text, generated: await formatted(generated) };
    }),
  );
}

/** Formats a page as `deno fmt` does. */
async function formatted(page: string): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "--ext=md", "--line-width=100", "--no-config", "-"],
    stdin: "piped",
    stdout: "piped",
  });
  await using child = command.spawn();
  const writer = child.stdin.getWriter();
  const [, { stdout, success }] = await Promise.all([
    writer.write(new TextEncoder().encode(page)).then(() => writer.close()),
    child.output(),
  ]);
  if (!success) throw new Error("Cannot format the page: deno fmt failed");
  return new TextDecoder().decode(stdout);
}
