/**
 * `deno task generate`: writes what the documentation takes from the code. The state machines and an
 * exchange are drawn into `docs/states.md`, the tests that Wine cannot run listed in
 * `docs/stability.md`.
 *
 * @module
 */

import { pages } from "./generate/pages.ts";

for (const { file, generated } of await pages()) await Deno.writeTextFile(file, generated);
