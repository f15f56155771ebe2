/**
 * What people read of connections: streams, visits, lines, pushes, and what silence costs.
 *
 * @module
 */

import { byClients, bytes, KIB, MIB, perSecond, range, ratioTable, whole } from "./cells.ts";
import type { Compared, Results, StreamRow } from "./results.ts";
import { ALL_SERVERS, SERVER_TITLES, type ServerName } from "./server_names.ts";
import { ratio } from "./statistics.ts";
import type { StreamDirection } from "./stream_load.ts";
import { protocolSections } from "./report_protocols.ts";
import { table } from "./table.ts";

const WAYS: Record<StreamDirection, string> = {
  up: "to the server",
  down: "from the server",
  both: "both ways",
};

/** One line for each server, one column for each direction. */
function byDirection(
  rows: readonly StreamRow[],
  figure: (row: StreamRow, all: readonly StreamRow[]) => string,
): string {
  const directions = [...new Set(rows.map(({ direction }) => direction))];
  const names = ALL_SERVERS.filter((name) => rows.some(({ server }) => server === name));
  return table(
    ["server", ...directions.map((direction) => WAYS[direction])],
    names.map((name) => [
      SERVER_TITLES[name],
      ...directions.map((direction) => {
        const all = rows.filter((row) => row.direction === direction);
        const row = all.find(({ server }) => server === name);
        return row === undefined ? "-" : figure(row, all);
      }),
    ]),
  );
}

function mibPerSecond(row: StreamRow, all: readonly StreamRow[]): string {
  const { bytesPerSecond: { median, rounds } } = row;
  const port = all.find(({ server }) => server === "port");
  const shown = whole(median / MIB);
  if (port === undefined || port === row) return shown;
  return `${shown} (${ratio(rounds, port.bytesPerSecond.rounds).median.toFixed(2)})`;
}

function streamSections({ streams, plan }: Results): string[] {
  const { connections, chunks } = plan.streams;
  const shapes = chunks.flatMap((chunk) => connections.map((count) => ({ chunk, count })));
  return [
    "## Streams",
    "The other end is the same program in C for all servers. It writes, and compares what it reads, " +
    "as fast as it can; the servers drop what they read. Both ends write chunks of one length; the " +
    "bytes of both directions are added up.",
    "![Streams](streams.svg)",
    ...shapes.flatMap(({ chunk, count }) => {
      const rows = streams.filter((row) => row.chunk === chunk && row.connections === count);
      return [
        `### Chunks of ${bytes(chunk)}, ${count} ${count === 1 ? "connection" : "connections"}`,
        "MiB per second, in parentheses relative to the server in C:",
        byDirection(rows, mibPerSecond),
        "CPU time of the server per MiB in microseconds, with that of the load generator in " +
        "parentheses:",
        byDirection(
          rows,
          ({ serverProcessor, loadProcessor }) =>
            `${whole(serverProcessor.median)} (${whole(loadProcessor.median)})`,
        ),
      ];
    }),
  ];
}

function comparedBy(
  { compared }: { readonly compared: readonly Compared[] },
  of: ServerName,
): Compared[] {
  return compared.filter((row) => row.of === of);
}

function visitSections({ visits, plan: { visits: { clients } } }: Results): string[] {
  return [
    "## Connections per second",
    "Clients in C that connect, make one exchange of 64 bytes and leave, again and again:",
    "![Connections per second](visits.svg)",
    byClients(visits.loaded, clients, perSecond),
    "`serve` relative to the others, by number of clients:",
    ratioTable(comparedBy(visits, "serve"), clients),
    'The same with `access: "system-default"`, with which clients are not identified:',
    ratioTable(comparedBy(visits, "open"), clients),
    "Time of a whole visit in microseconds, p50 / p99:",
    byClients(
      visits.loaded,
      clients,
      ({ p50, p99 }) => `${whole(p50.median)} / ${whole(p99.median)}`,
    ),
  ];
}

function framedSections({ framed, plan: { framed: { clients } } }: Results): string[] {
  return [
    "## Exchanges of lines",
    "Lines of 64 bytes over a byte pipe, with `framing: lines()`; node.exe reads them with " +
    "`node:readline`. Exchanges per second:",
    "![Exchanges of lines](framed.svg)",
    byClients(framed.loaded, clients, perSecond),
    "This module relative to it, by number of clients:",
    ratioTable(comparedBy(framed, "framed"), clients, "this module"),
  ];
}

function pushSections({ pushes, plan }: Results): string[] {
  return [
    "## Pushes",
    `One message of 64 bytes to each of ${
      whole(plan.pushes.subscribers)
    } clients: milliseconds from ` +
    "the request of one of them until the first, and the last, has it. This module sends in turns " +
    "of 1 ms; the server in C is a loop of WriteFile.",
    table(
      ["server", "first", "last"],
      pushes.map(({ server, first, last }) => [
        SERVER_TITLES[server],
        range(first, 2),
        range(last, 2),
      ]),
    ),
  ];
}

function silentSections({ silent }: Results): string[] {
  return [
    "## Silent connections",
    "Connections of `listen` that are open, over which nothing is sent:",
    table(
      ["server", "connections", "CPU, ms", "measured for", "KiB per connection"],
      silent.map(({ server, connections, processorMs, ofMs, perConnection }) => [
        SERVER_TITLES[server],
        whole(connections),
        processorMs.toFixed(1),
        `${(ofMs / 1_000).toFixed(1)} s`,
        (perConnection / KIB).toFixed(1),
      ]),
    ),
  ];
}

function ownCostSections({ ownCost, plan: { ownCost: { clients } } }: Results): string[] {
  const responders = [...new Set(ownCost.map(({ responder }) => responder))];
  return [
    "## JavaScript's share",
    "`serve` over a simulated system that answers every call at once, measured outside Windows and " +
    "Wine where there is a choice. Nanoseconds per exchange of 64 bytes:",
    table(
      ["responder", ...clients.map((count) => `${count} ${count === 1 ? "client" : "clients"}`)],
      responders.map((name) => [
        name,
        ...clients.map((count) => {
          const row = ownCost.find((each) => each.responder === name && each.clients === count);
          return row === undefined ? "-" : range(row.nanoseconds, 0);
        }),
      ]),
    ),
  ];
}

/** All of it. */
export function connectionSections(all: Results): string[] {
  return [
    ...streamSections(all),
    ...visitSections(all),
    ...framedSections(all),
    ...protocolSections(all),
    ...pushSections(all),
    ...silentSections(all),
    ...ownCostSections(all),
  ];
}
