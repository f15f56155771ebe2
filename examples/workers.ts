// Permissions: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll) --allow-read
//
// deno run --allow-ffi --allow-read examples/workers.ts [--workers N] PATH
//
// Uses several processors: a number of Workers serve the same name, and Windows spreads the clients
// over them. Each request is a number, and the answer tells how many primes are less than it, and
// which Worker has counted them. Reading the module is what --allow-read is for.

import { parseArgs } from "node:util";
import { serve } from "@overlapped/named-pipe";

/** What a Worker is told at the beginning. Any further message shuts it down. */
interface Assignment {
  readonly path: string;
  readonly worker: number;
}

function refuse(): never {
  console.error("Usage: workers.ts [--workers N] PATH");
  Deno.exit(2);
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { workers: { type: "string", default: `${navigator.hardwareConcurrency}` } },
    });
  } catch {
    return refuse();
  }
}

function countPrimes(limit: number): number {
  const composite = new Uint8Array(limit);
  let primes = 0;
  for (let i = 2; i < limit; i++) {
    if (composite[i]) continue;
    primes++;
    for (let j = i * i; j < limit; j += i) composite[j] = 1;
  }
  return primes;
}

function work({ path, worker }: Assignment): void {
  const server = serve({
    path,
    join: true,
    onListen: ({ path }) => console.log(`worker ${worker} is listening on ${path}`),
  }, (_request, exchange) => {
    const limit = Math.min(Number(exchange.text()) || 0, 10_000_000);
    return JSON.stringify({ worker, primes: countPrimes(limit) });
  });
  addEventListener("message", () => server.shutdown().then(() => close()), { once: true });
}

function startWorkers(): void {
  const { values, positionals: [path, ...others] } = parse();
  const count = Number(values.workers);
  if (path === undefined || others.length > 0) refuse();
  if (!Number.isInteger(count) || count < 1 || count > 64) refuse();
  const workers = Array.from({ length: count }, (_, i) => {
    const worker = new Worker(import.meta.url, { type: "module" });
    worker.postMessage({ path, worker: i + 1 } satisfies Assignment);
    return worker;
  });
  // The program ends when the Workers have.
  const stop = () => {
    Deno.removeSignalListener("SIGINT", stop);
    Deno.removeSignalListener("SIGBREAK", stop);
    for (const worker of workers) worker.postMessage("stop");
  };
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener("SIGBREAK", stop);
}

if ("WorkerGlobalScope" in globalThis) {
  addEventListener("message", (event) => {
    if (event instanceof MessageEvent) work(event.data);
  }, { once: true });
} else startWorkers();
