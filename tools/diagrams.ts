/**
 * `deno task diagrams`: draws the state machines and an exchange into `docs/states.md`, from the
 * tables of the code.
 *
 * @module
 */

import { formatted, PAGE, withParts } from "./diagrams/page.ts";

await Deno.writeTextFile(PAGE, await formatted(withParts(await Deno.readTextFile(PAGE))));
