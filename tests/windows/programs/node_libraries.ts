/**
 * Both ends of a library of Node, in this program: says what came back, and ends although neither end
 * does. Arguments: the library, the pipe.
 */

import { once } from "node:events";
import http2 from "node:http2";
import { connect, listen } from "../../../mod.ts";
import { serveHttp } from "../../../src/http/mod.ts";
import { type PipeDuplex, toDuplex } from "../../../src/node/mod.ts";

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
};

console.log(await LIBRARIES[library]?.());
