/** The layers: who may import whom, and what else keeps them apart. */

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import * as module from "../mod.ts";

/**
 * The files and folders of the module, from the bottom up: each imports from its own row and from
 * the rows above it.
 */
const LAYERS = `
src/kernel.ts src/scheduling.ts
ffi/
src/errors.ts src/access.ts src/instance.ts src/backoff.ts src/remove.ts src/deadlines.ts
src/options.ts src/hooks.ts src/message.ts src/budget.ts src/account_names.ts
src/wait_loop.ts src/isolate.ts
src/message_reader.ts src/exchange.ts
src/driver.ts src/server.ts
src/exchanges.ts src/serve.ts
src/pipe/ src/client.ts
mod.ts
`.trim().split("\n").map((row) => row.split(" "));

/** All that leads from one top-level folder into another, or out of the module. */
const CROSSINGS = [
  "ffi/ -> src/kernel.ts",
  "ffi/ -> src/scheduling.ts",
  "mod.ts -> src/",
  "src/isolate.ts -> ffi/",
  "src/scheduling.ts -> node:timers",
];

const ROOT = new URL("../", import.meta.url);
const MODULE = new URL("mod.ts", ROOT);

interface ModuleGraph {
  modules: {
    specifier: string;
    dependencies?: { specifier: string; code?: Target; type?: Target }[];
  }[];
}

interface Target {
  specifier?: string;
}

function pathOf(specifier: string): string {
  return specifier.startsWith(ROOT.href) ? specifier.slice(ROOT.href.length) : specifier;
}

/** What each file imports, types and dynamic imports included, as Deno finds it. */
async function readImports(): Promise<Map<string, string[]>> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", MODULE.href],
    stdin: "null",
    stderr: "null",
  }).output();
  assert(success);
  const { modules }: ModuleGraph = JSON.parse(new TextDecoder().decode(stdout));
  const imports = new Map<string, string[]>();
  for (const { specifier, dependencies = [] } of modules) {
    if (!specifier.startsWith(ROOT.href)) continue;
    const targets = dependencies.map(({ specifier, code, type }) =>
      pathOf(code?.specifier ?? type?.specifier ?? specifier)
    );
    imports.set(pathOf(specifier), targets);
  }
  return imports;
}

function* filesIn(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (isDirectory) yield* filesIn(`${folder}${name}/`);
    else yield `${folder}${name}`;
  }
}

const imports = await readImports();

/** The sources without their comments. */
const sources = new Map<string, string>();
for (const file of ["mod.ts", ...filesIn("src/"), ...filesIn("ffi/")]) {
  const source = await Deno.readTextFile(new URL(file, ROOT));
  sources.set(file, source.replaceAll(/\/\*[\s\S]*?\*\/|^ *\/\/.*$/gm, ""));
}

function isPartOf(file: string, part: string): boolean {
  return part.endsWith("/") ? file.startsWith(part) : file === part;
}

function layerOf(file: string): number {
  return LAYERS.findIndex((row) => row.some((part) => isPartOf(file, part)));
}

/** The files whose source has something, and what it has. */
function found(pattern: RegExp): string[] {
  return [...sources].flatMap(([file, source]) =>
    [...source.matchAll(pattern)].map(([match]) => `${file}: ${match}`)
  );
}

Deno.test("every file has a layer, and is reached from mod.ts", () => {
  assertEquals([...sources.keys()].toSorted(), [...imports.keys()].toSorted());
  assertEquals([...sources.keys()].filter((file) => layerOf(file) === -1), []);
  const files = [...sources.keys()];
  const unused = LAYERS.flat().filter((part) => !files.some((file) => isPartOf(file, part)));
  assertEquals(unused, []);
});

Deno.test("no file imports from a layer above its own", () => {
  const wrong = [...imports].flatMap(([from, targets]) =>
    targets.filter((to) => layerOf(to) > layerOf(from)).map((to) => `${from} -> ${to}`)
  );
  assertEquals(wrong, []);
});

Deno.test("no file imports itself, by whatever way", () => {
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]) => {
    assert(!way.includes(file), [...way, file].join(" -> "));
    if (done.has(file)) return;
    for (const target of imports.get(file) ?? []) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
});

Deno.test("only src/isolate.ts reaches the FFI, which knows of src only the seam", () => {
  const folderOf = (file: string) => /^(?:src|ffi)\//.exec(file)?.[0] ?? file;
  const crossings = new Set<string>();
  for (const [from, targets] of imports) {
    for (const to of targets) {
      if (folderOf(from) === folderOf(to)) continue;
      const source = folderOf(from) === "src/" ? from : folderOf(from);
      const target = folderOf(from) === "ffi/" ? to : folderOf(to);
      crossings.add(`${source} -> ${target}`);
    }
  }
  assertEquals([...crossings].toSorted(), CROSSINGS);
});

Deno.test("mod.ts has named exports, and no code", () => {
  const rest = sources.get("mod.ts")
    ?.replaceAll(/export (?:type )?\{[\w\s,]+\} from "[^"]+";/g, "").trim();
  assertEquals(rest, "");
});

Deno.test("src uses nothing of Deno that reaches the system, and the FFI only dlopen and its permission", () => {
  const uses = found(/(?<!["'.\w])Deno\b(?!\.(?:errors|build)\b)(?:\.\w+)?/g);
  assertEquals([...new Set(uses)].toSorted(), [
    "ffi/advapi32.ts: Deno.DynamicLibrary",
    "ffi/advapi32.ts: Deno.ForeignLibraryInterface",
    "ffi/kernel32.ts: Deno.DynamicLibrary",
    "ffi/kernel32.ts: Deno.ForeignLibraryInterface",
    "ffi/library.ts: Deno.DynamicLibrary",
    "ffi/library.ts: Deno.ForeignLibraryInterface",
    "ffi/library.ts: Deno.dlopen",
    "ffi/library.ts: Deno.permissions",
  ]);
});

Deno.test("the isolate's loop is the only variable of a module, the console has one place", () => {
  assertEquals(found(/^(?:export )?(?:let|var)\b.*?(?=[ :;=])/gm), ["src/isolate.ts: let"]);
  assertEquals(found(/(?<!["'.\w])console\.\w+/g), ["src/hooks.ts: console.error"]);
  assertEquals(found(/(?<!["'.\w])(?:globalThis|self)\b(?:\.\w+)?/g), [
    "ffi/windows_kernel.ts: globalThis.addEventListener",
    "ffi/windows_kernel.ts: globalThis.removeEventListener",
  ]);
});

Deno.test("importing the module needs no permission, and so opens no library", async () => {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-config", "--no-check", "--quiet", fileURLToPath(MODULE)],
  }).output();
  const decoder = new TextDecoder();
  assertEquals([decoder.decode(stdout), decoder.decode(stderr)], ["", ""]);
  assertEquals(
    Object.keys(module).toSorted().join(" "),
    "WindowsError call connect exchanges serve",
  );
});
