/**
 * Both ends of a library of Node, in this program: says what came back, and ends although neither end
 * does. Arguments: the library, the pipe.
 */

import { Buffer } from "node:buffer";
import { once } from "node:events";
import http2 from "node:http2";
import { connect, listen } from "../../../mod.ts";
import { serveHttp } from "../../../src/http/mod.ts";
import { type PipeDuplex, toDuplex } from "../../../src/node/mod.ts";
import type { grpc } from "../../node/libraries.ts";

const [library = "", path = ""] = Deno.args;

/** What the ends of a connection are streams of. */
async function pair(): Promise<{ near: PipeDuplex; far: PipeDuplex }> {
  const listener = listen({ path, type: "byte", access: "system-default" });
  const near = toDuplex(await connect({ path }));
  const far = toDuplex(await listener.accept());
  listener.unref();
  return { near, far };
}

const LIBRARIES: Record<string, () => Promise<string>> = {
  async ws() {
    // @ts-types="npm:@types/ws@8.18.2"
    const { WebSocket, WebSocketServer } = await import("npm:ws@8.23.0");
    const sockets = new WebSocketServer({ noServer: true });
    const server = serveHttp({
      path,
      access: "system-default",
      onUpgrade: (request, duplex, head) => {
        sockets.handleUpgrade(request, duplex, head, (socket) => {
          socket.on("message", (data, binary) => socket.send(data, { binary }));
        });
      },
    }, () => new Response());
    const duplex = toDuplex(await connect({ path }));
    const socket = new WebSocket("ws://localhost/", { createConnection: () => duplex });
    await once(socket, "open");
    socket.send("ws");
    const [answer] = await once(socket, "message");
    socket.terminate();
    server.unref();
    return String(answer);
  },
  async http2() {
    const { near, far } = await pair();
    const server = http2.createServer((_request, response) => response.end("http2"));
    server.emit("connection", far);
    const session = http2.connect("http://localhost", { createConnection: () => near });
    const stream = session.request({ ":path": "/" });
    let text = "";
    for await (const chunk of stream) text += chunk;
    session.destroy();
    return text;
  },
  async grpc() {
    const { grpc } = await import("../../node/libraries.ts");
    const encode = (text: string) => Buffer.from(text);
    const decode = (bytes: Uint8Array) => String(bytes);
    const methods = { requestStream: false, responseStream: false } as const;
    const codecs = {
      requestSerialize: encode,
      requestDeserialize: decode,
      responseSerialize: encode,
      responseDeserialize: decode,
    };
    const server = new grpc.Server();
    server.addService({ echo: { path: "/echo/echo", ...methods, ...codecs } }, {
      echo(
        { request }: grpc.ServerUnaryCall<string, string>,
        callback: grpc.sendUnaryData<string>,
      ) {
        callback(null, request);
      },
    });
    const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    const listener = listen({ path, type: "byte", access: "system-default" });
    listener.accept().then((conn) => injector.injectConnection(toDuplex(conn)));
    // It connects by Deno's own pipes.
    const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure());
    const answer = await new Promise<string | undefined>((resolve, reject) => {
      client.makeUnaryRequest("/echo/echo", encode, decode, "grpc", (error, answer) => {
        if (error === null) resolve(answer);
        else reject(error);
      });
    });
    client.close();
    listener.unref();
    return `${answer}`;
  },
};

console.log(await LIBRARIES[library]?.());
