/** The folder of one run: `alive` is locked for as long as its tool lives, `control` is a FIFO. */

import { cacheLock, lock, removeAll, tryLock } from "./cache.ts";
import { output, SetupError } from "./host.ts";

export interface Run extends AsyncDisposable {
  path: string;
  /** Locked by this process. Whoever gets the lock knows that this process is gone. */
  alive: string;
}

/** Makes the folder of this run, and removes those of runs that were killed. */
export async function openRun(cache: string): Promise<Run> {
  const runs = `${cache}/runs`;
  await Deno.mkdir(runs, { recursive: true });
  // Without it a run could take one that has just made its folder for dead.
  using _held = await cacheLock(cache, "runs");
  await removeDeadRuns(runs);
  const path = `${runs}/${crypto.randomUUID()}`;
  await Deno.mkdir(`${path}/fs`, { recursive: true });
  if (await output("mkfifo", "-m", "600", `${path}/control`) === undefined) {
    throw new SetupError(`Cannot make a FIFO in ${path}: mkfifo failed`);
  }
  const alive = await lock(`${path}/alive`);
  return {
    path,
    alive: alive.path,
    async [Symbol.asyncDispose]() {
      await removeAll(path);
      alive[Symbol.dispose]();
    },
  };
}

async function removeDeadRuns(runs: string): Promise<void> {
  for await (const entry of Deno.readDir(runs)) {
    const path = `${runs}/${entry.name}`;
    using dead = await tryLock(`${path}/alive`);
    if (dead !== undefined) await removeAll(path);
  }
}
