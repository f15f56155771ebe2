/** The loop over exchanges on Windows: how it ends, and what a careless one does to others. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { type Exchange, exchanges, serve } from "../../mod.ts";
import { exchangesOn } from "../../src/exchange/exchanges.ts";
import { type ClientPipe, startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { Code } from "../win32/raw.ts";
import { newPath, rejectsWith, Tap, within } from "./support.ts";

const client = await startClient();
const LARGE = new Uint8Array(1024 * 1024).fill(9);

function open(path: string): Promise<ClientPipe> {
  return client.open(path, { messageMode: true, wait: 5_000 });
}

async function ask(pipe: ClientPipe, request: string): Promise<string> {
  await pipe.write(request);
  return (await pipe.read()).text;
}

async function nextOf(asked: AsyncGenerator<Exchange, void, void>): Promise<Exchange> {
  const { value } = await within("the next exchange", asked.next());
  assert(value !== undefined);
  return value;
}

windowsTest("exchanges: nothing is created before the first next()", async () => {
  const path = newPath();
  assertThrows(() => exchanges({ path, instances: 0 }), RangeError);
  const asked = exchanges({ path });
  await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
  const next = asked.next();
  await using pipe = await client.open(path);
  await pipe.write("now");
  assertEquals((await next).value?.text(), "now");
  await asked.return();
  assertEquals(await exchanges({ path }).return(), { done: true, value: undefined });
});

windowsTest("exchanges: return() ends a next() that waits, and frees the name", async () => {
  const path = newPath();
  const asked = exchanges({ path });
  const [first, second] = [asked.next(), asked.next()];
  await using pipe = await open(path);
  const returned = asked.return();
  const end = { done: true, value: undefined } as const;
  assertEquals(await within("next()", Promise.all([first, second])), [end, end]);
  assertEquals(await within("return()", returned), end);
  assertEquals(await asked.next(), end);
  await rejectsWith(Code.BROKEN_PIPE, pipe.read());
  await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
});

windowsTest("exchanges: await using ends a next() that waits", async () => {
  const path = newPath();
  let next: Promise<IteratorResult<Exchange, void>>;
  {
    await using asked = exchanges({ path });
    next = asked.next();
    await using pipe = await open(path);
    await pipe.write("hello");
    assertEquals((await next).value?.text(), "hello");
    next = asked.next();
  }
  assertEquals(await within("next()", next), { done: true, value: undefined });
  await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
});

windowsTest("exchanges: the signal ends a next() that waits, without an error", async () => {
  const path = newPath();
  const stop = new AbortController();
  const asked = exchanges({ path, signal: stop.signal });
  const next = asked.next();
  await using pipe = await open(path);
  stop.abort(new Error("enough"));
  assertEquals(await within("next()", next), { done: true, value: undefined });
  await rejectsWith(Code.BROKEN_PIPE, pipe.read());
  await asked.return();
});

windowsTest(
  "exchanges: leaving the loop drops what is open, and keeps what is written",
  async () => {
    const path = newPath();
    await using answered = await (async () => {
      const asked = exchanges({ path });
      const first = asked.next();
      await using open = await client.open(path, { messageMode: true });
      const answered = await client.open(path, { messageMode: true, wait: 5_000 });
      await open.write("unanswered");
      const { value } = await first;
      assertEquals(value?.text(), "unanswered");
      await answered.write("answered");
      for await (const exchange of asked) {
        exchange.reply("the answer");
        break;
      }
      assert(value?.signal.aborted);
      await assertRejects(async () => await value?.reply("too late"), Deno.errors.Interrupted);
      await rejectsWith(Code.BROKEN_PIPE, open.read());
      return answered;
    })();
    assertEquals((await answered.read()).text, "the answer");
    await rejectsWith(Code.BROKEN_PIPE, answered.read());
  },
);

windowsTest("exchanges: throw() and a throwing body end the server as well", async () => {
  const path = newPath();
  const asked = exchanges({ path });
  const next = asked.next();
  await assertRejects(() => asked.throw(new TypeError("mine")), TypeError, "mine");
  assertEquals((await next).done, true);
  await using answered = await (async () => {
    const asked = exchanges({ path });
    const first = asked.next();
    const pipe = await open(path);
    await pipe.write("one");
    (await first).value?.reply("answer");
    await pipe.write("two");
    await assertRejects(
      async () => {
        for await (const exchange of asked) throw new SyntaxError(exchange.text());
      },
      SyntaxError,
      "two",
    );
    return pipe;
  })();
  assertEquals((await answered.read()).text, "answer");
  await rejectsWith(Code.FILE_NOT_FOUND, client.open(path));
});

windowsTest("exchanges: members work taken off the exchange", async () => {
  const path = newPath();
  await using asked = exchanges({ path });
  const answering = (async () => {
    for await (const { instance, client, request, text, json, send, reply } of asked) {
      if (text() === "end") return;
      await send(`${instance.id} ${client.id} ${request.length}`);
      reply(JSON.stringify(json()));
    }
  })();
  await using pipe = await open(path);
  assertEquals(await ask(pipe, '{ "a": 1 }'), "0 1 10");
  assertEquals((await pipe.read()).text, '{"a":1}');
  await pipe.write("end");
  await answering;
});

windowsTest("exchanges: a consumer that awaits each reply answers all who read", async () => {
  const path = newPath();
  await using asked = exchanges({ path });
  const answering = (async () => {
    for await (const exchange of asked) await exchange.reply(LARGE);
  })();
  const pipes = await Promise.all(Array.from({ length: 6 }, () => open(path)));
  await Promise.all(pipes.map(async (pipe) => {
    for (let i = 0; i < 3; i++) {
      await pipe.write("more");
      assertEquals((await pipe.read({ whole: true })).bytes.length, LARGE.length);
    }
  }));
  for (const pipe of pipes) await pipe.close();
  await asked.return();
  await answering;
});

windowsTest("exchanges: one that awaits a reply nobody reads holds up itself alone", async () => {
  const [path, otherPath] = [newPath(), newPath()];
  const asked = exchanges({ path });
  let failure: unknown;
  const held = Promise.withResolvers<void>();
  const texts: string[] = [];
  const answering = (async () => {
    for await (const exchange of asked) {
      texts.push(exchange.text());
      if (exchange.text() === "never read") held.resolve();
      try {
        await exchange.reply(exchange.text() === "never read" ? LARGE : exchange.request);
      } catch (error) {
        failure = error;
      }
    }
  })();
  await using _other = serve({ path: otherPath }, (request) => request);
  const never = await open(path);
  await never.write("never read");
  await within("the exchange", held.promise);
  // Its own clients can connect and ask, and wait.
  const waiting = await Promise.all(Array.from({ length: 6 }, () => open(path)));
  for (const [i, pipe] of waiting.entries()) await pipe.write(`waiting ${i}`);
  // Another server of the same program, on the same loop, goes on.
  await using pipe = await open(otherPath);
  for (let i = 0; i < 50; i++) assertEquals(await ask(pipe, `${i}`), `${i}`);
  assertEquals(texts, ["never read"]);
  // When the client leaves, the rest are served.
  await never.close();
  for (const [i, pipe] of waiting.entries()) {
    assertEquals((await pipe.read()).text, `waiting ${i}`);
    await pipe.close();
  }
  assertInstanceOf(failure, Deno.errors.BrokenPipe);
  await asked.return();
  await answering;
});

windowsTest("exchanges: one that never asks again holds up itself alone, and can end", async () => {
  const [path, otherPath] = [newPath(), newPath()];
  const ended: string[] = [];
  const asked = exchanges({ path, onDisconnect: (_, reason) => ended.push(reason) });
  const first = nextOf(asked);
  const pipes = await Promise.all(Array.from({ length: 8 }, () => open(path)));
  for (const pipe of pipes) await pipe.write("asked");
  (await first).reply("answered");
  await using _other = serve({ path: otherPath }, (request) => request);
  await using pipe = await open(otherPath);
  for (let i = 0; i < 50; i++) assertEquals(await ask(pipe, `${i}`), `${i}`);
  // Even clients that have left wait in its queue, and new ones get in.
  await pipes[1]?.close();
  await using late = await open(path);
  await late.write("asked");
  await within("return()", asked.return());
  assert(ended.length >= 8, `${ended}`);
  const answers = await Promise.allSettled(
    [late, ...pipes.filter((_, i) => i !== 1)].map((pipe) => pipe.read()),
  );
  assertEquals(answers.filter(({ status }) => status === "fulfilled").length, 1);
});

windowsTest("exchanges: what waits is at most one exchange per client", async () => {
  const path = newPath();
  const tap = new Tap();
  const asked = exchangesOn(tap.open, { path, instances: 2, maxInstances: 2 });
  const first = nextOf(asked);
  const pipes = [await open(path), await open(path)];
  for (const pipe of pipes) {
    for (let i = 0; i < 100; i++) await pipe.write(`${i}`);
  }
  const exchange = await first;
  // Answering takes what was there: one read each, and one ahead.
  const reads = tap.of("ReadFile").filter(({ code }) => code === Code.SUCCESS).length;
  assert(reads <= 4, `${reads} reads`);
  exchange.reply("0");
  for (let left = 199; left > 0; left--) {
    const { text, reply } = await nextOf(asked);
    reply(text());
  }
  for (const pipe of pipes) {
    for (let i = 0; i < 100; i++) assertEquals((await pipe.read()).text, `${i}`);
    await pipe.close();
  }
  await asked.return();
});
