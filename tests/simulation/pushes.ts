/**
 * Messages that a server of a history sends by itself.
 *
 * @module
 */

import type { PipeClient } from "../../src/server/client.ts";
import { IDENTITY, replyTo } from "./messages.ts";
import type { ServerRecord } from "./records.ts";
import type { World } from "./world.ts";

/** More than there are clients in a history: no client is to get what this sends. */
const MOST_SENDERS = 0xffff;

/** Pushes a message to a client, if it takes such. */
export function push(world: World, client: PipeClient | undefined, record: ServerRecord): void {
  if (client === undefined) return;
  if (client.signal.aborted) return pushInVain(world, client);
  const session = world.model.pushable(client, record);
  if (session === undefined) return;
  const size = world.replySize();
  // So that it says whose it is.
  const bytes = session.compose(session.link === undefined ? Math.max(size, IDENTITY) : size);
  const given = disguised(bytes.slice());
  const answer = world.model.answers.given(session, world.frame(bytes), true);
  world.tell?.(`client ${client.id} is sent ${bytes.length} B`);
  let promise: Promise<void>;
  try {
    promise = client.send(given);
  } catch (error) {
    return world.violate(`a client refused a message: ${error}`);
  }
  given.fill(0x55);
  world.model.answers.promised(session, answer, promise);
}

/** A client that has left, or whose connection was ended, gets nothing more. */
function pushInVain(world: World, client: PipeClient): void {
  const bytes = replyTo(MOST_SENDERS, 0, IDENTITY);
  client.send(bytes).then(() => world.violate(`client ${client.id} took a message`), () => {});
}

/** One of the clients that a server's user knows, sometimes one that has left. */
export function someClient(
  { random, model }: World,
  connected: readonly PipeClient[],
  record: ServerRecord,
): PipeClient | undefined {
  if (random.chance(0.7)) return random.some(connected);
  const known = [...model.sessions].filter(([, { server, told }]) => told && server === record);
  return random.some(known.map(([client]) => client).filter(({ signal }) => signal.aborted));
}

/** An array that says wrong things of itself, every third; what it holds is the message. */
export function disguised(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length % 3 !== 0) return bytes;
  const lies = { byteLength: bytes.length + 1, length: NaN, slice: () => new Uint8Array(1) };
  return Object.defineProperties(bytes.slice(), Object.getOwnPropertyDescriptors(lies));
}
