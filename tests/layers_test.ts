/**
 * The layers: who may import whom, and what else keeps them apart.
 *
 * A new file, and a new arrow, is written down here, or these tests fail.
 */

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";

// Every file of the module, from the bottom up: an arrow leads to a file further up in this table.
const TABLE = `
src/kernel.ts             ->
src/errors.ts             ->
src/access.ts             ->
src/options.ts            -> src/access.ts
src/hooks.ts              -> src/options.ts
src/instance.ts           ->
src/backoff.ts            ->
src/remove.ts             ->
src/caller.ts             -> node:async_hooks
ffi/library.ts            ->
ffi/structs.ts            ->
ffi/sid.ts                ->
ffi/last_error.ts         -> src/kernel.ts
ffi/kernel32.ts           -> ffi/library.ts
ffi/advapi32.ts           -> ffi/kernel32.ts ffi/library.ts
ffi/slab.ts               -> ffi/kernel32.ts ffi/library.ts ffi/structs.ts
ffi/security.ts           -> ffi/advapi32.ts ffi/kernel32.ts ffi/last_error.ts ffi/library.ts
                             ffi/sid.ts ffi/slab.ts ffi/structs.ts src/kernel.ts
ffi/windows_kernel.ts     -> ffi/advapi32.ts ffi/kernel32.ts ffi/last_error.ts ffi/library.ts
                             ffi/security.ts ffi/slab.ts ffi/structs.ts src/kernel.ts node:timers
src/message.ts            -> src/options.ts
src/deadlines.ts          -> src/kernel.ts
src/budget.ts             -> src/backoff.ts src/deadlines.ts src/remove.ts
src/account_names.ts      -> src/deadlines.ts src/kernel.ts
src/wait_loop.ts          -> src/backoff.ts src/caller.ts src/deadlines.ts src/kernel.ts src/message.ts
src/message_reader.ts     -> src/kernel.ts src/message.ts src/wait_loop.ts
src/exchange.ts           -> src/access.ts src/errors.ts src/kernel.ts src/message.ts
src/driver.ts             -> src/budget.ts src/deadlines.ts src/errors.ts src/exchange.ts
                             src/instance.ts src/kernel.ts src/message_reader.ts src/options.ts
                             src/wait_loop.ts
src/server.ts             -> src/access.ts src/account_names.ts src/backoff.ts src/budget.ts
                             src/deadlines.ts src/driver.ts src/errors.ts src/exchange.ts
                             src/hooks.ts src/kernel.ts src/options.ts src/wait_loop.ts
src/isolate.ts            -> ffi/library.ts ffi/windows_kernel.ts src/errors.ts src/wait_loop.ts
src/exchanges.ts          -> src/access.ts src/driver.ts src/exchange.ts src/isolate.ts
                             src/options.ts src/remove.ts src/server.ts src/wait_loop.ts
src/serve.ts              -> src/access.ts src/caller.ts src/exchange.ts src/exchanges.ts src/hooks.ts
                             src/isolate.ts src/message.ts src/options.ts src/remove.ts
                             src/server.ts src/wait_loop.ts
src/client_connection.ts  -> src/errors.ts src/kernel.ts src/message.ts src/message_reader.ts
                             src/options.ts src/remove.ts src/wait_loop.ts
src/client.ts             -> src/backoff.ts src/client_connection.ts src/errors.ts src/isolate.ts
                             src/kernel.ts src/message.ts src/options.ts src/wait_loop.ts
mod.ts                    -> src/access.ts src/client.ts src/client_connection.ts src/driver.ts
                             src/errors.ts src/exchange.ts src/exchanges.ts src/message.ts
                             src/serve.ts src/server.ts
`;

type Arrows = ReadonlyMap<string, readonly string[]>;

function parseArrows(table: string): Map<string, string[]> {
  const arrows = new Map<string, string[]>();
  for (const row of table.trim().replaceAll(/\n +/g, " ").split("\n")) {
    const [file = "", targets = ""] = row.split("->").map((part) => part.trim());
    arrows.set(file, targets.split(/\s+/).filter((target) => target !== ""));
  }
  return arrows;
}

const ARROWS: Arrows = parseArrows(TABLE);

/** What no table may allow. */
function mayPoint(from: string, to: string): boolean {
  if (from === "src/kernel.ts") return false;
  if (from === "mod.ts") return to.startsWith("src/");
  if (from.startsWith("ffi/")) {
    return to.startsWith("ffi/") || to === "src/kernel.ts" || to === "node:timers";
  }
  if (to === "node:async_hooks") return from === "src/caller.ts";
  return to.startsWith("src/") || from === "src/isolate.ts" && to.startsWith("ffi/");
}

// Sources

interface Token {
  readonly kind: "word" | "text" | "other";
  readonly value: string;
  /** How many brackets are open around it. */
  readonly depth: number;
}

interface Scanned {
  readonly tokens: readonly Token[];
  readonly comments: readonly string[];
}

const PIECES = new RegExp(
  [
    /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)/,
    /(?<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')/,
    /(?<word>#?[\p{ID_Start}_$][\p{ID_Continue}$]*)/u,
    /(?<number>\d[\w.]*)/,
    /(?<space>\s+)/,
    /(?<other>[\s\S])/,
  ].map(({ source }) => source).join("|"),
  "uy",
);

const REGEXP = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
const TEMPLATE = /(?:\\[\s\S]|\$(?!\{)|[^\\`$])*(`|\$\{)/y;

/** After these, a slash begins a regular expression; after anything else, it divides. */
const BEFORE_REGEXP = /^(?:[([{,;:=!&|?+\-*%<>~^]|return|typeof|case|of|in|=>)$/;

/** Cuts a source into words, texts and the rest. */
function scan(source: string): Scanned {
  const tokens: Token[] = [];
  const comments: string[] = [];
  /** The depths at which `}` goes on with a template. */
  const templates: number[] = [];
  let depth = 0;
  let place = 0;

  function take(pattern: RegExp): RegExpExecArray {
    pattern.lastIndex = place;
    const match = pattern.exec(source);
    if (match === null) throw new Error(`test: cannot scan "${source.slice(place, place + 40)}"`);
    place = pattern.lastIndex;
    return match;
  }

  function goOnWithTemplate(): void {
    const [, end] = take(TEMPLATE);
    if (end === "${") templates.push(depth++);
  }

  while (place < source.length) {
    const last = tokens.at(-1)?.value ?? ";";
    const { comment, text, word, number, other } = take(PIECES).groups ?? {};
    if (comment !== undefined) comments.push(comment);
    else if (text !== undefined) tokens.push({ kind: "text", value: text.slice(1, -1), depth });
    else if (word !== undefined) tokens.push({ kind: "word", value: word, depth });
    else if (number !== undefined) tokens.push({ kind: "other", value: number, depth });
    else if (other === "`") {
      tokens.push({ kind: "other", value: "`", depth });
      goOnWithTemplate();
    } else if (other === "/" && BEFORE_REGEXP.test(last)) {
      place--;
      tokens.push({ kind: "other", value: take(REGEXP)[0], depth });
    } else if (other !== undefined) {
      if ("}])".includes(other)) depth--;
      if (other === "}" && templates.at(-1) === depth) {
        templates.pop();
        goOnWithTemplate();
        continue;
      }
      tokens.push({ kind: "other", value: other, depth });
      if ("{[(".includes(other)) depth++;
    }
  }
  if (depth !== 0) throw new Error("test: brackets that do not match");
  return { tokens, comments };
}

const COMPUTED = "(computed)";

/** What a source imports, by whatever means: specifiers as they are written. */
function importsOf({ tokens, comments }: Scanned): string[] {
  const found: string[] = [];
  for (const [i, { kind, value }] of tokens.entries()) {
    if (kind !== "word") continue;
    const [next, after, end] = tokens.slice(i + 1, i + 4);
    const called = next?.value === "(" && next.kind === "other";
    const member = tokens[i - 1]?.value === ".";
    if ((value === "from" || value === "import") && next?.kind === "text") found.push(next.value);
    else if ((value === "import" || value === "require") && called && !member) {
      const literal = after?.kind === "text" && (end?.value === ")" || end?.value === ",");
      found.push(literal ? after.value : COMPUTED);
    }
  }
  for (const comment of comments) {
    const pragma = /@(?:deno|ts)-types\s*=\s*["']?([^"'\s]+)/.exec(comment) ??
      /^\/\/\/\s*<reference\s+\w+\s*=\s*["']([^"']+)/.exec(comment);
    if (pragma?.[1] !== undefined) found.push(pragma[1]);
  }
  return found;
}

/** The file of the module that a specifier means, or the specifier if it is no file. */
function resolve(specifier: string, from: string): string {
  if (!/^\.{0,2}\//.test(specifier)) return specifier;
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/** What is wrong with the layers, in words: the files are given as path and source. */
function checkLayers(sources: ReadonlyMap<string, string>, arrows: Arrows): string[] {
  const wrong: string[] = [];
  const order = [...arrows.keys()];
  for (const [from, targets] of arrows) {
    if (!sources.has(from)) wrong.push(`${from}: is in the table, but there is no such file`);
    for (const to of targets) {
      if (!mayPoint(from, to)) wrong.push(`${from} -> ${to}: the table allows what is forbidden`);
      const above = to.includes(":") || order.slice(0, order.indexOf(from)).includes(to);
      if (!above) wrong.push(`${from} -> ${to}: points down in the table`);
    }
  }
  for (const [from, source] of sources) {
    const allowed = arrows.get(from);
    if (allowed === undefined) {
      wrong.push(`${from}: is not in the table`);
      continue;
    }
    const targets = new Set(importsOf(scan(source)).map((specifier) => resolve(specifier, from)));
    for (const to of targets) {
      if (!allowed.includes(to)) wrong.push(`${from} -> ${to}: is not in the table`);
    }
    for (const to of allowed) {
      if (!targets.has(to)) wrong.push(`${from} -> ${to}: is in the table, but not in the file`);
    }
  }
  return wrong;
}

/** What src may use of Deno: nothing that reaches the system. */
const SRC_MEMBERS = ["errors", "build"];
const FFI_MEMBERS = ["dlopen", "DynamicLibrary", "ForeignLibraryInterface", "errors", "build"];

/** What is wrong with a file, imports aside. */
function checkFile(file: string, source: string): string[] {
  const wrong: string[] = [];
  const { tokens } = scan(source);
  if (file === "mod.ts") {
    // Named re-exports, and no code.
    const code = tokens.map(({ value }) => value).join(" ");
    const rest = code.replaceAll(/export (?:type )?\{ [\w ,]+ \} from \S+ ;/g, "").trim();
    if (rest !== "") wrong.push(`${file}: more than named re-exports: ${rest.slice(0, 40)}`);
    return wrong;
  }
  const members = file.startsWith("ffi/") ? FFI_MEMBERS : SRC_MEMBERS;
  for (const [i, { kind, value, depth }] of tokens.entries()) {
    if (kind !== "word" || tokens[i - 1]?.value === ".") continue;
    const [dot, member] = tokens.slice(i + 1, i + 3);
    if (value === "Deno" && (dot?.value !== "." || !members.includes(member?.value ?? ""))) {
      wrong.push(`${file}: uses Deno.${dot?.value === "." ? member?.value : "?"}`);
    }
    // The end of the program is what the FFI has to learn of.
    const listens = file.startsWith("ffi/") && value === "globalThis" && dot?.value === "." &&
      /^(?:add|remove)EventListener$/.test(member?.value ?? "");
    if (["globalThis", "self", "window", "eval"].includes(value) && !listens) {
      wrong.push(`${file}: uses ${value}`);
    }
    if ((value === "let" || value === "var") && depth === 0 && file !== "src/isolate.ts") {
      wrong.push(`${file}: a variable of the module, "${dot?.value}"`);
    }
  }
  return wrong;
}

// The module as it is

const ROOT = new URL("../", import.meta.url);

async function readSources(): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  const read = async (file: string) => {
    sources.set(file, await Deno.readTextFile(new URL(file, ROOT)));
  };
  const readFolder = async (folder: string) => {
    for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
      if (isDirectory) await readFolder(`${folder}${name}/`);
      else await read(`${folder}${name}`);
    }
  };
  await read("mod.ts");
  await readFolder("src/");
  await readFolder("ffi/");
  return sources;
}

Deno.test("every arrow between the files of the module is in the table, and points up", async () => {
  assertEquals(checkLayers(await readSources(), ARROWS), []);
});

Deno.test("src has no FFI, no module has a variable but the isolate, mod.ts has no code", async () => {
  const sources = await readSources();
  assertEquals([...sources].flatMap(([file, source]) => checkFile(file, source)), []);
  // Just one.
  const isolate = scan(sources.get("src/isolate.ts") ?? "").tokens;
  assertEquals(isolate.filter(({ value, depth }) => value === "let" && depth === 0).length, 1);
});

Deno.test("only src/isolate.ts reaches the FFI, which knows of src only the seam", () => {
  const crossing = [...ARROWS].flatMap(([from, targets]) => {
    const [layer] = from.split("/");
    const others = targets.filter((to) => to.split("/")[0] !== layer);
    return from === "mod.ts" ? [] : others.map((to) => `${from} -> ${to}`);
  });
  assertEquals(crossing.toSorted(), [
    "ffi/last_error.ts -> src/kernel.ts",
    "ffi/security.ts -> src/kernel.ts",
    "ffi/windows_kernel.ts -> node:timers",
    "ffi/windows_kernel.ts -> src/kernel.ts",
    "src/caller.ts -> node:async_hooks",
    "src/isolate.ts -> ffi/library.ts",
    "src/isolate.ts -> ffi/windows_kernel.ts",
  ]);
});

interface ModuleGraph {
  modules: { specifier: string; dependencies?: { specifier: string }[] }[];
}

Deno.test("these tests find the imports that Deno finds", async () => {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL("mod.ts", ROOT).href],
    stdin: "null",
    stderr: "null",
  }).output();
  assert(success);
  const graph: ModuleGraph = JSON.parse(new TextDecoder().decode(stdout));
  const theirs = new Map<string, string[]>();
  for (const { specifier, dependencies = [] } of graph.modules) {
    if (!specifier.startsWith(ROOT.href)) continue;
    const targets = new Set(dependencies.map((dependency) => dependency.specifier));
    theirs.set(specifier.slice(ROOT.href.length), [...targets].toSorted());
  }
  const ours = new Map<string, string[]>();
  for (const [file, source] of await readSources()) {
    ours.set(file, [...new Set(importsOf(scan(source)))].toSorted());
  }
  // The same files, too: none is left over that nobody imports.
  assertEquals(theirs, ours);
});

// Importing

/** Runs a program without any permission. */
async function runWithoutPermissions(program: string) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-config", "--no-check", "--ext=ts", "--quiet", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { success, out: decoder.decode(stdout).trim(), error: decoder.decode(stderr) };
}

Deno.test("importing the module needs no permission, and so opens no library", async () => {
  const href = JSON.stringify(new URL("mod.ts", ROOT).href);
  const { success, out, error } = await runWithoutPermissions(
    `import * as module from ${href}; console.log(Object.keys(module).join(" "));`,
  );
  assertEquals({ success, out, error }, {
    success: true,
    out: "WindowsError call connect exchanges serve",
    error: "",
  });
});

Deno.test("a library that is opened without permission is noticed", async () => {
  const { success, error } = await runWithoutPermissions('Deno.dlopen("kernel32.dll", {});');
  assert(!success);
  assertStringIncludes(error, "NotCapable");
});

// The checker itself, on sources that are wrong

const GOOD = new Map([
  ["src/kernel.ts", ""],
  ["src/loop.ts", 'import { Kernel } from "./kernel.ts";'],
  ["src/isolate.ts", 'import { W } from "../ffi/w.ts";\nlet loop: Loop | undefined;'],
  ["ffi/w.ts", 'import { x } from "node:timers";\nimport type { K } from "../src/kernel.ts";'],
  ["mod.ts", 'export { loop } from "./src/loop.ts";\nexport type { A, B } from "./src/loop.ts";'],
]);

const GOOD_ARROWS = parseArrows(`
src/kernel.ts  ->
src/loop.ts    -> src/kernel.ts
ffi/w.ts       -> node:timers
                  src/kernel.ts
src/isolate.ts -> ffi/w.ts
mod.ts         -> src/loop.ts
`);

Deno.test("checkLayers() finds nothing where nothing is wrong", () => {
  assertEquals(checkLayers(GOOD, GOOD_ARROWS), []);
  assertEquals([...GOOD].flatMap(([file, source]) => checkFile(file, source)), []);
});

Deno.test("checkLayers() reports an arrow that is not in the table, however it is written", () => {
  const spellings = [
    'import { W } from "../ffi/w.ts";',
    "import { W } from '../ffi/w.ts'",
    'import type { W } from "../ffi/w.ts";',
    'import W from "../ffi/w.ts";',
    'import * as w from "../ffi/w.ts";',
    'import W, { type X } from "../ffi/w.ts";',
    'import "../ffi/w.ts";',
    'import {\n  W, // from "./kernel.ts"\n  X,\n} from\n  "../ffi/w.ts";',
    'export { W } from "../ffi/w.ts";',
    'export * from "../ffi/w.ts";',
    'export * as w from "../ffi/w.ts";',
    'export type { W } from "../ffi/w.ts";',
    'const w = await import("../ffi/w.ts");',
    'const w = import( "../ffi/w.ts", { with: { type: "json" } });',
    'type W = import("../ffi/w.ts").W;',
    'type W = typeof import("../ffi/w.ts");',
    'import w = require("../ffi/w.ts");',
    'const text = `${await import("../ffi/w.ts")}`;',
    'const pattern = /"/; import { W } from "../ffi/w.ts"; // "',
    '// @ts-types="../ffi/w.ts"',
    '/// <reference path="../ffi/w.ts" />',
    'import { W } from "./../src/../ffi/w.ts";',
    'import { W } from "/ffi/w.ts";',
  ];
  for (const spelling of spellings) {
    const source = `import { Kernel } from "./kernel.ts";\n${spelling}`;
    assertEquals(
      checkLayers(new Map([...GOOD, ["src/loop.ts", source]]), GOOD_ARROWS),
      ["src/loop.ts -> ffi/w.ts: is not in the table"],
      spelling,
    );
  }
});

Deno.test("checkLayers() reports what is no file of the module", () => {
  const targets = ["node:timers", "node:fs", "npm:x@1", "jsr:@std/async", "@std/assert", COMPUTED];
  for (const to of targets) {
    const call = to === COMPUTED ? "import(name);" : `import "${to}";`;
    const source = `import "./kernel.ts";\n${call}`;
    assertEquals(
      checkLayers(new Map([...GOOD, ["src/loop.ts", source]]), GOOD_ARROWS),
      [`src/loop.ts -> ${to}: is not in the table`],
    );
  }
  const computed = ["import(`./kernel.ts`)", 'import("./" + name)', 'import(x ? "a" : "b")'];
  for (const call of computed) assertEquals(importsOf(scan(call)), [COMPUTED], call);
});

Deno.test("checkLayers() is not fooled by what only looks like an import", () => {
  const looks = [
    '// import { W } from "../ffi/w.ts";',
    '/** import { W } from "../ffi/w.ts"; {@link import("../ffi/w.ts")} */',
    "const text = 'import \"../ffi/w.ts\"';",
    'const text = `import "../ffi/w.ts" ${"from"} \\` ${`export * from "../ffi/w.ts"`}`;',
    'const here = import.meta.url + "../ffi/w.ts";',
    'const pattern = /import "..\\/ffi"/u;',
    'const quotient = a / b; const text = "/ import";',
    'array.from("../ffi/w.ts");',
    'module.import("../ffi/w.ts");',
  ];
  for (const look of looks) assertEquals(importsOf(scan(look)), [], look);
});

Deno.test("checkLayers() reports a file that is not in the table, and one that is not there", () => {
  assertEquals(checkLayers(new Map([...GOOD, ["src/new.ts", ""]]), GOOD_ARROWS), [
    "src/new.ts: is not in the table",
  ]);
  const fewer = new Map(GOOD);
  fewer.delete("mod.ts");
  assertEquals(checkLayers(fewer, GOOD_ARROWS), [
    "mod.ts: is in the table, but there is no such file",
  ]);
  assertEquals(checkLayers(new Map([...GOOD, ["src/loop.ts", ""]]), GOOD_ARROWS), [
    "src/loop.ts -> src/kernel.ts: is in the table, but not in the file",
  ]);
});

Deno.test("checkLayers() reports a table that allows too much", () => {
  const forbidden = [
    ["src/kernel.ts", "src/loop.ts"],
    ["src/kernel.ts", "node:timers"],
    ["src/loop.ts", "ffi/w.ts"],
    ["src/loop.ts", "node:timers"],
    ["src/loop.ts", "mod.ts"],
    ["src/isolate.ts", "node:fs"],
    ["src/isolate.ts", "mod.ts"],
    ["ffi/w.ts", "src/loop.ts"],
    ["ffi/w.ts", "@std/assert"],
    ["ffi/w.ts", "node:fs"],
    ["mod.ts", "ffi/w.ts"],
    ["mod.ts", "npm:x"],
  ] as const;
  for (const [from, to] of forbidden) {
    const arrows = new Map([...GOOD_ARROWS, [from, [to]]]);
    const wrong = `${from} -> ${to}: the table allows what is forbidden`;
    assert(checkLayers(GOOD, arrows).includes(wrong), wrong);
  }
  const cycle = new Map([...GOOD_ARROWS, ["src/loop.ts", ["src/isolate.ts"]]]);
  const down = "src/loop.ts -> src/isolate.ts: points down in the table";
  assert(checkLayers(GOOD, cycle).includes(down));
});

Deno.test("checkFile() reports what does not belong into src", () => {
  const wrong: [source: string, words: string][] = [
    ["const library = Deno.dlopen(name, {});", "uses Deno.dlopen"],
    ["new Deno.UnsafePointerView(pointer);", "uses Deno.UnsafePointerView"],
    ["Deno.UnsafePointer.of(bytes);", "uses Deno.UnsafePointer"],
    ["const { dlopen } = Deno;", "uses Deno.?"],
    ['Deno["dlopen"]', "uses Deno.?"],
    ["globalThis.Deno", "uses globalThis"],
    ["await Deno.readFile(path);", "uses Deno.readFile"],
    ["const text = `${Deno.pid}`;", "uses Deno.pid"],
    ["let loop: Loop;", 'a variable of the module, "loop"'],
    ["export let loop: Loop;", 'a variable of the module, "loop"'],
    ["var loop;", 'a variable of the module, "loop"'],
    ["function f() {}\nlet loop;", 'a variable of the module, "loop"'],
  ];
  for (const [source, words] of wrong) {
    assertEquals(checkFile("src/loop.ts", source), [`src/loop.ts: ${words}`], source);
  }
  assertNotEquals(checkFile("ffi/w.ts", "let library;"), []);
  assertNotEquals(checkFile("ffi/w.ts", "globalThis.Deno;"), []);
  assertEquals(checkFile("ffi/w.ts", 'globalThis.addEventListener("unload", f);'), []);
  assertNotEquals(checkFile("ffi/w.ts", "Deno.UnsafePointer.of(bytes);"), []);
  const right = [
    "function f() { let place = 0; for (var i = 0;;) {} }",
    "const f = () => { let place = 0; };",
    "class C { m() { let a; } }",
    "// Deno.dlopen, let x\n/* let */ const text = 'Deno.dlopen';",
    "throw new Deno.errors.NotSupported(`${Deno.build.os} { let`);",
    'Symbol.for("Deno.customInspect");',
    "client.window; client.Deno;",
  ];
  for (const source of right) assertEquals(checkFile("src/loop.ts", source), [], source);
});

Deno.test("checkFile() reports code in mod.ts", () => {
  for (
    const source of [
      'export * from "./src/serve.ts";',
      'import { serve } from "./src/serve.ts";\nserve();',
      'import "./src/serve.ts";',
      "export const version = 1;",
      "let a;",
    ]
  ) {
    assertEquals(checkFile("mod.ts", source).length, 1, source);
  }
});
