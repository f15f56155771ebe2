/** What CONTRIBUTING.md and the README tell contributors is true: tasks, folders, a planted fault. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { FAULTS } from "../../tools/mutants/faults.ts";

const ROOT = new URL("../../", import.meta.url);
const contributing = await Deno.readTextFile(new URL("CONTRIBUTING.md", ROOT));
const readme = await Deno.readTextFile(new URL("README.md", ROOT));

Deno.test("the tasks that contributors are told of exist", () => {
  const named = [...`${contributing}${readme}`.matchAll(/\bdeno task ([a-z][a-z:-]*)/g)]
    .map(([, name = ""]) => name);
  assertGreater(named.length, 10);
  assertEquals(named.filter((name) => !Object.hasOwn(config.tasks, name)), []);
});

Deno.test("the table of folders has every folder of src/, and each exists", async () => {
  const listed = [...contributing.matchAll(/^\| `([\w/.]+)` +\|/gm)].map(([, path = ""]) => path);
  for (const path of listed) await Deno.stat(new URL(path, ROOT));
  for await (const { name } of Deno.readDir(new URL("src/", ROOT))) {
    assert(listed.includes(`src/${name}/`), `src/${name}/ is not in the table`);
  }
});

Deno.test("the files that contributors are told of exist", async () => {
  const named = [...contributing.matchAll(/`((?:tests|tools|src|docs|examples)\/[\w/.]+)`/g)]
    .map(([, path = ""]) => path);
  assertGreater(named.length, 10);
  for (const path of named) await Deno.stat(new URL(path, ROOT));
});

Deno.test("the planted fault that is shown is one of them", () => {
  const [, name] = /name: "(an empty [^"]+)"/.exec(contributing) ?? [];
  const [, text = ""] = /\btext: "(this[^"]+)"/.exec(contributing) ?? [];
  assertEquals(FAULTS.filter((fault) => fault.name === name).map((fault) => fault.text), [text]);
});

Deno.test("test:native runs all native tests, each once", () => {
  const { "test:covered": covered, "test:uncovered": uncovered } = config.tasks;
  const [, ignored = ""] = /--ignore=(\S+)/.exec(covered.command) ?? [];
  const others = uncovered.command.split(" ").filter((word) => word.startsWith("tests/"));
  assertEquals(
    ignored.split(",").toSorted(),
    ["tests/windows", "tests/browser", ...others].toSorted(),
  );
});
