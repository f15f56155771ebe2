// Permissions: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll) --allow-env=GRPC_*
//
// deno run --allow-ffi --allow-env=GRPC_* examples/grpc_server.ts PATH
//
// A gRPC server with @grpc/grpc-js. Its messages are JSON, so that it needs no compiler for protocol
// buffers. A client of Node connects with the target `unix:\\.\pipe\NAME`. Ctrl-C shuts it down.

import { Buffer } from "node:buffer";
import { listen } from "@overlapped/named-pipe";
import { toDuplex } from "@overlapped/named-pipe/node";
import * as grpc from "npm:@grpc/grpc-js@1.14.7";

const [path, ...others] = Deno.args;
if (path === undefined || others.length > 0) {
  console.error("Usage: grpc_server.ts PATH");
  Deno.exit(2);
}

interface Asked {
  name: string;
  to: number;
}

const METHOD = {
  requestSerialize: (value: Asked) => Buffer.from(JSON.stringify(value)),
  requestDeserialize: (bytes: Buffer): Asked => JSON.parse(bytes.toString()),
  responseSerialize: (value: unknown) => Buffer.from(JSON.stringify(value)),
  responseDeserialize: (bytes: Buffer): unknown => JSON.parse(bytes.toString()),
  requestStream: false,
};

const server = new grpc.Server();
server.addService({
  sayHello: { ...METHOD, path: "/Greeter/SayHello", responseStream: false },
  count: { ...METHOD, path: "/Greeter/Count", responseStream: true },
}, {
  sayHello({ request }: grpc.ServerUnaryCall<Asked, unknown>, reply: grpc.sendUnaryData<unknown>) {
    if (request.name === "") reply({ code: grpc.status.INVALID_ARGUMENT, details: "no name" });
    else reply(null, { message: `Hello ${request.name}` });
  },
  count(call: grpc.ServerWritableStream<Asked, unknown>) {
    for (let number = 1; number <= call.request.to; number++) call.write({ number });
    call.end();
  },
});
const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());

const stop = () => {
  void listener.shutdown();
  // No new calls; connections end when their calls have.
  injector.drain(5_000);
};
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGBREAK", stop);
const listener = listen({
  path,
  type: "byte",
  onListen: ({ path }) => console.log(`listening on ${path}`),
});
for await (const conn of listener) injector.injectConnection(toDuplex(conn));
await listener.finished;
injector.destroy();
Deno.removeSignalListener("SIGINT", stop);
Deno.removeSignalListener("SIGBREAK", stop);
