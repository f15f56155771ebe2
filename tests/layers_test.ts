/** The layers: who may import whom, and what else keeps them apart. */

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import * as module from "../mod.ts";
import * as cli from "../src/cli/mod.ts";
import * as http from "../src/http/mod.ts";
import * as node from "../src/node/mod.ts";
import * as testing from "../src/testing/mod.ts";

/**
 * The folders of the module, from the bottom up: each imports from itself and from the rows above.
 */
const LAYERS = `
src/kernel/
ffi/ src/options/
src/loop/
src/pipe/
src/server/ src/client/
src/exchange/ src/listen/
mod.ts src/node/ src/testing/
src/cli/ src/http/
`.trim().split("\n").map((row) => row.split(" "));

/** All that leads from one top-level folder into another, or out of the module. */
const CROSSINGS = [
  "ffi/ -> src/kernel/",
  "mod.ts -> src/",
  "src/cli/ -> node:buffer",
  "src/cli/ -> node:util",
  "src/http/ -> node:buffer",
  "src/http/ -> node:http",
  "src/http/ -> node:stream",
  "src/http/ -> node:timers",
  "src/kernel/ -> node:timers",
  "src/loop/ -> ffi/",
  "src/loop/ -> node:async_hooks",
  "src/node/ -> node:buffer",
  "src/node/ -> node:stream",
  "src/node/ -> node:timers",
  "src/testing/ -> node:async_hooks",
];

const ROOT = new URL("../", import.meta.url);
const MODULE = new URL("mod.ts", ROOT);

/** The entries of the module, by what they are in. */
const DOORS = {
  "./cli": "src/cli/",
  "./http": "src/http/",
  "./node": "src/node/",
  "./testing": "src/testing/",
} as const;

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

interface Imports {
  /** All of them, types and dynamic imports included, as Deno finds them. */
  readonly all: readonly string[];
  /** Those without which the file does not run. */
  readonly code: readonly string[];
}

async function readImports(entry: URL): Promise<Map<string, Imports>> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry.href],
    stdin: "null",
    stderr: "null",
  }).output();
  assert(success);
  const { modules }: ModuleGraph = JSON.parse(new TextDecoder().decode(stdout));
  const imports = new Map<string, Imports>();
  for (const { specifier, dependencies = [] } of modules) {
    if (!specifier.startsWith(ROOT.href)) continue;
    const all = dependencies.map(({ specifier, code, type }) =>
      pathOf(code?.specifier ?? type?.specifier ?? specifier)
    );
    const code = dependencies.filter(({ code }) => code !== undefined)
      .map(({ specifier, code }) => pathOf(code?.specifier ?? specifier));
    imports.set(pathOf(specifier), { all, code });
  }
  return imports;
}

function* filesIn(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (isDirectory) yield* filesIn(`${folder}${name}/`);
    else yield `${folder}${name}`;
  }
}

const fromMod = await readImports(MODULE);
const imports = new Map(fromMod);
for (const door of Object.values(DOORS)) {
  for (const [file, its] of await readImports(new URL(`${door}mod.ts`, ROOT))) {
    imports.set(file, its);
  }
}

/** The sources without their comments. */
const sources = new Map<string, string>();
for (const file of ["mod.ts", ...filesIn("src/"), ...filesIn("ffi/")]) {
  const source = await Deno.readTextFile(new URL(file, ROOT));
  sources.set(file, source.replaceAll(/\/\*[\s\S]*?\*\/|^ *\/\/.*$/gm, ""));
}

function isPartOf(file: string, part: string): boolean {
  return part.endsWith("/") ? file.startsWith(part) : file === part;
}

function partOf(file: string): string | undefined {
  return LAYERS.flat().find((part) => isPartOf(file, part));
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

Deno.test("every file has a layer, and is reached from an entry", () => {
  assertEquals([...sources.keys()].toSorted(), [...imports.keys()].toSorted());
  assertEquals([...sources.keys()].filter((file) => layerOf(file) === -1), []);
  const files = [...sources.keys()];
  const unused = LAYERS.flat().filter((part) => !files.some((file) => isPartOf(file, part)));
  assertEquals(unused, []);
});

Deno.test("deno.json names every entry, and mod.ts reaches none of the others", async () => {
  const { exports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const doors = Object.entries(DOORS).map(([name, folder]) => [name, `./${folder}mod.ts`]);
  assertEquals(exports, { ".": "./mod.ts", ...Object.fromEntries(doors) });
  for (const folder of Object.values(DOORS)) {
    assertEquals([...fromMod.keys()].filter((file) => isPartOf(file, folder)), []);
  }
});

Deno.test("src/node/ needs of the others only the types of a connection", () => {
  const others = [...imports].filter(([file]) => isPartOf(file, "src/node/"))
    .flatMap(([, { all, code }]) =>
      all.filter((to) => /^(?:src|ffi)\//.test(to) && !isPartOf(to, "src/node/")).map((to) =>
        code.includes(to) ? `${to} as code` : to
      )
    );
  assertEquals([...new Set(others)].toSorted(), ["src/pipe/peer.ts", "src/pipe/pipe_conn.ts"]);
});

Deno.test("no file imports from a layer above its own", () => {
  const wrong = [...imports].flatMap(([from, { all }]) =>
    all.filter((to) => partOf(to) !== partOf(from) && layerOf(to) >= layerOf(from)).map((to) =>
      `${from} -> ${to}`
    )
  );
  assertEquals(wrong, []);
});

Deno.test("no file needs itself to run, by whatever way", () => {
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]) => {
    assert(!way.includes(file), [...way, file].join(" -> "));
    if (done.has(file)) return;
    for (const target of imports.get(file)?.code ?? []) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
});

Deno.test("only the loop reaches the FFI, which knows of src only the seam", () => {
  const top = (file: string) => /^(?:src|ffi)\//.exec(file)?.[0] ?? file;
  const folder = (file: string) => /^(?:src\/\w+|ffi)\//.exec(file)?.[0] ?? file;
  const crossings = [...imports].flatMap(([from, { all }]) =>
    all.filter((to) => top(from) !== top(to))
      .map((to) => `${folder(from)} -> ${from === "mod.ts" ? top(to) : folder(to)}`)
  );
  assertEquals([...new Set(crossings)].toSorted(), CROSSINGS);
});

Deno.test("mod.ts has named exports, and no code", () => {
  const rest = sources.get("mod.ts")
    ?.replaceAll(/export (?:type )?\{[\w\s,]+\} from "[^"]+";/g, "").trim();
  assertEquals(rest, "");
});

Deno.test("src uses nothing of Deno that reaches the system, and the FFI only what it needs", () => {
  const uses = found(/(?<!["'.\w])Deno\b(?!\.(?:errors|build)\b)(?:\.\w+)?/g)
    // What a program uses for its input and output is in one file.
    .filter((use) => !use.startsWith("src/cli/terminal.ts: "));
  assertEquals([...new Set(uses)].toSorted(), [
    "ffi/advapi32.ts: Deno.DynamicLibrary",
    "ffi/advapi32.ts: Deno.ForeignLibraryInterface",
    "ffi/kernel32.ts: Deno.DynamicLibrary",
    "ffi/kernel32.ts: Deno.ForeignLibraryInterface",
    "ffi/library.ts: Deno.DynamicLibrary",
    "ffi/library.ts: Deno.ForeignLibraryInterface",
    "ffi/library.ts: Deno.dlopen",
    "ffi/library.ts: Deno.permissions",
    // Only with the whole permission.
    "ffi/native_memory.ts: Deno.UnsafePointer",
    "ffi/native_memory.ts: Deno.UnsafePointerView",
    // By its symbol `Deno.internal`, which has no type.
    "ffi/op_promises.ts: Deno",
    "ffi/pipe_directory.ts: Deno.DynamicLibrary",
    "ffi/pipe_directory.ts: Deno.ForeignLibraryInterface",
    "ffi/system.ts: Deno.ForeignLibraryInterface",
    "src/cli/mod.ts: Deno.args",
    "src/cli/mod.ts: Deno.exit",
    "src/http/supported.ts: Deno.version",
    "src/kernel/scheduling.ts: Deno.refTimer",
    "src/kernel/scheduling.ts: Deno.unrefTimer",
  ]);
});

Deno.test("the isolate's loop is the only variable of a module, the console has one place", () => {
  assertEquals(found(/^(?:export )?(?:let|var)\b.*?(?=[ :;=])/gm), ["src/loop/isolate.ts: let"]);
  assertEquals(found(/(?<!["'.\w])console\.\w+/g), ["src/server/user_code.ts: console.error"]);
  assertEquals(found(/(?<!["'.\w])(?:globalThis|self)\b(?!:)(?:\.\w+)?/g), [
    // What relative addresses are resolved against.
    "src/http/ask.ts: globalThis.location",
    // Where providers of telemetry are registered.
    "src/exchange/telemetry.ts: globalThis",
    "ffi/windows_kernel.ts: globalThis.addEventListener",
    "ffi/windows_kernel.ts: globalThis.removeEventListener",
  ]);
});

Deno.test("importing the module needs no permission, and so opens no library", async () => {
  const decoder = new TextDecoder();
  // The command line is no module to import: run so, it prints how it is used.
  const doors = [DOORS["./http"], DOORS["./node"], DOORS["./testing"]];
  for (const entry of ["mod.ts", ...doors.map((door) => `${door}mod.ts`)]) {
    const file = fileURLToPath(new URL(entry, ROOT));
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-config", "--no-check", "--quiet", file],
    }).output();
    assertEquals([decoder.decode(stdout), decoder.decode(stderr)], ["", ""]);
  }
  assertEquals(Object.keys(cli), ["main"]);
  assertEquals(
    Object.keys(module).toSorted().join(" "),
    "WindowsError call connect contentLength exchanges lengthPrefixed lines listPipes listen notify serve",
  );
  assertEquals(Object.keys(node), ["toDuplex"]);
  assertEquals(Object.keys(http).toSorted(), ["httpClient", "serveHttp"]);
  assertEquals(Object.keys(testing), ["memoryPipes"]);
});
