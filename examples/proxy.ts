// Permissions: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll) --allow-net
//
// deno run --allow-ffi --allow-net examples/proxy.ts FROM TO
//
// Listens at FROM and connects each client to TO. Each is a pipe (`pipe:NAME`) or a TCP port
// (`tcp:HOST:PORT`), so this makes a local service available as a pipe, with a pipe's access rights,
// or lets a program that knows only TCP use a pipe. A pipe cannot end one direction alone: when one
// end has sent everything, the connection ends as soon as that has arrived.

import { connect, listen } from "@overlapped/named-pipe";

function refuse(): never {
  console.error("Usage: proxy.ts FROM TO, each of them pipe:NAME or tcp:HOST:PORT");
  Deno.exit(2);
}

/** What connections of both kinds have. */
interface Conn {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array>;
  close(): void;
}

interface Listener extends AsyncIterable<Conn> {
  close(): void;
}

/** One of both ends. */
interface Endpoint {
  listen(): Listener;
  connect(): Promise<Conn>;
}

function endpoint(text: string | undefined): Endpoint {
  const [, kind, name = ""] = /^(pipe|tcp):(.+)$/.exec(text ?? "") ?? refuse();
  if (kind === "pipe") {
    return {
      listen: () => listen({ path: name, type: "byte" }),
      connect: () => connect({ path: name }),
    };
  }
  const [, hostname = "", port = ""] = /^(.+):(\d{1,5})$/.exec(name) ?? refuse();
  const address = { hostname, port: Number(port) };
  return { listen: () => Deno.listen(address), connect: () => Deno.connect(address) };
}

/** Passes on what comes, in both directions. An end, or an error, of one is that of the other. */
async function forward(client: Conn, to: Endpoint): Promise<void> {
  let server: Conn | undefined;
  try {
    server = await to.connect();
    await Promise.all([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
  } finally {
    for (const conn of [client, server]) {
      try {
        conn?.close();
      } catch {
        // It was closed by its streams.
      }
    }
  }
}

const [from, to, ...others] = Deno.args;
if (others.length > 0) refuse();
const [near, far] = [endpoint(from), endpoint(to)];

const stop = () => listener.close();
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGBREAK", stop);
const listener = near.listen();
console.log(`listening at ${from}`);
for await (const client of listener) {
  forward(client, far).catch((error) => console.error(error.message));
}
Deno.removeSignalListener("SIGINT", stop);
Deno.removeSignalListener("SIGBREAK", stop);
