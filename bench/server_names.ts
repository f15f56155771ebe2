/**
 * The servers that are compared.
 *
 * @module
 */

/** Every server, and how it is called in what people read. */
export const SERVER_TITLES = {
  serve: "this module, serve",
  exchanges: "this module, exchanges",
  events: "C, Microsoft's sample",
  port: "C, completion port",
  node: "node.exe, node:net",
  bun: "bun.exe, node:net",
  deno: "deno.exe, node:net",
} as const;

/** A server. */
export type ServerName = keyof typeof SERVER_TITLES;

/** All of them. */
export const SERVER_NAMES = Object.keys(SERVER_TITLES) as ServerName[];
