/**
 * This module as an echo server, in a process of its own: `ours.ts PIPE KIND [LOOK]`.
 *
 * The kind is `serve`, `exchanges`, or `open`: `serve` with the system's default access.
 *
 * With a third argument it also answers a request of one byte with what it has done so far, and
 * with `calls` counts every call of Windows by name, which slows it down.
 *
 * @module
 */

import { type Kernel32, openKernel32 } from "../../ffi/kernel32.ts";
import { WindowsKernel } from "../../ffi/windows_kernel.ts";
import { exchangesOn } from "../../src/exchange/exchanges.ts";
import { serveOn } from "../../src/exchange/serve.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import { exchanges, serve } from "../../mod.ts";
import type { Counted } from "../counters.ts";

/** Counts the calls of each function. */
function counting(library: Kernel32, calls: Record<string, number>): Kernel32 {
  const symbols = Object.entries(library.symbols).map(([name, call]) => {
    const counted = (...args: never[]) => {
      calls[name] = (calls[name] ?? 0) + 1;
      return Reflect.apply(call, undefined, args);
    };
    return [name, counted];
  });
  return { ...library, symbols: Object.fromEntries(symbols), close: () => library.close() };
}

async function answerAll(generator: ReturnType<typeof exchanges>): Promise<void> {
  for await (const { request, reply } of generator) reply(request);
}

async function timed(path: string, kind: string): Promise<void> {
  if (kind === "exchanges") return await answerAll(exchanges({ path }));
  const access = kind === "open" ? "system-default" : undefined;
  await serve({ path, access }, (request) => request).finished;
}

async function counted(path: string, kind: string, byName: boolean): Promise<void> {
  const calls: Record<string, number> = {};
  const library = openKernel32();
  const kernel = new WindowsKernel({
    security: true,
    kernel32: byName ? counting(library, calls) : library,
  });
  const loop = new WaitLoop(kernel);
  let answered = 0;
  const answer = (request: Uint8Array<ArrayBuffer>): string | Uint8Array<ArrayBuffer> => {
    if (request.length === 1) {
      return JSON.stringify({ exchanges: answered, ...kernel.counters, calls } satisfies Counted);
    }
    answered++;
    return request;
  };
  if (kind === "serve") return await serveOn(() => loop, { path }, answer).finished;
  for await (const { request, reply } of exchangesOn(() => loop, { path })) reply(answer(request));
}

if (import.meta.main) {
  const [path = "", kind = "serve", look] = Deno.args;
  await (look === undefined ? timed(path, kind) : counted(path, kind, look === "calls"));
}
