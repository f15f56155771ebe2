/** Many clients at once, and whether each of them gets its share. */

import { assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { WindowsKernel } from "../../ffi/windows_kernel.ts";
import { type PipeClient, type Responder, serve } from "../../mod.ts";
import { serveOn } from "../../src/exchange/serve.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { newPath, within } from "./support.ts";

const client = await startClient();
const probes = await startClient();

/** Counts the waits that are parked on other threads. */
class CountedKernel extends WindowsKernel {
  waiting = 0;
  mostWaiting = 0;

  override async wait(drained: boolean): Promise<boolean> {
    this.mostWaiting = Math.max(this.mostWaiting, ++this.waiting);
    const returned = await super.wait(drained);
    this.waiting--;
    return returned;
  }
}

windowsTest("300 clients at once are served over one wait, and leave few instances", async () => {
  const CLIENTS = 300;
  const INSTANCES = 4;
  const path = newPath();
  const kernel = new CountedKernel({ security: true });
  const loop = new WaitLoop(kernel);
  const connected = new Set<PipeClient>();
  let most = 0;
  const reasons: string[] = [];
  const left = Promise.withResolvers<void>();
  const server = serveOn(() => loop, {
    path,
    instances: INSTANCES,
    onDisconnect(client, reason) {
      connected.delete(client);
      reasons.push(reason);
      if (reasons.length === CLIENTS) left.resolve();
    },
  }, async (request, { client }) => {
    connected.add(client);
    most = Math.max(most, connected.size);
    // Some answers come while the loop waits already, and must not make it wait once more.
    if (client.id % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    return request;
  });
  await using probe = await probes.open(path);
  const load = await client.startLoad({ path, clients: CLIENTS, exchanges: 3, timeout: 30_000 });
  // All are connected, and each has had a reply.
  const { counts, errors } = await load.report();
  assertEquals(errors, []);
  assertEquals(counts, Array(CLIENTS).fill(3));
  assertEquals(most, CLIENTS);
  await within("the end of all connections", left.promise, 30_000);
  assertEquals(reasons, Array(CLIENTS).fill("peer"));
  // The probe's own, and those that listen: once clients have left, twice as many.
  assertEquals(await probe.countInstances(), 1 + 2 * INSTANCES);
  // None at all if something was always there when the loop looked.
  assertLessOrEqual(kernel.mostWaiting, 1);
  await probe.close();
  await server.shutdown();
  assertEquals(kernel.waiting, 0);
});

const responders: Record<string, Responder> = {
  "at once": (request) => request,
  "later": (request) => Promise.resolve(request),
};

for (const [when, responder] of Object.entries(responders)) {
  windowsTest(`of 32 clients that are answered ${when}, none gets much less`, async () => {
    const path = newPath();
    await using _server = serve({ path }, responder);
    const { counts, errors } = await client.load({ path, clients: 32, fastest: 500 });
    assertEquals(errors, []);
    assertEquals(Math.max(...counts), 500);
    assertGreaterOrEqual(Math.min(...counts), 400);
  });
}

windowsTest("clients that always have more to ask are served in turn", async () => {
  const CLIENTS = 4;
  const REQUESTS = 50;
  const path = newPath();
  const counts: number[] = Array(CLIENTS).fill(0);
  const all = Promise.withResolvers<void>();
  await using _server = serve({ path, instances: CLIENTS }, ([number = -1]) => {
    counts[number] = (counts[number] ?? 0) + 1;
    assertLessOrEqual(Math.max(...counts) - Math.min(...counts), 1, `unfair: ${counts}`);
    if (Math.min(...counts) === REQUESTS) all.resolve();
  });
  // The server has had no turn yet when all of this is written.
  const handles = counts.map(() => raw.openPipe(path, { overlapped: true }));
  for (const [i, handle] of handles.entries()) {
    for (let n = 0; n < REQUESTS; n++) raw.startWrite(handle, new Uint8Array([i])).finish();
  }
  await within("all requests", all.promise);
  for (const handle of handles) raw.closeHandle(handle);
});
