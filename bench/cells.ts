/**
 * Figures as people read them, and the tables of servers under load.
 *
 * @module
 */

import type { Compared, Loaded } from "./results.ts";
import { ALL_SERVERS, SERVER_TITLES, type ServerName } from "./server_names.ts";
import type { Spread } from "./statistics.ts";
import { type Cell, table } from "./table.ts";

/** Bytes. */
export const KIB = 1_024;
/** Bytes. */
export const MIB = KIB * KIB;

/** A number of bytes, in the unit that suits it. */
export function bytes(size: number): string {
  if (size >= MIB) return `${size / MIB} MiB`;
  return size >= KIB ? `${size / KIB} KiB` : `${size} B`;
}

/** A figure without a fraction. */
export function whole(figure: number): string {
  return Number.isFinite(figure) ? Math.round(figure).toLocaleString("en-US") : "-";
}

/** What was too little to be measured has no quotient, and is null when it was saved. */
export function fixed(figure: number | null, digits: number): string {
  return figure !== null && Number.isFinite(figure) ? figure.toFixed(digits) : "-";
}

/** A middle figure, with its range. */
export function range({ median, min, max }: Spread, digits: number): string {
  return `${fixed(median, digits)} (${fixed(min, digits)} to ${fixed(max, digits)})`;
}

/** A cell for what one server did: a figure, or why there is none. */
function loadedCell(
  row: Loaded | undefined,
  figure: (row: Loaded) => string,
): Cell {
  if (row === undefined) return "-";
  if (row.connected < row.clients) return `${row.connected} of ${row.clients} connected`;
  return figure(row);
}

/** One line for each server, one column for each number of clients. */
export function byClients(
  rows: readonly Loaded[],
  clients: readonly number[],
  figure: (row: Loaded) => string,
): string {
  const names = ALL_SERVERS.filter((name) => rows.some(({ server }) => server === name));
  const find = (name: ServerName, count: number) =>
    rows.find((row) => row.server === name && row.clients === count);
  return table(
    ["server", ...clients.map((count) => `${whole(count)} ${count === 1 ? "client" : "clients"}`)],
    names.map((name) => [
      SERVER_TITLES[name],
      ...clients.map((count) => loadedCell(find(name, count), figure)),
    ]),
  );
}

/** Exchanges of a second. */
export function perSecond({ exchangesPerSecond }: Loaded): string {
  return whole(exchangesPerSecond.median);
}

/** One line for each other server, one column for each number of clients. */
export function ratioTable(
  compared: readonly Compared[],
  clients: readonly number[],
  of: string = "serve",
): string {
  const names = ALL_SERVERS.filter((name) => compared.some(({ to }) => to === name));
  return table(
    [`${of} relative to`, ...clients.map((count) => `${whole(count)}`)],
    names.map((name) => [
      SERVER_TITLES[name],
      ...clients.map((count) => {
        const row = compared.find(({ to, clients }) => to === name && clients === count);
        return row === undefined ? "-" : range(row.exchangesPerSecond, 2);
      }),
    ]),
  );
}
