/** Wine's prefix, its drive C: and registry. Each run works on a copy of a template made once. */

import { makeOnce } from "./cache.ts";
import { exists, SetupError } from "./host.ts";
import { withProgress } from "./progress.ts";
import type { Run } from "./run_folder.ts";
import { session, type Wine } from "./session.ts";

/** The number changes with the recipe. Wine refuses a prefix of another user. */
export function prefixName(wine: { id: string }, uid: number | null): string {
  return `prefix-1-${wine.id}-${uid}`;
}

/** The name of the template in the cache. */
export async function prefix(cache: string, run: Run, wine: Wine): Promise<string> {
  const name = prefixName(wine, Deno.uid());
  await makeOnce(cache, name, (part) => makePrefix(part, cache, run, wine));
  return name;
}

async function makePrefix(part: string, cache: string, run: Run, wine: Wine): Promise<void> {
  await Deno.mkdir(part);
  // The registry is written when the server ends, and not at all if it is killed.
  const script = '"$1" wineboot -i && "$2" -k';
  using started = await session({
    cache,
    run,
    wine,
    prefix: { path: part },
    shown: [],
    // Folders of the user would be linked to from the prefix.
    variables: { HOME: part, WINEDEBUG: "-all" },
    program: ["/bin/sh", "-c", script, "sh", wine.path, wine.server],
    quiet: true,
  });
  const result = await withProgress("Making a prefix for Wine", () => started.child.output());
  if (!result.success || !await exists(`${part}/system.reg`)) {
    const text = new TextDecoder().decode(result.stderr).trim();
    throw new SetupError(`Cannot make a prefix with ${wine.path}:\n${text}`);
  }
  // Where Debian's Wine keeps the path of the server that made it.
  if (await exists(`${part}/wineserver`)) await Deno.remove(`${part}/wineserver`);
}
