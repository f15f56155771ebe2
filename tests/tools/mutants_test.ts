import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { campaign } from "../../tools/mutants/campaign.ts";
import { FAULTS } from "../../tools/mutants/faults.ts";
import { type Mutant, mutate, Unusable } from "../../tools/mutants/mutant.ts";

const HERE = new URL("../../", import.meta.url);

const SOUND: Mutant = {
  name: "nothing is wrong",
  file: "src/server/budget.ts",
  text: "#held = 0;",
  replacement: "#held = 1 - 1;",
};

/** Tries some with two histories. What is told of each comes in the order in which they end. */
async function attempt(...mutants: Mutant[]): Promise<{ well: boolean; lines: string[] }> {
  const lines: string[] = [];
  const well = await campaign({
    mutants,
    span: { from: 1, seeds: 2 },
    say: (line) => lines.push(line),
  });
  return { well, lines };
}

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

Deno.test("a fault whose text does not occur exactly once is refused", () => {
  const fault = { ...SOUND, text: "one" };
  assertThrows(() => mutate("none", { ...fault, text: "two" }), Unusable, "occurs 0 times");
  assertThrows(() => mutate("one one", fault), Unusable, "occurs 2 times");
  assertThrows(() => mutate("one", { ...fault, text: "" }), Unusable, "occurs 0 times");
  assertThrows(() => mutate("one", { ...fault, replacement: "one" }), Unusable, "changes nothing");
  assertEquals(mutate("no one", { ...fault, replacement: "$& $1" }), "no $& $1");
});

Deno.test("a fault that is none survives, and that is told", async () => {
  const { well, lines } = await attempt(SOUND);
  assertEquals(well, false);
  assertEquals(lines[0], "the module as it is: survived the seeds 1 to 2");
  assertMatch(
    lines[1] ?? "",
    /^src\/server\/budget\.ts: nothing is wrong: survived the seeds 1 to 2 \(/,
  );
  assertEquals(lines.slice(2), ["not caught: nothing is wrong", "0 of 1 planted faults caught"]);
});

Deno.test("a fault that breaks an invariant is caught, in whatever way it shows", async () => {
  const fault = { file: "src/loop/wait_loop.ts", text: "this.kernel.release(slot);" };
  const { well, lines } = await attempt(
    { ...fault, name: "a leak", replacement: "" },
    { ...fault, name: "an exit", replacement: "Deno.exit(3);" },
  );
  const told = lines.join("\n");
  assertMatch(told, /: a leak: caught at .*, a violation: I8/);
  assertMatch(told, /: an exit: caught at .*, a crash: exit code 3/);
  assertEquals([well, lines.at(-1)], [true, "2 of 2 planted faults caught"]);
});

Deno.test("a fault that names its tests is caught if one of them fails, and only then", async () => {
  const tests = ["tests/budget_test.ts"];
  const sound = await attempt({ ...SOUND, tests });
  assertEquals(sound.lines.slice(0, 1), ["the module as it is: survived tests/budget_test.ts"]);
  assertMatch(sound.lines[1] ?? "", /: nothing is wrong: survived tests\/budget_test\.ts \(/);
  assertEquals(sound.well, false);
  const { well, lines } = await attempt({ ...SOUND, replacement: "#held = 1;", tests });
  assertMatch(lines[1] ?? "", /: caught at .+, a failure: the test fails \(/);
  assertEquals([well, lines.at(-1)], [true, "1 of 1 planted faults caught"]);
});

Deno.test("a fault that is no program, or does not fit, is not caught", async () => {
  const { well, lines } = await attempt(
    { ...SOUND, name: "no type", replacement: '#held: number = "zero";' },
    { ...SOUND, name: "no syntax", replacement: "#held = ;" },
    { ...SOUND, name: "no place", text: "nowhere to be found" },
  );
  const told = lines.join("\n");
  assertMatch(told, /: no type: CAN NOT BE TRIED: TS2322/);
  assertMatch(told, /: no syntax: CAN NOT BE TRIED: /);
  assertMatch(told, /: no place: CAN NOT BE TRIED: its text occurs 0 times/);
  assertEquals([well, lines.at(-1)], [false, "0 of 3 planted faults caught"]);
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
