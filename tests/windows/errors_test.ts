/** What goes wrong with real pipes: the class, the whole text and the cause of each error. */

import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { call, connect, type Responder, serve, WindowsError } from "../../mod.ts";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { newPath, within } from "./support.ts";

const client = await startClient();

const echo: Responder = (request) => request;

type ErrorClass = new (message?: string, options?: ErrorOptions) => Error;

/** What an error and its cause have to say. */
interface Expected {
  readonly Class: ErrorClass;
  readonly message: string;
  readonly code: number;
  readonly call: string;
}

function assertError(error: unknown, path: string, expected: Expected): void {
  const { Class, message, code, call } = expected;
  assertInstanceOf(error, Class);
  assertEquals(error.message, message);
  const { cause } = error;
  assertInstanceOf(cause, WindowsError);
  assertEquals([cause.code, cause.call, cause.path], [code, call, path]);
}

windowsTest("errors: without a pipe connect() and call() reject with NotFound", async () => {
  const path = newPath();
  const expected = {
    Class: Deno.errors.NotFound,
    message: `Cannot connect to "${path}": there is no pipe of this name (CreateFileW, error 2)`,
    code: 2,
    call: "CreateFileW",
  };
  const attempts = [
    () => connect({ path, missing: "fail" }),
    () => connect({ path, timeout: 20 }),
    () => call(path, "message", { missing: "fail" }),
  ];
  for (const attempt of attempts) assertError(await assertRejects(attempt), path, expected);
});

windowsTest("errors: while all instances are busy connect() rejects with TimedOut", async () => {
  const path = newPath();
  await using _server = serve({ path, instances: 1, maxInstances: 1 }, echo);
  await using _first = await client.open(path);
  assertError(await assertRejects(() => connect({ path, timeout: 20 })), path, {
    Class: Deno.errors.TimedOut,
    message: `Cannot connect to "${path}": all instances are busy (CreateFileW, error 231), ` +
      "and the time ran out",
    code: 231,
    call: "CreateFileW",
  });
});

windowsTest("errors: a pipe for one direction rejects with PermissionDenied", async () => {
  const path = newPath();
  const server = raw.createPipe(path, { access: "inbound" });
  try {
    assertError(await assertRejects(() => connect({ path, timeout: 0 })), path, {
      Class: Deno.errors.PermissionDenied,
      message: `Cannot connect to "${path}": access is denied (CreateFileW, error 5)`,
      code: 5,
      call: "CreateFileW",
    });
  } finally {
    raw.closeHandle(server);
  }
});

windowsTest("errors: a server that ends the connection rejects with BrokenPipe", async () => {
  const path = newPath();
  await using _server = serve({ path }, (_request, exchange) => exchange.client.close());
  assertError(await assertRejects(() => call(path, "message")), path, {
    Class: Deno.errors.BrokenPipe,
    message:
      `Cannot use the connection to "${path}": the other end was closed (ReadFile, error 109)`,
    code: 109,
    call: "ReadFile",
  });
});

windowsTest("errors: an answer to a client that left rejects with BrokenPipe", async () => {
  const path = newPath();
  const came = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<unknown>();
  await using _server = serve({ path }, async (_request, exchange) => {
    const left = new Promise<void>((resolve) => {
      exchange.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    came.resolve();
    await left;
    answered.resolve(await exchange.reply("too late").catch((error: unknown) => error));
  });
  const pipe = await client.open(path, { messageMode: true });
  await pipe.write("question");
  await within("the question", came.promise);
  await pipe.close();
  assertError(await within("the answer", answered.promise), path, {
    Class: Deno.errors.BrokenPipe,
    message: `Cannot answer a client of "${path}": the other end is closing (WriteFile, error 232)`,
    code: 232,
    call: "WriteFile",
  });
});

windowsTest("errors: a connection that is closed rejects with Interrupted", async () => {
  const path = newPath();
  await using _server = serve({ path }, echo);
  const conn = await connect({ path });
  const waiting = assertRejects(() => conn.receive(), Deno.errors.Interrupted);
  await conn[Symbol.asyncDispose]();
  const text = `Cannot use the connection to "${path}": it is closed`;
  assertEquals((await waiting).message, text);
  const late = await assertRejects(() => conn.request("late"), Deno.errors.Interrupted);
  assertEquals(late.message, text);
});

windowsTest("errors: a message that is too long rejects with InvalidData", async () => {
  const path = newPath();
  await using _server = serve({ path }, () => new Uint8Array(10_001));
  for (const maxMessage of [100, 10_000]) {
    const error = await assertRejects(
      () => call(path, "message", { maxMessage }),
      Deno.errors.InvalidData,
    );
    assertEquals(
      error.message,
      `Cannot read from "${path}": a message of 10001 bytes is longer than the limit of ` +
        `${maxMessage}`,
    );
  }
});

windowsTest("errors: a limit of the server is TimedOut or Busy, and names itself", async () => {
  const path = newPath();
  const ends: unknown[] = [];
  const both = Promise.withResolvers<void>();
  await using _server = serve({
    path,
    idleTimeout: 1_000,
    maxPerProcess: 1,
    onDisconnect(_client, _reason, error) {
      if (ends.push(error) === 2) both.resolve();
    },
  }, echo);
  await using _silent = await client.open(path);
  await using _second = await client.open(path);
  await within("both ends", both.promise);
  const [busy, late] = ends;
  assertInstanceOf(busy, Deno.errors.Busy);
  assertMatch(
    busy.message,
    /^Cannot admit a client of ".+": process \d+ has 1 connections already \(maxPerProcess\)$/,
  );
  assertInstanceOf(late, Deno.errors.TimedOut);
  assertEquals(
    late.message,
    `Closed the connection of a client of "${path}": it sent no request within 1000 ms (idleTimeout)`,
  );
});

windowsTest("errors: what is aborted rejects with the signal's own reason", async () => {
  const path = newPath();
  const reason = { any: "value" };
  await using _server = serve({ path }, () => new Promise<void>(() => {}));
  const controller = new AbortController();
  const answer = call(path, "message", { signal: controller.signal })
    .then(() => undefined, (error: unknown) => error);
  controller.abort(reason);
  assertStrictEquals(await within("the abort", answer), reason);
});
