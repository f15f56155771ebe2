/** A Wine that is new enough: the machine's own, or one in a Debian 13 root in the cache. */

import { makeOnce, removeAll } from "./cache.ts";
import {
  type Distribution,
  distribution,
  exists,
  findProgram,
  output,
  type Privilege,
  privilege,
  SetupError,
} from "./host.ts";
import { withProgress } from "./progress.ts";
import type { Run } from "./run_folder.ts";
import { asRoot, canIsolate, type Wine } from "./session.ts";

/** Older ones lack bcryptprimitives.dll, without which deno.exe does not start. */
const OLDEST = 10;

/** The number changes with the recipe. */
export const IMAGE = "trixie-1";
const PACKAGES = "wine64,wine,ca-certificates";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const DEBIAN_MIRROR = "http://deb.debian.org/debian";

/** Debian keeps the program itself behind a wrapper that asks for 32-bit packages. */
const MACHINE_WINES = [
  "/usr/lib/wine/wine64",
  "wine64",
  "wine",
  "/opt/wine-stable/bin/wine",
  "/opt/wine-devel/bin/wine",
  "/opt/wine-staging/bin/wine",
];

/** The major version in what `wine --version` prints, e.g. `wine-10.0 (Debian 10.0~repack-6)`. */
export function parseWineVersion(text: string): number | undefined {
  const match = /^wine-(\d+)/.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/** What `wine --version` prints as a part of a file name. */
export function wineId(version: string): string {
  return version.trim().replaceAll(/[^\w.-]+/g, "_");
}

/** What to do on a machine without a usable Wine, or why that is impossible. */
export function missingWine(
  machine: { arch: string; distribution: Distribution; privilege: Privilege; hasApt: boolean },
): string | undefined {
  const need = "deno.exe runs here under Wine 10 or newer, which this machine does not have.";
  if (machine.arch !== "x86_64") {
    return `Cannot run deno.exe on ${machine.arch}: Wine needs x86_64 Linux, or use Windows`;
  }
  if (!machine.distribution.debianLike || !machine.hasApt) {
    return `${need} Install the package "wine" in version 10 or newer (Fedora: dnf install wine, ` +
      "Arch: pacman -S wine, others: https://gitlab.winehq.org/wine/wine/-/wikis/Download)";
  }
  if (machine.privilege === undefined) {
    return `${need} Install it (Debian 13: apt-get install wine64 wine, Ubuntu: winehq-stable from ` +
      "https://dl.winehq.org/wine-builds/ubuntu), or run this once as root or with a sudo that " +
      "asks for no password: a Debian 13 root with Wine is then made in the cache folder";
  }
  return undefined;
}

/** The arguments of mmdebstrap for a root with Wine in `root`. */
export function debootstrap(root: string, { id }: Distribution): string[] {
  const options = ["--variant=minbase", `--include=${PACKAGES}`];
  const excluded = ["doc", "info", "locale", "man"];
  for (const folder of excluded) options.push(`--dpkgopt=path-exclude=/usr/share/${folder}/*`);
  // The sources of other distributions hold no Debian 13, and they do not trust its keys.
  if (id !== "debian") options.push(`--keyring=${KEYRING}`);
  return ["mmdebstrap", ...options, "trixie", root, ...(id === "debian" ? [] : [DEBIAN_MIRROR])];
}

export async function wine(cache: string, run: Run): Promise<Wine> {
  if (Deno.build.os !== "linux") {
    throw new SetupError(`Cannot run deno.exe on ${Deno.build.os}: use Windows or x86_64 Linux`);
  }
  return await machineWine(run) ?? await imageWine(cache, run);
}

async function machineWine(run: Run): Promise<Wine | undefined> {
  for (const name of MACHINE_WINES) {
    const path = await findProgram(name);
    if (path === undefined) continue;
    const version = await output(path, "--version");
    if ((parseWineVersion(version ?? "") ?? 0) < OLDEST) continue;
    const server = await machineServer(path);
    if (server === undefined) continue;
    const wanted = Deno.uid() === 0 ? "root" : "user";
    return {
      path,
      server,
      id: wineId(version ?? ""),
      isolation: await canIsolate(wanted, run) ? wanted : "none",
      privilege: [],
    };
  }
  return undefined;
}

async function machineServer(wine: string): Promise<string | undefined> {
  const folder = wine.replace(/\/[^/]*$/, "");
  return await findProgram(`${folder}/wineserver64`, `${folder}/wineserver`, "wineserver");
}

async function imageWine(cache: string, run: Run): Promise<Wine> {
  const found = await distribution();
  const root = await privilege();
  const hasApt = await findProgram("apt-get") !== undefined || await exists(`${cache}/${IMAGE}`);
  const reason = missingWine({
    arch: Deno.build.arch,
    distribution: found,
    privilege: root,
    hasApt,
  });
  if (reason !== undefined || root === undefined) throw new SetupError(reason ?? "");
  const path = await makeOnce(
    cache,
    IMAGE,
    (part) => makeImage(part, found, root, run),
    (leftover) => removeAsRoot(leftover, root, run),
  );
  return {
    path: "/usr/lib/wine/wine64",
    server: "/usr/lib/wine/wineserver64",
    id: path.slice(cache.length + 1),
    isolation: "root",
    privilege: root,
    image: IMAGE,
  };
}

async function makeImage(
  part: string,
  found: Distribution,
  root: string[],
  run: Run,
): Promise<void> {
  await step(root, run, "Checking that namespaces can be made", ["true"]);
  const missing = await missingPackages(found);
  if (missing.length > 0) {
    const list = missing.join(" ");
    await step(root, run, "Updating the package lists", ["apt-get", "update"]);
    await step(root, run, `Installing ${list}`, ["apt-get", "install", "-y", ...missing]);
  }
  await step(
    root,
    run,
    "Making a Debian 13 root with Wine (1 GB)",
    debootstrap(part, found),
  );
}

async function missingPackages(found: Distribution): Promise<string[]> {
  const missing: string[] = [];
  if (await findProgram("mmdebstrap", "/usr/bin/mmdebstrap") === undefined) {
    missing.push("mmdebstrap");
  }
  if (found.id !== "debian" && !await exists(KEYRING)) missing.push("debian-archive-keyring");
  return missing;
}

async function step(root: string[], run: Run, title: string, command: string[]): Promise<void> {
  const printed: string[] = [];
  const success = await withProgress(title, (detail) =>
    asRoot(root, run, command, (line) => {
      printed.push(line);
      // How mmdebstrap marks its own lines.
      if (line.startsWith("I: ")) detail(line.slice(3));
    }));
  if (success) return;
  throw new SetupError(
    `${title}: failed.\n${printed.slice(-20).join("\n")}\nThe command was: ${command.join(" ")}`,
  );
}

async function removeAsRoot(path: string, root: string[], run: Run): Promise<void> {
  if (root.length === 0) await removeAll(path);
  else await asRoot(root, run, ["rm", "-rf", path]);
}
