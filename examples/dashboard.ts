// Permissions: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll) --allow-net=127.0.0.1
//
// deno run --allow-ffi --allow-net=127.0.0.1 examples/dashboard.ts [options] PATH
//
// Answers each request in capitals, and shows on a web page how that goes: the instances, exchanges
// per second, latency, who is connected, and why clients leave. Open the address that it prints.
//
// The page is served on loopback only. Its address has a key, so that no other user of this machine,
// and no other web page, gets to see it. To watch a server of your own, take `dashboard/` with you.
// Ctrl-C shuts both down. Needs Deno 2.8 or newer, which imports texts.

import { parseArgs } from "node:util";
import { serve } from "@overlapped/named-pipe";
import { Observer } from "./dashboard/observer.ts";
import { servePage } from "./dashboard/web.ts";

const USAGE = `Usage: dashboard.ts [options] PATH

  --port N          of the page; one that is free by default
  --delay MS        answers only after so long, so that there is more to see
  --concurrency N   answers so many requests at once, without a limit by default`;

function refuse(): never {
  console.error(USAGE);
  Deno.exit(2);
}

function parse() {
  const option = { type: "string" } as const;
  try {
    return parseArgs({
      allowPositionals: true,
      options: { port: option, delay: option, concurrency: option },
    });
  } catch {
    return refuse();
  }
}

function number(text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  return value >= least && value <= most ? value : refuse();
}

const { values, positionals: [path, ...others] } = parse();
if (path === undefined || others.length > 0) refuse();
const port = number(values.port, 0, 65_535) ?? 0;
const delay = number(values.delay, 0, 60_000) ?? 0;
const concurrency = number(values.concurrency, 1, 1_000);

const encoder = new TextEncoder();
const observer = new Observer();

const server = serve({
  path,
  concurrency,
  measure: true,
  onConnect: (client) => observer.connected(client),
  onDisconnect: (client, reason) => observer.disconnected(client, reason),
}, async (request, exchange) => {
  if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
  const reply = encoder.encode(exchange.text().toUpperCase());
  observer.answered(exchange.client, request.length, reply.length);
  return reply;
});

const page = servePage(port, () => observer.snapshot(server));
const sampling = setInterval(() => {
  observer.sample(server.stats());
  page.update();
}, 1_000);

const stop = () => server.shutdown();
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGBREAK", stop);
console.log(`listening on ${server.path}`);
console.log(`see ${page.url}`);
await server.finished;
clearInterval(sampling);
await page.close();
Deno.removeSignalListener("SIGINT", stop);
Deno.removeSignalListener("SIGBREAK", stop);
