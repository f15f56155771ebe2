/** The cache folder, and how artefacts get into it whole or not at all. */

import { isAbsolute } from "node:path";
import { exists, SetupError } from "./host.ts";
import { log } from "./progress.ts";

/** `$NAMED_PIPE_CACHE`, or a folder of this project in the user's cache. */
export function cacheFolder(
  env: (name: string) => string | undefined = Deno.env.get,
  windows = Deno.build.os === "windows",
): string {
  const own = env("NAMED_PIPE_CACHE");
  if (own) return isAbsolute(own) ? own : `${Deno.cwd()}/${own}`;
  if (windows) return localFolder(env("LOCALAPPDATA"));
  const xdg = env("XDG_CACHE_HOME");
  if (xdg?.startsWith("/")) return `${xdg}/overlapped-named-pipe`;
  const home = env("HOME");
  if (home) return `${home}/.cache/overlapped-named-pipe`;
  throw new SetupError("Cannot choose a cache folder: set HOME or NAMED_PIPE_CACHE");
}

function localFolder(local: string | undefined): string {
  if (local) return `${local}\\overlapped-named-pipe`;
  throw new SetupError("Cannot choose a cache folder: set LOCALAPPDATA or NAMED_PIPE_CACHE");
}

/** An exclusive flock(2): the kernel gives it back if this process is killed. */
export interface Lock extends Disposable {
  path: string;
}

/** Waits for the lock file at `path`, after `onWait` if somebody else holds it. */
export async function lock(path: string, onWait: () => void = () => {}): Promise<Lock> {
  const file = await openLockFile(path);
  if (!(await file.tryLock(true))) {
    onWait();
    await file.lock(true);
  }
  return { path, [Symbol.dispose]: () => file.close() };
}

/** Takes the lock file at `path`, or `undefined` if somebody else holds it. */
export async function tryLock(path: string): Promise<Lock | undefined> {
  const file = await openLockFile(path);
  if (await file.tryLock(true)) return { path, [Symbol.dispose]: () => file.close() };
  file.close();
  return undefined;
}

async function openLockFile(path: string): Promise<Deno.FsFile> {
  return await Deno.open(path, { read: true, write: true, create: true });
}

/** The lock of one artefact. Lock files stay: removing one would split its waiters. */
export async function cacheLock(cache: string, name: string, onWait?: () => void): Promise<Lock> {
  await Deno.mkdir(`${cache}/locks`, { recursive: true });
  return await lock(`${cache}/locks/${name}`, onWait);
}

/**
 * The path of the artefact `name`, made by `make` if it is missing.
 *
 * `make` fills a temporary sibling that is renamed when it is complete, under a lock. So whatever
 * has the final name is whole, and every sibling seen by the holder of the lock is the leftover of
 * a setup that was killed.
 */
export async function makeOnce(
  cache: string,
  name: string,
  make: (part: string) => Promise<void>,
  remove: (path: string) => Promise<void> = removeAll,
): Promise<string> {
  const path = `${cache}/${name}`;
  if (await exists(path)) return path;
  using _held = await cacheLock(cache, name, () => log(`Waiting for another setup of ${name}`));
  if (await exists(path)) return path;
  await removeLeftovers(cache, name, remove);
  const part = `${path}.${crypto.randomUUID()}.part`;
  try {
    await make(part);
    await Deno.rename(part, path);
  } catch (error) {
    await remove(part);
    throw error;
  }
  return path;
}

async function removeLeftovers(
  cache: string,
  name: string,
  remove: (path: string) => Promise<void>,
): Promise<void> {
  for await (const entry of Deno.readDir(cache)) {
    if (entry.name.startsWith(`${name}.`) && entry.name.endsWith(".part")) {
      await remove(`${cache}/${entry.name}`);
    }
  }
}

/** Removes a file or a folder, if it is there. */
export async function removeAll(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
