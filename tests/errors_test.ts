/** From the status of a call to the error that a user catches: the rows of the interface's table. */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { nameTaken, systemError, timedOut, WindowsError } from "../src/kernel/errors.ts";
import { Status } from "../src/kernel/status.ts";
import { type MemoryCall, type MemoryPipes, memoryPipes } from "../src/testing/mod.ts";
import { inWorld } from "./fixture.ts";

const PATH = "\\\\.\\pipe\\x";

type ErrorClass = typeof WindowsError | typeof Deno.errors.NotFound;

interface Cause {
  readonly code: number;
  readonly symbol: string;
  readonly call: string;
}

/** Asserts all that a user can see of an error. */
function assertError(error: unknown, Class: ErrorClass, message: string, cause: Cause): void {
  assertInstanceOf(error, Class);
  assertStrictEquals(error.constructor, Class);
  assertEquals(error.message, message);
  const windows = Class === WindowsError ? error : error.cause;
  assertInstanceOf(windows, WindowsError);
  const { code, symbol, call, path, name } = windows;
  assertEquals({ code, symbol, call }, cause);
  assertEquals({ path, name }, { path: PATH, name: "WindowsError" });
}

/** Each code: whose class it is, its name in Windows' headers, and what it means. */
const CODES: [code: number, Class: ErrorClass, symbol: string, text: string][] = [
  [2, Deno.errors.NotFound, "ERROR_FILE_NOT_FOUND", "there is no pipe of this name"],
  [5, Deno.errors.PermissionDenied, "ERROR_ACCESS_DENIED", "access is denied"],
  [231, Deno.errors.Busy, "ERROR_PIPE_BUSY", "all instances are busy"],
  [109, Deno.errors.BrokenPipe, "ERROR_BROKEN_PIPE", "the other end was closed"],
  [232, Deno.errors.BrokenPipe, "ERROR_NO_DATA", "the other end is closing"],
  [233, Deno.errors.BrokenPipe, "ERROR_PIPE_NOT_CONNECTED", "no process is at the other end"],
  [3, WindowsError, "ERROR_PATH_NOT_FOUND", "there is no such path"],
  [6, WindowsError, "ERROR_INVALID_HANDLE", "the handle is invalid"],
  [8, WindowsError, "ERROR_NOT_ENOUGH_MEMORY", "there is not enough memory"],
  [53, WindowsError, "ERROR_BAD_NETPATH", "the network path was not found"],
  [66, WindowsError, "ERROR_BAD_DEV_TYPE", "the resource is of the wrong type"],
  [87, WindowsError, "ERROR_INVALID_PARAMETER", "a parameter is invalid"],
  [121, WindowsError, "ERROR_SEM_TIMEOUT", "the operation timed out"],
  [123, WindowsError, "ERROR_INVALID_NAME", "the name is malformed"],
  [230, WindowsError, "ERROR_BAD_PIPE", "the pipe is in the wrong state"],
  [234, WindowsError, "ERROR_MORE_DATA", "the message is longer than expected"],
  [535, WindowsError, "ERROR_PIPE_CONNECTED", "a client is already connected"],
  [536, WindowsError, "ERROR_PIPE_LISTENING", "no client is connected yet"],
  [995, WindowsError, "ERROR_OPERATION_ABORTED", "the operation was cancelled"],
  [1450, WindowsError, "ERROR_NO_SYSTEM_RESOURCES", "there are not enough system resources"],
  [1784, WindowsError, "ERROR_INVALID_USER_BUFFER", "the buffer cannot be used"],
  [1816, WindowsError, "ERROR_NOT_ENOUGH_QUOTA", "the quota is used up"],
];

for (const [code, Class, symbol, text] of CODES) {
  Deno.test(`systemError() of ${code} is ${Class.name}, and tells ${symbol}`, () => {
    assertError(
      systemError("Cannot listen on", "CreateNamedPipeW", PATH, code),
      Class,
      `Cannot listen on "${PATH}": ${text} (CreateNamedPipeW, error ${code})`,
      { code, symbol, call: "CreateNamedPipeW" },
    );
  });
}

Deno.test("the text of an error is the one that is documented", () => {
  assertEquals(
    systemError("Cannot listen on", "CreateNamedPipeW", PATH, 5).message,
    'Cannot listen on "\\\\.\\pipe\\x": access is denied (CreateNamedPipeW, error 5)',
  );
});

Deno.test("the cause of an error says the same as the error", () => {
  const error = systemError("Cannot connect to", "CreateFileW", PATH, 2);
  assertInstanceOf(error.cause, WindowsError);
  assertEquals(error.cause.message, error.message);
  assertEquals(error.cause.cause, undefined);
  // And it is no class of Deno's, so that one `instanceof` tells them apart.
  assert(!(error.cause instanceof Deno.errors.NotFound));
  assertEquals(`${error.cause}`, `WindowsError: ${error.message}`);
});

Deno.test("systemError() of a code without a name gives its number", () => {
  for (const code of [1, 4242, 0x7fff_ffff]) {
    assertError(
      systemError("Cannot read from", "ReadFile", PATH, code),
      WindowsError,
      `Cannot read from "${PATH}": the system refused it (ReadFile, error ${code})`,
      { code, symbol: `ERROR_${code}`, call: "ReadFile" },
    );
  }
});

Deno.test("systemError() of a reason that was lost says so, and never success", () => {
  for (const status of [Status.UNKNOWN, Status.SUCCESS]) {
    assertError(
      systemError("Cannot write to", "WriteFile", PATH, status),
      WindowsError,
      `Cannot write to "${PATH}": the system gave no reason (WriteFile, error 0)`,
      { code: 0, symbol: "ERROR_0", call: "WriteFile" },
    );
  }
});

Deno.test("nameTaken() is AddrInUse, whichever way Windows says it", () => {
  const rows = [
    [5, "ERROR_ACCESS_DENIED", "access is denied"],
    [231, "ERROR_PIPE_BUSY", "all instances are busy"],
  ] as const;
  for (const [code, symbol, text] of rows) {
    const error = nameTaken("CreateNamedPipeW", PATH, code, undefined);
    assertStringIncludes(nameTaken("X", PATH, code, 12).message, ": process 12 has the name (X");
    assertError(
      error,
      Deno.errors.AddrInUse,
      `Cannot listen on "${PATH}": another server has the name (CreateNamedPipeW, error ${code})`,
      { code, symbol, call: "CreateNamedPipeW" },
    );
    assertInstanceOf(error.cause, WindowsError);
    // What Windows itself said is not lost.
    assertEquals(
      error.cause.message,
      `Cannot listen on "${PATH}": ${text} (CreateNamedPipeW, error ${code})`,
    );
  }
});

Deno.test("timedOut() is TimedOut, and tells for what it was waited", () => {
  assertError(
    timedOut("Cannot connect to", "CreateFileW", PATH, 231),
    Deno.errors.TimedOut,
    `Cannot connect to "${PATH}": all instances are busy (CreateFileW, error 231), ` +
      "and the time ran out",
    { code: 231, symbol: "ERROR_PIPE_BUSY", call: "CreateFileW" },
  );
});

Deno.test("WindowsError can be made and caught by its members", () => {
  const error = new WindowsError("Cannot use", { code: 87, call: "CreateEventW", path: PATH });
  assertInstanceOf(error, Error);
  assertEquals(
    error.message,
    `Cannot use "${PATH}": a parameter is invalid (CreateEventW, error 87)`,
  );
  assertNotEquals(error.stack, undefined);
  assertEquals(error.cause, undefined);
});

// The same rows, as they come out of the calls of users

const CREATE = "CreateNamedPipeW";
const OPEN = "CreateFileW";

/** Fails one call of Windows with a code. */
function failing(failed: MemoryCall["call"], code: number): MemoryPipes {
  return memoryPipes({ fault: ({ call }) => call === failed ? code : undefined });
}

function listenError(code: number): unknown {
  return assertThrows(() => failing(CREATE, code).serve({ path: "x" }, () => {}));
}

Deno.test("serve() on a name that somebody has throws AddrInUse", async () => {
  await using pipes = memoryPipes();
  const other = pipes.as({ processId: 4711 }).serve({ path: "x" }, () => {});
  assertError(
    assertThrows(() => pipes.serve({ path: "x" }, () => {})),
    Deno.errors.AddrInUse,
    `Cannot listen on "${PATH}": process 4711 has the name (${CREATE}, error 5)`,
    { code: 5, symbol: "ERROR_ACCESS_DENIED", call: CREATE },
  );
  await other.shutdown();
  await using _server = pipes.serve({ path: "x" }, () => {});
});

Deno.test("serve() on a name that is not allowed throws PermissionDenied", () => {
  assertError(
    listenError(5),
    Deno.errors.PermissionDenied,
    `Cannot listen on "${PATH}": access is denied (${CREATE}, error 5)`,
    { code: 5, symbol: "ERROR_ACCESS_DENIED", call: CREATE },
  );
});

Deno.test("serve() throws what else prevents listening as a WindowsError", () => {
  assertError(
    listenError(123),
    WindowsError,
    `Cannot listen on "${PATH}": the name is malformed (${CREATE}, error 123)`,
    { code: 123, symbol: "ERROR_INVALID_NAME", call: CREATE },
  );
});

inWorld("serve() says when the reason was lost", (world) => {
  world.kernel.failNext("create", Status.UNKNOWN);
  assertError(
    assertThrows(() => world.serve(() => {}, { path: "x" })),
    WindowsError,
    `Cannot listen on "${PATH}": the system gave no reason (${CREATE}, error 0)`,
    { code: 0, symbol: "ERROR_0", call: CREATE },
  );
});

Deno.test("connect() and call() without a pipe reject with NotFound", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  const message = `Cannot connect to "${PATH}": there is no pipe of this name (${OPEN}, error 2)`;
  const cause = { code: 2, symbol: "ERROR_FILE_NOT_FOUND", call: OPEN };
  const attempts = [
    () => pipes.connect({ path: "x", missing: "fail" }),
    () => pipes.connect({ path: "x", connectTimeout: 0 }),
    () => pipes.call("x", "message", { missing: "fail" }),
  ];
  for (const attempt of attempts) {
    assertError(await assertRejects(attempt), Deno.errors.NotFound, message, cause);
  }
  const late = assertRejects(() => pipes.connect({ path: "x", connectTimeout: 100 }));
  await pipes.advance(100);
  const waited = message.replace(" (", ", and none was created within 100 ms (");
  assertError(await late, Deno.errors.NotFound, waited, cause);
});

Deno.test("connect() while all instances are busy rejects with TimedOut", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  using _server = pipes.rawServer("x");
  using _first = await pipes.rawClient("x");
  const late = assertRejects(() => pipes.connect({ path: "x", connectTimeout: 100 }));
  await pipes.advance(100);
  assertError(
    await late,
    Deno.errors.TimedOut,
    `Cannot connect to "${PATH}": all instances are busy (${OPEN}, error 231), ` +
      "and the time ran out",
    { code: 231, symbol: "ERROR_PIPE_BUSY", call: OPEN },
  );
});

Deno.test("connect() to a server that does not admit the user rejects with PermissionDenied", async () => {
  await using pipes = memoryPipes();
  await using _server = pipes.serve({ path: "x" }, () => {});
  const stranger = pipes.as({ sid: "S-1-5-21-1-2-3-1002" });
  assertError(
    await assertRejects(() => stranger.connect({ path: "x" })),
    Deno.errors.PermissionDenied,
    `Cannot connect to "${PATH}": access is denied (${OPEN}, error 5)`,
    { code: 5, symbol: "ERROR_ACCESS_DENIED", call: OPEN },
  );
});

Deno.test("a connection that the server ended rejects with BrokenPipe", async () => {
  await using pipes = memoryPipes();
  using server = pipes.rawServer("x");
  const answer = pipes.call("x", "message");
  assertEquals(await server.read(), new TextEncoder().encode("message"));
  server.close();
  assertError(
    await assertRejects(() => answer),
    Deno.errors.BrokenPipe,
    `Cannot use the connection to "${PATH}": the other end was closed (ReadFile, error 109)`,
    { code: 109, symbol: "ERROR_BROKEN_PIPE", call: "ReadFile" },
  );
});

Deno.test("a send to a server that is gone names the call that failed", async () => {
  await using pipes = memoryPipes();
  using server = pipes.rawServer("x");
  await using connection = await pipes.connect({ path: "x" });
  server.close();
  assertError(
    await assertRejects(() => connection.send("message")),
    Deno.errors.BrokenPipe,
    `Cannot use the connection to "${PATH}": the other end is closing (WriteFile, error 232)`,
    { code: 232, symbol: "ERROR_NO_DATA", call: "WriteFile" },
  );
});

Deno.test("a connection that is closed rejects with Interrupted", async () => {
  await using pipes = memoryPipes();
  using _server = pipes.rawServer("x");
  const connection = await pipes.connect({ path: "x" });
  const pending = connection.receive();
  pending.catch(() => {});
  await connection[Symbol.asyncDispose]();
  const text = `Cannot use the connection to "${PATH}": it is closed`;
  for (const use of [() => pending, () => connection.request("a"), () => connection.send("a")]) {
    const error = await assertRejects(use);
    assertInstanceOf(error, Deno.errors.Interrupted);
    assertEquals([error.message, error.cause], [text, undefined]);
  }
});
