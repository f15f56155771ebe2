/**
 * The libraries of Node that are met by tests, in the versions that examples name.
 *
 * @module
 */

export * as grpc from "npm:@grpc/grpc-js@1.14.7";
export * as rpc from "npm:vscode-jsonrpc@10.0.0/node";
// @ts-types="npm:@types/ws@8.18.2"
export { WebSocket, WebSocketServer } from "npm:ws@8.23.0";
