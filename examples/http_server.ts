// Permissions: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll)
//
// deno run --allow-ffi examples/http_server.ts PATH
//
// Answers HTTP requests: `GET /` says who is asking, `GET /time` sends the time each second as
// server-sent events, and `POST /upper` gives back what it is sent in capitals. Ctrl-C shuts the
// server down, when open responses are finished.

import { type HttpInfo, serveHttp } from "@overlapped/named-pipe/http";

const [path, ...others] = Deno.args;
if (path === undefined || others.length > 0) {
  console.error("Usage: http_server.ts PATH");
  Deno.exit(2);
}

const stopping = new AbortController();

/** The time, each second, until the client leaves or the server shuts down. */
function clock(signal: AbortSignal): ReadableStream<string> {
  const ended = AbortSignal.any([signal, stopping.signal]);
  let timer: ReturnType<typeof setInterval>;
  return new ReadableStream({
    start(controller) {
      const send = () => controller.enqueue(`data: ${new Date().toISOString()}\n\n`);
      send();
      timer = setInterval(send, 1_000);
      ended.addEventListener("abort", () => {
        clearInterval(timer);
        controller.close();
      }, { once: true });
    },
    cancel: () => clearInterval(timer),
  });
}

async function handle(request: Request, { client }: HttpInfo): Promise<Response> {
  const { pathname } = new URL(request.url);
  switch (`${request.method} ${pathname}`) {
    case "GET /":
      return Response.json({ user: await client.accountName(), processId: client.processId });
    case "GET /time":
      return new Response(clock(request.signal).pipeThrough(new TextEncoderStream()), {
        headers: { "content-type": "text/event-stream" },
      });
    case "POST /upper":
      return new Response((await request.text()).toUpperCase());
    default:
      return new Response("not found\n", { status: 404 });
  }
}

const server = serveHttp({
  path,
  maxBodySize: 1_048_576,
  onListen: ({ path }) => console.log(`listening on ${path}`),
}, handle);
const stop = () => {
  stopping.abort();
  server.shutdown();
};
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGBREAK", stop);
await server.finished;
Deno.removeSignalListener("SIGINT", stop);
Deno.removeSignalListener("SIGBREAK", stop);
