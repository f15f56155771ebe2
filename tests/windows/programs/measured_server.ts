/**
 * An echo server whose memory can be looked at: each line on stdin is a number of connections, and
 * when so many have ended it reports on stdout. Needs `--v8-flags=--expose-gc`.
 */

import { WindowsKernel } from "../../../ffi/windows_kernel.ts";
import { serveOn } from "../../../src/exchange/serve.ts";
import { WaitLoop } from "../../../src/loop/wait_loop.ts";

/** What the server says of itself. */
export interface Report {
  readonly exchanges: number;
  /** Native memory, and JavaScript's own after a collection. */
  readonly memory: WindowsKernel["memory"];
  readonly heap: number;
}

async function main(path: string): Promise<void> {
  const { gc } = globalThis as unknown as { gc: () => void };
  const kernel = new WindowsKernel({ security: true });
  const loop = new WaitLoop(kernel);
  let exchanges = 0;
  let ends = 0;
  let awaited = Infinity;
  const report = () => {
    if (ends < awaited) return;
    awaited = Infinity;
    gc();
    const { memory } = kernel;
    const { heapUsed: heap } = Deno.memoryUsage();
    console.log(JSON.stringify({ exchanges, memory, heap } satisfies Report));
  };
  const onDisconnect = () => {
    ends++;
    report();
  };
  await using _server = serveOn(() => loop, { path, onDisconnect }, (request) => {
    exchanges++;
    return request;
  });
  for await (const line of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    awaited = Number(line);
    report();
  }
}

if (import.meta.main) await main(Deno.args[0] ?? "");
