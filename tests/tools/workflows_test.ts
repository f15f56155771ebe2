/** The workflows run nothing that somebody else can change afterwards. */

import { assertEquals, assertGreater } from "@std/assert";

const FOLDER = new URL("../../.github/workflows/", import.meta.url);

const workflows = new Map<string, string>();
for await (const { name } of Deno.readDir(FOLDER)) {
  workflows.set(name, await Deno.readTextFile(new URL(name, FOLDER)));
}

Deno.test("actions are named by their commit, with the version in a comment", () => {
  for (const [name, text] of workflows) {
    const used = [...text.matchAll(/\buses: *(.*)/g)].map(([, action = ""]) => action);
    assertGreater(used.length, 0, name);
    const unpinned = used.filter((action) =>
      !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action)
    );
    assertEquals(unpinned, [], name);
  }
});

Deno.test("Deno has one version in all workflows", () => {
  const versions = [...workflows.values()].flatMap((text) =>
    [...text.matchAll(/\bdeno@(\S+)/g)].map(([, version]) => version)
  );
  assertEquals(new Set(versions).size, 1, `${versions}`);
});

Deno.test("only the job that publishes can prove to JSR who it is", () => {
  const tokens = [...workflows].map((
    [name, text],
  ) => [name, text.split("id-token: write").length - 1]);
  assertEquals(Object.fromEntries(tokens), { "ci.yml": 0, "publish.yml": 1 });
  assertEquals([...workflows.values()].filter((text) => text.includes("secrets.")), []);
});
