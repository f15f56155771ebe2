/** The pictures of the machines are those of the code. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { exact } from "../../tools/diagrams/exact.ts";
import { labelOf, machine } from "../../tools/diagrams/machine.ts";
import { CONNECTIONS, EXCHANGES, INSTANCE } from "../../tools/diagrams/machines.ts";
import { formatted, PAGE, withParts } from "../../tools/diagrams/page.ts";
import { picture } from "../../tools/diagrams/picture.ts";

const OFF = { name: "off", locked: false };
const LOCKED = { name: "off", locked: true };
const ON = { name: "on" };
const BROKEN = { name: "broken" };

/** A lamp, which can no longer be switched on when it is about to be taken away. */
const LAMP = machine({
  STATES: [OFF, LOCKED, ON, BROKEN],
  EVENTS: ["switched", "lockTurned", "shot"],
  FINAL: BROKEN,
  initial: [OFF],
  transition(state, event, last) {
    if (event === "shot") return { state: BROKEN, commands: [] };
    if (event === "lockTurned" && state.name === "off") {
      return { state: state === OFF ? LOCKED : OFF, commands: ["click"] };
    }
    if (event !== "switched") return undefined;
    if (state === ON) return { state: OFF, commands: ["cool"] };
    return state === OFF && !last ? { state: ON, commands: ["heat", "shine"] } : undefined;
  },
});

Deno.test("a picture has an arrow between names, and none for what ends everything", () => {
  assertEquals(
    picture(LAMP),
    "```mermaid\nstateDiagram-v2\n  [*] --> off\n  off --> on: switched\n  on --> off: switched\n" +
      "  broken --> [*]\n```\n\nFrom every state, `shot` leads to `broken`.",
  );
});

Deno.test("a table has every step, with the details of states that have some", () => {
  const table = exact(LAMP);
  assertStringIncludes(table, "| - | `switched` | on | `heat`, `shine` |");
  assertStringIncludes(table, "| locked | `lockTurned` | off | `click` |");
  assertStringIncludes(
    table,
    "| event | next state | commands |\n| --- | --- | --- |\n| `switched`",
  );
  assertEquals(labelOf(LOCKED), "off (locked)");
});

Deno.test("every state and event of the machines is in a table", () => {
  for (const each of [INSTANCE, EXCHANGES, CONNECTIONS]) {
    const table = exact(each);
    for (const event of each.events) assertStringIncludes(table, `\`${event}\``);
    for (const { name } of each.states) assertStringIncludes(table, `<code>${name}</code>`);
    assert(each.initial.every((state) => each.states.includes(state)));
  }
});

Deno.test("docs/states.md is what the code gives: otherwise run deno task diagrams", async () => {
  const page = await Deno.readTextFile(PAGE);
  assertEquals(page, await formatted(withParts(page)));
  assertThrows(() => withParts("no marks"), Error, "The page has no <!-- ");
});
