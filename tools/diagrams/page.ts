/**
 * The page with the pictures: what is between its marks is generated.
 *
 * @module
 */

import { exact } from "./exact.ts";
import { CONNECTIONS, EXCHANGES, INSTANCE } from "./machines.ts";
import { picture } from "./picture.ts";
import { sequence } from "./sequence.ts";

/** The page. */
export const PAGE = new URL("../../docs/states.md", import.meta.url);

/** The parts, by the names in the marks. */
const PARTS: Readonly<Record<string, () => string>> = {
  "picture of the instance": () => picture(INSTANCE),
  "table of the instance": () => exact(INSTANCE),
  "picture of exchanges": () => picture(EXCHANGES),
  "table of exchanges": () => exact(EXCHANGES),
  "picture of connections": () => picture(CONNECTIONS),
  "table of connections": () => exact(CONNECTIONS),
  "an exchange": sequence,
};

/** Replaces each part of a page. */
export function withParts(page: string): string {
  let text = page;
  for (const [name, part] of Object.entries(PARTS)) {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from === -1 || to < from) throw new Error(`The page has no ${begin} with its end`);
    text = `${text.slice(0, from)}${begin}\n\n${part().trim()}\n\n${text.slice(to)}`;
  }
  return text;
}

/** Formats a page as `deno fmt` does. */
export async function formatted(page: string): Promise<string> {
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
