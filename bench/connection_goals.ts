/**
 * What connections are to reach: streams, visits, pushes, lines, silence.
 *
 * @module
 */

import type { Goal } from "./goal.ts";
import type { Compared, Parts, StreamRow } from "./results.ts";
import type { ServerName } from "./server_names.ts";
import { ratio } from "./statistics.ts";
import type { StreamDirection } from "./stream_load.ts";

const KIB = 1_024;

/** The first read of a connection, which waits in native memory. */
const FIRST_READ = 4 * KIB;

/** The lengths of chunks that goals are about. */
const SHORT = 4 * KIB;
const LONG = 64 * KIB;

/** Clients from which on the responder no longer waits for them. */
const LOADED_CLIENTS = 8;

const ALL_WAYS: readonly StreamDirection[] = ["up", "down", "both"];

function isSameLoad(a: StreamRow, b: StreamRow): boolean {
  return a.connections === b.connections && a.chunk === b.chunk && a.direction === b.direction;
}

/** Bytes per second of some servers relative to another one, under the same loads. */
function streaming(
  of: readonly ServerName[],
  to: ServerName,
  chunk: number,
  directions: readonly StreamDirection[],
): Goal["values"] {
  return ({ streams }: Parts) =>
    streams.filter((row) =>
      of.includes(row.server) && row.chunk === chunk && directions.includes(row.direction)
    ).flatMap((row) =>
      streams.filter((other) => other.server === to && isSameLoad(row, other))
        .map((other) => ratio(row.bytesPerSecond.rounds, other.bytesPerSecond.rounds).median)
    );
}

function medians(compared: readonly Compared[], of: ServerName, to: ServerName): number[] {
  return compared.filter((row) => row.of === of && row.to === to)
    .map(({ exchangesPerSecond }) => exchangesPerSecond.median);
}

function visiting(of: ServerName, to: ServerName): Goal["values"] {
  return ({ visits }: Parts) => medians(visits.compared, of, to);
}

/** A goal that is a quotient. */
function atLeast(figure: string, least: number, values: Goal["values"]): Goal {
  return { figure, least, unit: "×", digits: 2, values };
}

/** Every goal of connections. */
export const CONNECTION_GOALS: readonly Goal[] = [
  atLeast(
    "streams, 64 KiB chunks, relative to node.exe",
    1.1,
    streaming(["streams"], "node", LONG, ALL_WAYS),
  ),
  atLeast(
    "streams, 64 KiB chunks, relative to bun.exe",
    1.4,
    streaming(["streams"], "bun", LONG, ALL_WAYS),
  ),
  atLeast(
    "streams, 4 KiB writes of the server, relative to node.exe",
    3,
    streaming(["streams"], "node", SHORT, ["down"]),
  ),
  atLeast(
    "streams, 4 KiB writes both ways, relative to node.exe",
    1.5,
    streaming(["streams"], "node", SHORT, ["both"]),
  ),
  atLeast(
    "read, write and BYOB readers, 64 KiB chunks, relative to the completion port in C",
    0.8,
    streaming(["readWrite", "byob"], "port", LONG, ALL_WAYS),
  ),
  atLeast(
    "streams to the server, 64 KiB chunks, relative to the completion port in C",
    0.6,
    streaming(["streams"], "port", LONG, ["up"]),
  ),
  atLeast(
    "streams from the server and both ways, 64 KiB chunks, relative to the completion port in C",
    0.8,
    streaming(["streams"], "port", LONG, ["down", "both"]),
  ),
  atLeast("connections/s relative to node.exe", 1.2, visiting("serve", "node")),
  atLeast("connections/s relative to the completion port in C", 0.7, visiting("serve", "port")),
  atLeast(
    "connections/s without identification, relative to node.exe",
    1.5,
    visiting("open", "node"),
  ),
  atLeast(
    "connections/s without identification, relative to the completion port in C",
    0.8,
    visiting("open", "port"),
  ),
  {
    figure: "time until the last of 1,000 clients has a message, relative to WriteFile in C",
    most: 1.25,
    unit: "×",
    digits: 2,
    values: ({ pushes }) =>
      pushes.filter(({ server }) => server === "listen").flatMap(({ last }) =>
        pushes.filter(({ server }) => server === "port")
          .map((port) => ratio(last.rounds, port.last.rounds).median)
      ),
  },
  atLeast(
    "exchanges/s of lines relative to node.exe with readline",
    2,
    ({ framed }) => medians(framed.compared, "framed", "node"),
  ),
  atLeast(
    "HTTP requests/s relative to node.exe with node:http",
    1,
    ({ httpGet, httpPost }) =>
      [httpGet, httpPost].flatMap(({ compared }) => medians(compared, "http", "nodeHttp")),
  ),
  atLeast(
    "JSON-RPC requests/s relative to node.exe, with vscode-jsonrpc at both",
    1,
    ({ jsonRpc }) => medians(jsonRpc.compared, "rpc", "nodeRpc"),
  ),
  atLeast(
    "exchanges/s relative to this module before connections",
    1,
    ({ before }) => medians(before.compared, "serve", "before"),
  ),
  {
    figure: "JavaScript's share of an exchange, 8 to 128 clients",
    most: 3,
    unit: " µs",
    digits: 2,
    values: ({ ownCost }) =>
      ownCost.filter(({ clients }) => clients >= LOADED_CLIENTS)
        .map(({ nanoseconds }) => nanoseconds.median / 1_000),
  },
  {
    figure: "CPU time with 1,000 silent connections",
    most: 0.5,
    label: "0 ms in 10 s",
    unit: " ms in 10 s",
    digits: 1,
    values: ({ silent }) => silent.map(({ processorMs, ofMs }) => 10_000 * processorMs / ofMs),
  },
  {
    figure: "memory per silent connection",
    most: 8 + FIRST_READ / KIB,
    unit: " KiB",
    digits: 1,
    values: ({ silent }) => silent.map(({ perConnection }) => perConnection / KIB),
  },
  {
    figure: "requests to the Wine server per streamed chunk, relative to the completion port in C",
    most: 1.05,
    unit: "×",
    digits: 2,
    values: ({ tracedStreams }) =>
      tracedStreams.filter(({ server }) => server !== "port").flatMap((row) =>
        tracedStreams.filter(({ server, direction }) =>
          server === "port" && direction === row.direction
        ).map((port) => row.requests / port.requests)
      ),
  },
];
