/**
 * Connections over a pipe for libraries of Node, which want a `net.Socket` or a stream:
 * `vscode-jsonrpc`, `node:http`, `node:http2`, `ws`, `@grpc/grpc-js` and others.
 *
 * {@linkcode toDuplex} makes a `node:stream` Duplex of a connection that `listen` or `connect` of
 * `@overlapped/named-pipe` gave. `docs/node.md` shows which library takes it how.
 *
 * **Permissions:** none of its own; the connection needs those of `@overlapped/named-pipe`.
 *
 * @example A JSON-RPC server
 * ```ts
 * import { listen } from "@overlapped/named-pipe";
 * import { toDuplex } from "@overlapped/named-pipe/node";
 * import * as rpc from "npm:vscode-jsonrpc@10.0.0/node";
 *
 * for await (const conn of listen({ path: "calculator", type: "byte" })) {
 *   const duplex = toDuplex(conn);
 *   const connection = rpc.createMessageConnection(
 *     new rpc.StreamMessageReader(duplex),
 *     new rpc.StreamMessageWriter(duplex),
 *   );
 *   connection.onRequest("add", (a: number, b: number) => a + b);
 *   connection.listen();
 * }
 * ```
 *
 * @module
 */

export { toDuplex } from "./duplex.ts";
export type { PipeDuplex } from "./pipe_duplex.ts";
