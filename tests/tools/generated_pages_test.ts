/** What the documentation takes from the code is what the code has. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { exact } from "../../tools/generate/exact.ts";
import { labelOf, machine } from "../../tools/generate/machine.ts";
import { ADMISSION, EXCHANGES, INSTANCE } from "../../tools/generate/machines.ts";
import { pages, withPart } from "../../tools/generate/pages.ts";
import { picture } from "../../tools/generate/picture.ts";

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
  for (const each of [INSTANCE, ADMISSION, EXCHANGES]) {
    const table = exact(each);
    for (const event of each.events) assertStringIncludes(table, `\`${event}\``);
    for (const { name } of each.states) assertStringIncludes(table, `<code>${name}</code>`);
    assert(each.initial.every((state) => each.states.includes(state)));
  }
});

Deno.test("pages are as the code has it: otherwise run deno task generate", async () => {
  for (const { text, name, generated } of await pages()) assertEquals(text, generated, name);
});

Deno.test("a part of a page is replaced, and nothing else of it", () => {
  const page = "before\n<!-- x -->old<!-- /x -->\nafter\n";
  const replaced = "before\n<!-- x -->\n\nnew\n\n<!-- /x -->\nafter\n";
  assertEquals(withPart(page, "x", "new\n"), replaced);
  assertEquals(withPart(replaced, "x", "new"), replaced);
  assertThrows(() => withPart("no marks", "x", "new"), Error, "The page has no <!-- x -->");
});
