/**
 * The servers that are compared.
 *
 * @module
 */

/** Every server, and how it is called in what people read. */
export const SERVER_TITLES = {
  serve: "this module, serve",
  exchanges: "this module, exchanges",
  open: 'this module, serve, access: "system-default"',
  before: "this module, serve, before connections",
  framed: "this module, framing: lines()",
  streams: "this module, readable and writable",
  readWrite: "this module, read and write",
  byob: "this module, BYOB reader and write",
  listen: "this module, listen",
  http: "this module, serveHttp",
  rpc: "this module, toDuplex and vscode-jsonrpc",
  events: "C, Microsoft's sample",
  port: "C, completion port",
  node: "node.exe, node:net",
  bun: "bun.exe, node:net",
  deno: "deno.exe, node:net",
  nodeHttp: "node.exe, node:http",
  nodeRpc: "node.exe, node:net and vscode-jsonrpc",
} as const;

/** A server. */
export type ServerName = keyof typeof SERVER_TITLES;

/** All of them, in the order in which they are shown. */
export const ALL_SERVERS = Object.keys(SERVER_TITLES) as ServerName[];

/** Those that echo messages. */
export const SERVER_NAMES = [
  "serve",
  "exchanges",
  "events",
  "port",
  "node",
  "bun",
  "deno",
] as const satisfies readonly ServerName[];
