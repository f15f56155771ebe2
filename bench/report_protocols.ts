/**
 * What people read of protocols: HTTP and JSON-RPC.
 *
 * @module
 */

import { byClients, perSecond, ratioTable, whole } from "./cells.ts";
import type { Results, SideBySide } from "./results.ts";

function section(
  { loaded, compared }: SideBySide,
  clients: readonly number[],
  title: string,
  text: string,
): string[] {
  if (loaded.length === 0) return [];
  return [
    `### ${title}`,
    text,
    byClients(loaded, clients, perSecond),
    "This module relative to node.exe, by number of clients:",
    ratioTable(compared, clients, "this module"),
    "CPU time of the server per request in microseconds, with that of the load generator in " +
    "parentheses:",
    byClients(
      loaded,
      clients,
      (row) => `${whole(row.serverProcessor.median)} (${whole(row.loadProcessor.median)})`,
    ),
  ];
}

/** All of it. */
export function protocolSections({ httpGet, httpPost, jsonRpc, plan }: Results): string[] {
  const { clients } = plan.protocols;
  const sections = [
    ...section(
      httpGet,
      clients,
      "HTTP, GET",
      "The answer is the path, of 64 bytes. Requests per second:",
    ),
    ...section(
      httpPost,
      clients,
      "HTTP, POST",
      "The answer is the body of the request, of 64 bytes. Requests per second:",
    ),
    ...section(
      jsonRpc,
      clients,
      "JSON-RPC",
      "Both servers use `vscode-jsonrpc`. The result is the parameter, a text of 64 bytes. Requests " +
        "per second:",
    ),
  ];
  if (sections.length === 0) return [];
  return [
    "## HTTP and JSON-RPC",
    "The clients are those in C. Each keeps its connection, and sends the next request when the " +
    "response has arrived.",
    ...sections,
  ];
}
