/**
 * What pends on, or seems to, and must not keep others waiting.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { type Handle, Lane } from "../../src/kernel/kernel.ts";
import { Status } from "../../src/kernel/status.ts";
import { exchangesOn } from "../../src/exchange/exchanges.ts";
import { serveOn } from "../../src/exchange/serve.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import { LAST_WRITE_TIMEOUT } from "../../src/pipe/write_queue.ts";
import { type InFlight, MemoryKernel } from "../memory_kernel.ts";

const PATH = "\\\\.\\pipe\\stranded";

/** Tasks in which everything must come to rest. */
const PATIENCE = 300;

/** Nothing but a cancel ends a write. */
class StrandingKernel extends MemoryKernel {
  constructor() {
    super();
    this.decisions.shows = (submission) => {
      const { lane, operation } = submission as InFlight;
      return lane === Lane.IN || operation.status === Status.SUCCESS;
    };
  }

  override cancel(handle: Handle, lane: Lane, slot: number): number {
    const status = super.cancel(handle, lane, slot);
    for (const flight of [...this.held]) {
      if (flight.lane === lane && flight.slot === slot) this.deliver(flight);
    }
    return status;
  }
}

/**
 * A write pends on after its client has left, until it is cancelled: whether closing ends such a
 * write is unknown, so nobody may rely on it. The instance must take its next client without any
 * time limit (I7). Says what should not have happened, if anything did.
 */
async function stranded(): Promise<string | undefined> {
  const kernel = new StrandingKernel();
  const loop = new WaitLoop(kernel);
  const server = serveOn(() => loop, {
    path: PATH,
    instances: 1,
    maxInstances: 1,
    writeBufferSize: 1,
  }, async (_request, { send, signal }) => {
    await send("more than fits").catch(() => {});
    if (!signal.aborted) throw new Error("a message was taken that nobody has read");
  });
  const client = kernel.system.connect(PATH);
  client.write("a question");
  // The write pends, and the next request is read ahead.
  if (!await comes(() => kernel.inFlight().length === 2)) return "the server does not read ahead";
  client.close();
  if (!await comes(() => kernel.system.count(PATH).listening === 1)) {
    return "I7: an instance waits for the write to a client that has left";
  }
  server.shutdown();
  return await comes(() => kernel.system.names.length === 0)
    ? undefined
    : "I8: the server of a stranded write never ends";
}

/**
 * A server ends while its client never reads the last message, which may take as long as it likes
 * otherwise. Says what should not have happened, if anything did.
 */
async function unread(): Promise<string | undefined> {
  const kernel = new MemoryKernel();
  const loop = new WaitLoop(kernel);
  const abort = new AbortController();
  serveOn(() => loop, {
    path: PATH,
    writeTimeout: Infinity,
    writeBufferSize: 1,
    signal: abort.signal,
  }, () => "more than fits");
  const client = kernel.system.connect(PATH);
  client.write("a question");
  const pends = () => kernel.inFlight().some(({ lane }) => lane === Lane.OUT);
  if (!await comes(pends)) return "the server does not answer";
  abort.abort();
  await comes(() => kernel.system.count(PATH).listening === 0);
  await kernel.advance(LAST_WRITE_TIMEOUT);
  return await comes(() => kernel.system.names.length === 0)
    ? undefined
    : "I8: a server that ends waits for a client that never reads";
}

/**
 * A client does not read its reply, which takes up no room that requests share: another client is
 * served without any time limit (I7). Says what should not have happened, if anything did.
 */
async function hoarded(): Promise<string | undefined> {
  const kernel = new MemoryKernel();
  const loop = new WaitLoop(kernel);
  let asked = 0;
  const server = serveOn(() => loop, { path: PATH, maxBuffered: 100, writeBufferSize: 1 }, () => {
    return ++asked === 1 ? new Uint8Array(10_000) : undefined;
  });
  const [hoarder, other] = [kernel.system.connect(PATH), kernel.system.connect(PATH)];
  for (const [before, client] of [hoarder, other, other].entries()) {
    client.write("a question");
    if (!await comes(() => asked > before)) return "I7: a request waits for a reply to be read";
  }
  for (const client of [hoarder, other]) client.close();
  server.shutdown();
  return await comes(() => kernel.system.names.length === 0)
    ? undefined
    : "I8: the server of a hoarded reply never ends";
}

/**
 * A shutdown's time runs out while a read goes on that was cancelled: a disconnect ends it. Says what
 * should not have happened, if anything did.
 */
async function uncancelled(): Promise<string | undefined> {
  const kernel = new MemoryKernel();
  kernel.decisions.cancels = ({ call }) => call !== "read";
  const loop = new WaitLoop(kernel);
  const server = serveOn(() => loop, { path: PATH }, () => {});
  kernel.system.connect(PATH);
  const reads = () => kernel.inFlight().some(({ call }) => call === "read");
  if (!await comes(reads)) return "the server does not read";
  server.shutdown({ timeout: 5 });
  await kernel.advance(5);
  await comes(() => kernel.system.count(PATH).listening === 0);
  await kernel.advance(LAST_WRITE_TIMEOUT);
  return await comes(() => kernel.system.names.length === 0)
    ? undefined
    : "I8: a shutdown whose time has run out waits for a read";
}

/**
 * A client reads a message, and before its server has seen that it is given the next: nothing waits
 * for it then, and no limit is reached. Says what should not have happened, if anything did.
 */
async function readUnseen(): Promise<string | undefined> {
  const kernel = new MemoryKernel();
  const loop = new WaitLoop(kernel);
  let violation: string | undefined = "the server never answers";
  const server = serveOn(
    () => loop,
    { path: PATH, maxQueued: 1, writeBufferSize: 1 },
    async (_request, { send }) => {
      send("more than fits");
      client.read();
      violation = await send("as much again")
        .then(() => undefined, (error) => `what was read waits: ${error}`);
    },
  );
  const client = kernel.system.connect(PATH);
  client.write("a question");
  await comes(() => client.read() !== undefined);
  await comes(() => violation === undefined);
  client.close();
  server.shutdown();
  return await comes(() => kernel.system.names.length === 0) ? violation : "I8: it never ends";
}

/**
 * A loop over exchanges takes a request and never answers it: a time limit frees its client. Says
 * what should not have happened, if anything did.
 */
async function unanswered(): Promise<string | undefined> {
  const kernel = new MemoryKernel();
  const loop = new WaitLoop(kernel);
  const exchanges = exchangesOn(() => loop, { path: PATH, responderTimeout: 5 });
  const next = exchanges.next();
  const client = kernel.system.connect(PATH);
  client.write("a question");
  const { value: exchange } = await next;
  await kernel.advance(5);
  const freed = exchange?.signal.aborted;
  client.close();
  await exchanges.return();
  return freed ? undefined : "a request that was taken may stay unanswered for ever";
}

/** Whether something comes about, without any time passing. */
async function comes(about: () => boolean): Promise<boolean> {
  for (let i = 0; i < PATIENCE; i++) {
    if (about()) return true;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return about();
}

/** The scenarios, by what each shows. */
export const SCENARIOS: readonly (readonly [string, () => Promise<string | undefined>])[] = [
  ["an instance takes its next client though a write to the last one pends on", stranded],
  ["a server ends though a client never reads its last message", unread],
  ["a reply that its client does not read keeps no other client waiting", hoarded],
  ["a shutdown whose time has run out ends though a cancelled read goes on", uncancelled],
  ["what a client has read does not wait for it, seen by its server or not", readUnseen],
  ["a client whose request is taken and never answered is freed in time", unanswered],
];
