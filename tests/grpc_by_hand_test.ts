/** gRPC without a client of its own: a call by `node:http2` over a stream. */

import { Buffer } from "node:buffer";
import http2 from "node:http2";
import { assertEquals } from "@std/assert";
import { toDuplex } from "../src/node/mod.ts";
import { inWorld } from "./fixture.ts";
import { grpc } from "./node/libraries.ts";

const encode = (text: string) => Buffer.from(text);
const decode = (bytes: Uint8Array) => String(bytes);

const ECHO = {
  path: "/Echo/Echo",
  requestStream: false,
  responseStream: false,
  requestSerialize: encode,
  requestDeserialize: decode,
  responseSerialize: encode,
  responseDeserialize: decode,
} as const;

/** A message in a stream: not compressed, its length, itself. */
function framed(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

async function call(session: http2.ClientHttp2Session, text: string) {
  const stream = session.request({
    ":method": "POST",
    ":path": ECHO.path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  let status: unknown;
  const noteStatus = (headers: http2.IncomingHttpHeaders) =>
    status = headers["grpc-status"] ?? status;
  stream.on("response", noteStatus);
  stream.on("trailers", noteStatus);
  stream.end(framed(text));
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { status, answer: Buffer.concat(chunks) };
}

inWorld("@grpc/grpc-js answers a call by node:http2", async (world) => {
  const server = new grpc.Server();
  server.addService({ echo: ECHO }, {
    echo(
      { request }: grpc.ServerUnaryCall<string, string>,
      callback: grpc.sendUnaryData<string>,
    ) {
      if (request === "bad") callback({ code: grpc.status.INVALID_ARGUMENT });
      else callback(null, request);
    },
  });
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const { near, far } = await world.pair({ type: "byte" });
  injector.injectConnection(toDuplex(far));
  const duplex = toDuplex(near);
  const session = http2.connect("http://localhost", { createConnection: () => duplex });
  const { status, answer } = await call(session, "text");
  assertEquals([status, answer], ["0", framed("text")]);
  assertEquals((await call(session, "bad")).status, `${grpc.status.INVALID_ARGUMENT}`);
  session.destroy();
  injector.destroy();
  server.forceShutdown();
});
