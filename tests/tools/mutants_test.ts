import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { campaign } from "../../tools/mutants/campaign.ts";
import { FAULTS } from "../../tools/mutants/faults.ts";
import { type Mutant, mutate, Unusable } from "../../tools/mutants/mutant.ts";
import { findUnusable } from "../../tools/mutants/types.ts";

const HERE = new URL("../../", import.meta.url);

const SOUND: Mutant = {
  name: "nothing is wrong",
  file: "src/server/budget.ts",
  text: "#held = 0;",
  replacement: "#held = 1 - 1;",
};

const LEAK = { file: "src/loop/wait_loop.ts", text: "this.kernel.release(slot);" };
const TESTS = { tests: ["tests/budget_test.ts"] };

/** Tries faults with two histories, or with the tests that they name. */
async function attempt(mutants: Mutant[]): Promise<{ well: boolean; lines: string[] }> {
  const lines: string[] = [];
  const well = await campaign({
    mutants,
    span: { from: 1, seeds: 2 },
    say: (line) => lines.push(line),
  });
  return { well, lines };
}

/** What is told of all these faults. */
const told = await attempt([
  SOUND,
  { ...SOUND, ...TESTS, name: "its tests find nothing" },
  { ...SOUND, ...TESTS, name: "its tests fail", replacement: "#held = 1;" },
  { ...LEAK, name: "a leak", replacement: "" },
  { ...LEAK, name: "an exit", replacement: "Deno.exit(3);" },
  { ...SOUND, name: "no type", replacement: '#held: number = "zero";' },
  { ...SOUND, name: "no syntax", replacement: "#held = ;" },
  { ...SOUND, name: "no place", text: "nowhere to be found" },
]);

Deno.test("each fault fits its file, has a name of its own, and there are enough", async () => {
  const names = new Set<string>();
  for (const fault of FAULTS) {
    const source = await Deno.readTextFile(new URL(fault.file, HERE));
    assert(mutate(source, fault) !== source, fault.name);
    for (const test of fault.tests ?? []) assert((await Deno.stat(new URL(test, HERE))).isFile);
    names.add(fault.name);
  }
  assertEquals(names.size, FAULTS.length);
  assert(names.size >= 150);
});

Deno.test("each fault is a program that the compiler accepts", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const unusable = await findUnusable(folder, FAULTS);
    assertEquals([...unusable].map(([{ name }, why]) => `${name}: ${why}`), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a fault whose text does not occur exactly once is refused", () => {
  const fault = { ...SOUND, text: "one" };
  assertThrows(() => mutate("none", { ...fault, text: "two" }), Unusable, "occurs 0 times");
  assertThrows(() => mutate("one one", fault), Unusable, "occurs 2 times");
  assertThrows(() => mutate("one", { ...fault, text: "" }), Unusable, "occurs 0 times");
  assertThrows(() => mutate("one", { ...fault, replacement: "one" }), Unusable, "changes nothing");
  assertEquals(mutate("no one", { ...fault, replacement: "$& $1" }), "no $& $1");
});

Deno.test("without a fault nothing is caught, and a fault that is none survives", () => {
  const { well, lines } = told;
  assertEquals(well, false);
  assertEquals(lines.slice(0, 2), [
    "the module as it is: survived the seeds 1 to 2",
    "the module as it is: survived tests/budget_test.ts",
  ]);
  const all = lines.join("\n");
  assertMatch(all, /^src\/server\/budget\.ts: nothing is wrong: survived the seeds 1 to 2 \(/m);
  assertMatch(all, /: its tests find nothing: survived tests\/budget_test\.ts \(/);
});

Deno.test("a fault that breaks an invariant, or fails its tests, is caught", () => {
  const all = told.lines.join("\n");
  assertMatch(all, /: a leak: caught at .*, a violation: I8/);
  assertMatch(all, /: an exit: caught at .*, a crash: exit code 3/);
  assertMatch(all, /: its tests fail: caught at .+, a failure: the test fails \(/);
});

Deno.test("a fault that is no program, or does not fit, is not caught", () => {
  const { lines } = told;
  const all = lines.join("\n");
  assertMatch(all, /: no type: CAN NOT BE TRIED: TS2322/);
  assertMatch(all, /: no syntax: CAN NOT BE TRIED: /);
  assertMatch(all, /: no place: CAN NOT BE TRIED: its text occurs 0 times/);
  assertEquals(lines.at(-1), "3 of 8 planted faults caught");
  assertEquals(lines.filter((line) => line.startsWith("not caught: ")).toSorted(), [
    "not caught: its tests find nothing",
    "not caught: no place",
    "not caught: no syntax",
    "not caught: no type",
    "not caught: nothing is wrong",
  ]);
});

Deno.test("the task fails when a fault is not caught, and when it is asked for none", async () => {
  const run = async (...args: string[]) => {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", fileURLToPath(new URL("tools/mutants.ts", HERE)), ...args],
      env: { NO_COLOR: "1" },
    }).output();
    return { code, last: new TextDecoder().decode(stdout).trim().split("\n").at(-1) };
  };
  assertEquals((await run("--only", "no such words")).code, 2);
  assertEquals((await run("--seeds", "0")).code, 2);
  // Too few histories for a rare case.
  const rare = ["--only", "what a client wrote that came and left", "--seeds", "1"];
  assertEquals(await run(...rare), { code: 1, last: "0 of 1 planted faults caught" });
});
