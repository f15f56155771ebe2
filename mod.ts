/** placeholder */
export { exchanges } from "./src/exchanges.ts";
export type { ExchangesOptions } from "./src/exchanges.ts";
export { serve } from "./src/serve.ts";
export type { PipeServer, Reply, Responder, ServeOptions } from "./src/serve.ts";
export type { Exchange, PipeClient } from "./src/exchange.ts";
export type { DisconnectReason } from "./src/driver.ts";
export type { Message } from "./src/message.ts";
export type { ShutdownReport } from "./src/server.ts";
export { WindowsError } from "./src/errors.ts";
export type { WindowsErrorInit } from "./src/errors.ts";
export { call, connect } from "./src/client.ts";
export type { CallOptions, ConnectOptions } from "./src/client.ts";
export type { PipeConn } from "./src/client_connection.ts";
