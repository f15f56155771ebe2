/** What goes wrong with real pipes: the class, the whole text and the cause of each error. */

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { call, connect, type Responder, serve, WindowsError } from "../../mod.ts";
import { startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { newPath } from "./support.ts";

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
  const expected = (reason: string) => ({
    Class: Deno.errors.NotFound,
    message: `Cannot connect to "${path}": ${reason} (CreateFileW, error 2)`,
    code: 2,
    call: "CreateFileW",
  });
  const missing = "there is no pipe of this name";
  const attempts: [() => Promise<unknown>, string][] = [
    [() => connect({ path, missing: "fail" }), missing],
    [() => connect({ path, connectTimeout: 20 }), `${missing}, and none was created within 20 ms`],
    [() => call(path, "message", { missing: "fail" }), missing],
  ];
  for (const [attempt, reason] of attempts) {
    assertError(await assertRejects(attempt), path, expected(reason));
  }
});

windowsTest("errors: while all instances are busy connect() rejects with TimedOut", async () => {
  const path = newPath();
  await using _server = serve({ path, instances: 1, maxInstances: 1 }, echo);
  await using _first = await client.open(path);
  assertError(await assertRejects(() => connect({ path, connectTimeout: 20 })), path, {
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
    assertError(await assertRejects(() => connect({ path, connectTimeout: 0 })), path, {
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
