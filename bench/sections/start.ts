/**
 * From the start of a server's process to its first reply.
 *
 * @module
 */

import { closeHandle, read, write } from "../../tests/win32/raw.ts";
import { opened } from "../opened.ts";
import type { Plan } from "../plan.ts";
import type { StartRow } from "../results.ts";
import { SERVER_NAMES, type ServerName } from "../server_names.ts";
import { RunningServer } from "../servers.ts";
import { rotated, spread } from "../statistics.ts";

async function firstExchange(name: ServerName): Promise<number> {
  const began = performance.now();
  await using server = new RunningServer(name, { clients: 1, size: 64 });
  const pipe = await opened(server.path);
  write(pipe, new Uint8Array(64));
  read(pipe, 64);
  const milliseconds = performance.now() - began;
  closeHandle(pipe);
  return milliseconds;
}

/** Starts all servers, several times. */
export async function startPart({ start: { rounds } }: Plan): Promise<StartRow[]> {
  const figures = new Map(SERVER_NAMES.map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const name of rotated(SERVER_NAMES, round)) {
      figures.get(name)?.push(await firstExchange(name));
    }
  }
  return [...figures].map(([server, all]) => ({ server, firstExchange: spread(all) }));
}
