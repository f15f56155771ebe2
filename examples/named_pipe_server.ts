// Permission: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll)
//
// deno run --allow-ffi examples/named_pipe_server.ts [--path NAME] [--encoding utf-16le]
//
// The server of Microsoft's "Named Pipe Server Using Overlapped I/O": four instances, and the same
// answer to everybody. Its clients are those of "Named Pipe Client": built for ANSI, or, with
// --encoding utf-16le, for Unicode; both end their strings with NUL.

import { parseArgs } from "node:util";
import { serve } from "@overlapped/named-pipe";

const ANSWER = "Default answer from server";

/** One exchange, as it is shown. */
export interface Shown {
  instance: number;
  request: string;
  reply: string;
}

/** Serves until the signal aborts. `listen` may be that of another system. */
export async function run(
  options: { path: string; encoding: string; signal: AbortSignal },
  show: (exchange: Shown) => void,
  listen: typeof serve = serve,
): Promise<void> {
  const decoder = new TextDecoder(options.encoding);
  const reply = encode(`${ANSWER}\0`, options.encoding);
  const server = listen({
    path: options.path,
    instances: 4,
    maxInstances: 4,
    onListen: ({ path }) => console.log(`listening on ${path}`),
  }, (request, exchange) => {
    const text = decoder.decode(request).replace(/\0+$/, "");
    show({ instance: exchange.instance.id, request: text, reply: ANSWER });
    return reply;
  });
  options.signal.addEventListener("abort", () => server.shutdown(), { once: true });
  await server.finished;
}

function encode(text: string, encoding: string): Uint8Array {
  if (encoding !== "utf-16le") return new TextEncoder().encode(text);
  const units = new DataView(new ArrayBuffer(text.length * 2));
  for (let i = 0; i < text.length; i++) units.setUint16(i * 2, text.charCodeAt(i), true);
  return new Uint8Array(units.buffer);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      path: { type: "string", default: "mynamedpipe" },
      encoding: { type: "string", default: "utf-8" },
    },
  });
  const stop = new AbortController();
  const onStop = () => stop.abort();
  Deno.addSignalListener("SIGINT", onStop);
  Deno.addSignalListener("SIGBREAK", onStop);
  await run({ ...values, signal: stop.signal }, ({ instance, request }) => {
    console.log(`[${instance}] ${request}`);
  });
  Deno.removeSignalListener("SIGINT", onStop);
  Deno.removeSignalListener("SIGBREAK", onStop);
}
