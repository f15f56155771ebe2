/**
 * A listener whose clients do nothing. Each line on stdin is a number of clients: when so many are
 * connected, it reports on stdout. Needs `--v8-flags=--expose-gc`.
 */

import { WindowsKernel } from "../../../ffi/windows_kernel.ts";
import { listenOn } from "../../../src/listen/listen.ts";
import { WaitLoop } from "../../../src/loop/wait_loop.ts";

/** What the listener says of itself. */
export interface Report {
  readonly clients: number;
  /** Waits that were dispatched so far, and those that are dispatched now. */
  readonly waits: number;
  readonly waiting: number;
  /** Bytes of native memory in use, and of JavaScript's heap after a collection. */
  readonly native: number;
  readonly heap: number;
}

class CountedKernel extends WindowsKernel {
  waits = 0;
  waiting = 0;

  override async wait(drained: boolean): Promise<boolean> {
    this.waits++;
    this.waiting++;
    const returned = await super.wait(drained);
    this.waiting--;
    return returned;
  }
}

async function main(path: string): Promise<void> {
  const { gc } = globalThis as unknown as { gc: () => void };
  const kernel = new CountedKernel({ security: true });
  const loop = new WaitLoop(kernel);
  const listener = listenOn(() => loop, { path, instances: 64 });
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
  const conns = [];
  for await (const line of lines) {
    while (conns.length < Number(line)) conns.push(await listener.accept());
    gc();
    // The wait is dispatched when nothing else is left to do.
    while (kernel.waiting === 0) await new Promise((resolve) => setTimeout(resolve));
    const { waits, waiting, memory: { inUse: native } } = kernel;
    const { heapUsed: heap } = Deno.memoryUsage();
    const report: Report = { clients: conns.length, waits, waiting, native, heap };
    console.log(JSON.stringify(report));
  }
  for (const conn of conns) conn.close();
  await listener.shutdown({ timeout: 0 });
}

if (import.meta.main) await main(Deno.args[0] ?? "");
