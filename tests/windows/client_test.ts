/** What the foreign client of the other tests notices, so that they can rely on it. */

import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { serve } from "../../mod.ts";
import { ClientGone, startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { patternBytes, patternMismatch } from "../win32/pattern.ts";
import { Code } from "../win32/raw.ts";
import { newPath, rejectsWith } from "./support.ts";

const client = await startClient();

windowsTest(
  "client: a load tells wrong replies, missing replies and lost connections",
  async () => {
    const path = newPath();
    let clients = 0;
    await using _server = serve({ path }, (request, exchange) => {
      switch (clients++) {
        case 0:
          return request.with(63, 0);
        case 1:
          return exchange.client.close();
        case 2:
          return new Promise((resolve) =>
            exchange.signal.addEventListener("abort", () => resolve())
          );
      }
      return request;
    });
    const { counts, errors } = await client.load({
      path,
      clients: 4,
      exchanges: 2,
      timeout: 1_000,
    });
    assertEquals(counts.toSorted(), [0, 0, 0, 2]);
    const codes = errors.map(({ code }) => `${code}`).toSorted();
    assertEquals(codes, [`${Code.BROKEN_PIPE}`, `${Code.WAIT_TIMEOUT}`, "undefined"]);
    // Nobody is there.
    const missing = await client.load({ path: newPath(), clients: 1, exchanges: 1 });
    assertEquals(missing.errors.map(({ code }) => code), [Code.FILE_NOT_FOUND]);
  },
);

windowsTest("client: a pattern is told from what differs in one byte, or is shorter", async () => {
  const pattern = { length: 1000, seed: 8 };
  const wrong = patternBytes(pattern);
  wrong[999] = Number(wrong[999]) ^ 1;
  assertEquals(patternMismatch(wrong, 8), 999);
  const path = newPath();
  const replies = [patternBytes(pattern), wrong, patternBytes({ length: 999, seed: 8 })];
  await using _server = serve({ path }, () => replies.shift());
  await using pipe = await client.open(path, { messageMode: true });
  await pipe.write("", { count: 3 });
  assert(await pipe.readPattern(pattern));
  for (let i = 0; i < 2; i++) assertFalse(await pipe.readPattern(pattern));
});

windowsTest(
  "client: what takes too long is cancelled, and a process that is killed is gone",
  async () => {
    const path = newPath();
    await using _server = serve({ path }, (request) => request);
    await using victim = await startClient();
    const pipe = await victim.open(path, { messageMode: true });
    await rejectsWith(Code.WAIT_TIMEOUT, pipe.read({ timeout: 20 }));
    assertEquals(await pipe.ask("late"), "late");
    const reading = assertRejects(() => pipe.read(), ClientGone);
    await victim.kill();
    await reading;
    await assertRejects(() => victim.open(path), ClientGone);
  },
);
