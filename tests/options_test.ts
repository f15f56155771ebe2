/** Names and options: what is taken and what becomes of it, what is refused and how that is said. */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { mock } from "node:test";
import { callOn, type CallOptions } from "../src/client/call.ts";
import { type ClientOptions, connectOn, type ConnectOptions } from "../src/client/connect.ts";
import { notifyOn } from "../src/client/notify.ts";
import { exchangesOn } from "../src/exchange/exchanges.ts";
import { abortSignal, optionalFunction, requiredFunction } from "../src/options/checks.ts";
import { type ClientSettings, clientSettings } from "../src/options/client_settings.ts";
import {
  concurrencyLimit,
  serverSettings,
  shutdownTimeout,
} from "../src/options/server_settings.ts";
import type { ExchangesOptions, ServerOptions } from "../src/server/options.ts";
import { serveOn, type ServeOptions } from "../src/exchange/serve.ts";
import type { Responder } from "../src/exchange/responders.ts";
import { lines } from "../src/pipe/framing/lines.ts";
import type { ReceiveOptions, SendOptions } from "../src/pipe/pipe_conn.ts";
import { inWorld, type World } from "./fixture.ts";

const PREFIX = "\\\\.\\pipe\\";
const NO_OBJECTS: [unknown, string][] = [
  [undefined, "undefined"],
  [null, "null"],
  ["name", '"name"'],
  [5, "5"],
];

/** What a program without types may pass. */
function untyped<T>(value: unknown): T {
  return value as T;
}

function server(options: unknown) {
  return serverSettings(untyped<ExchangesOptions>(options));
}

function client(options: unknown) {
  return clientSettings(untyped<ConnectOptions>(options));
}

/** Asserts the class, exactly, and the whole text. */
function assertRefused(
  body: () => unknown,
  ErrorClass: typeof TypeError | typeof RangeError,
  text: string,
): void {
  const error = assertThrows(body, ErrorClass);
  assertStrictEquals(error.constructor, ErrorClass);
  assertEquals(error.message, text);
}

// Names

const LONGEST = "x".repeat(256 - PREFIX.length);
const LONGEST_REMOTE = "x".repeat(256 - "\\\\host\\pipe\\".length);

/** What is typed, and the full name. */
const LOCAL_NAMES: [typed: string, full: string][] = [
  ["x", "\\\\.\\pipe\\x"],
  ["a b.c-d_1", "\\\\.\\pipe\\a b.c-d_1"],
  ["Grüße 🌍", "\\\\.\\pipe\\Grüße 🌍"],
  ["a\\b", "\\\\.\\pipe\\a\\b"],
  ["a\\b\\c", "\\\\.\\pipe\\a\\b\\c"],
  ["a\\", "\\\\.\\pipe\\a\\"],
  ["a\\\\b", "\\\\.\\pipe\\a\\\\b"],
  ["LOCAL\\x", "\\\\.\\pipe\\LOCAL\\x"],
  ["pipe\\x", "\\\\.\\pipe\\pipe\\x"],
  ['x?*<>|:"', '\\\\.\\pipe\\x?*<>|:"'],
  [" a.b c", "\\\\.\\pipe\\ a.b c"],
  ["..a\\.b", "\\\\.\\pipe\\..a\\.b"],
  ["\\\\.\\pipe\\x", "\\\\.\\pipe\\x"],
  ["\\\\.\\PIPE\\x", "\\\\.\\pipe\\x"],
  ["\\\\.\\Pipe\\X\\Y", "\\\\.\\pipe\\X\\Y"],
  ["\\\\?\\pipe\\x", "\\\\.\\pipe\\x"],
  ["\\\\?\\PIPE\\X\\y", "\\\\.\\pipe\\X\\y"],
  ["//?/pipe/x", "\\\\.\\pipe\\x"],
  ["//./pipe/dir/X", "\\\\.\\pipe\\dir\\X"],
  ["//?/Pipe/a/b\\c", "\\\\.\\pipe\\a\\b\\c"],
  ["npipe:////./pipe/docker_engine", "\\\\.\\pipe\\docker_engine"],
  ["NPIPE:////?/PIPE/a/b", "\\\\.\\pipe\\a\\b"],
  ["npipe:x", "\\\\.\\pipe\\npipe:x"],
  ["//./pipe/x", "\\\\.\\pipe\\x"],
  ["//./PIPE/x", "\\\\.\\pipe\\x"],
  ["//./pipe/a\\b", "\\\\.\\pipe\\a\\b"],
  [LONGEST, `\\\\.\\pipe\\${LONGEST}`],
  [`\\\\.\\PIPE\\${LONGEST}`, `\\\\.\\pipe\\${LONGEST}`],
  [`//./pipe/${LONGEST}`, `\\\\.\\pipe\\${LONGEST}`],
];

const REMOTE_NAMES = [
  "\\\\host\\pipe\\x",
  "\\\\HOST\\PIPE\\x",
  "\\\\host.example.org\\pipe\\a\\b",
  "\\\\10.0.0.1\\pipe\\x",
  "\\\\localhost\\pipe\\x",
  `\\\\host\\pipe\\${LONGEST_REMOTE}`,
];

const START = "it must be a name, or start with \\\\.\\pipe\\";
const EMPTY = "the name is empty";
const SLASH = "a name cannot contain a slash";
const BACKSLASH = "a name cannot start with a backslash";
const NUL = "a name cannot contain a NUL character";
const DOT = "no part of a name can end with a dot or a space";
const LONG = "it is longer than 256 characters";

/** What nobody can use. */
const REFUSED_NAMES: [typed: string, reason: string][] = [
  ["", EMPTY],
  ["\\\\.\\pipe\\", EMPTY],
  ["\\\\.\\PIPE\\", EMPTY],
  ["//./pipe/", EMPTY],
  ["\\\\?\\pipe\\", EMPTY],
  ["npipe:////./pipe/", EMPTY],
  ["\\\\host\\pipe\\", EMPTY],
  ["a/b", SLASH],
  ["a/", SLASH],
  ["\\\\.\\pipe\\a/b", SLASH],
  ["\\\\?\\pipe\\a/b", SLASH],
  ["npipe://./pipe/x", SLASH],
  ["npipe://host/pipe/x", SLASH],
  ["C:/x", SLASH],
  ["\\\\.\\pipe\\\\x", BACKSLASH],
  ["//./pipe/\\x", BACKSLASH],
  ["//./pipe//x", BACKSLASH],
  ["\\\\host\\pipe\\\\x", BACKSLASH],
  // Windows would open what stands behind the dots: a file, or a pipe of another machine.
  ["..\\C:\\x.txt", DOT],
  ["..\\UNC\\host\\pipe\\x", DOT],
  ["a\\..\\..\\..\\C:\\x", DOT],
  ["\\\\.\\pipe\\..\\x", DOT],
  ["//./pipe/..\\x", DOT],
  ["//./pipe/a/../../x", DOT],
  ["\\\\?\\pipe\\..\\x", DOT],
  ["\\\\host\\pipe\\..\\x", DOT],
  ["a\\.\\b", DOT],
  ["a.\\b", DOT],
  [".", DOT],
  ["..", DOT],
  ["a.", DOT],
  ["a ", DOT],
  [" ", DOT],
  ["a\\..", DOT],
  ["x\0", NUL],
  ["\\\\.\\pipe\\a\0b", NUL],
  ["/", START],
  ["/x", START],
  ["\\", START],
  ["\\x", START],
  ["\\\\", START],
  ["\\\\.\\pipe", START],
  ["\\\\.\\pipes\\x", START],
  ["\\\\.\\pipe/x", START],
  ["//./pipe\\x", START],
  ["\\\\?\\x", START],
  ["//?/x", START],
  ["//?/pipe\\x", START],
  ["\\\\.\\mailslot\\x", START],
  ["\\\\host\\share\\x", START],
  ["\\\\host\\pipe", START],
  ["//host/pipe/x", START],
  ["\\\\\\pipe\\x", START],
  ["\\\\..\\pipe\\x", START],
  ["\\??\\pipe\\x", START],
  ["\\Device\\NamedPipe\\x", START],
  [`${LONGEST}x`, LONG],
  [`\\\\.\\pipe\\${LONGEST}x`, LONG],
  [`//./pipe/${LONGEST}x`, LONG],
  [`\\\\host\\pipe\\${LONGEST_REMOTE}x`, LONG],
];

const NO_NAMES: [value: unknown, shown: string][] = [
  [undefined, "undefined"],
  [null, "null"],
  [5, "5"],
  [Number.NaN, "NaN"],
  [true, "true"],
  [Symbol("x"), "Symbol(x)"],
  [{}, "an object"],
  [["x"], "an array"],
  [new URL("file:///x"), "an object"],
  // An object that only looks like a string.
  [new String("x"), "an object"],
];

Deno.test("serverSettings() and clientSettings() make a full name of a local one", () => {
  for (const [typed, full] of LOCAL_NAMES) {
    assertEquals(server({ path: typed }).path, full, typed);
    assertEquals(client({ path: typed }).path, full, typed);
    assert(full.length <= 256, typed);
  }
  assertEquals(server({ path: LONGEST }).path.length, 256);
});

Deno.test("a name of another machine is for clients only, and kept as typed", () => {
  for (const name of REMOTE_NAMES) {
    assertEquals(client({ path: name }).path, name);
    const text = `Cannot use "path" "${name}": a server can only listen on this machine`;
    assertRefused(() => server({ path: name }), TypeError, text);
  }
});

Deno.test("names that cannot be used are refused with the reason", () => {
  for (const [typed, reason] of REFUSED_NAMES) {
    const text = `Cannot use "path" "${typed}": ${reason}`;
    assertRefused(() => server({ path: typed }), TypeError, text);
    assertRefused(() => client({ path: typed }), TypeError, text);
  }
});

Deno.test("a name is a string", () => {
  for (const [value, shown] of NO_NAMES) {
    const text = `Cannot use "path": must be a string, was ${shown}`;
    assertRefused(() => server({ path: value }), TypeError, text);
    assertRefused(() => client({ path: value }), TypeError, text);
  }
  assertRefused(() => server({}), TypeError, 'Cannot use "path": must be a string, was undefined');
});

Deno.test("options are an object", () => {
  for (const [value, shown] of NO_OBJECTS) {
    const text = `Cannot use "options": must be an object, was ${shown}`;
    assertRefused(() => server(value), TypeError, text);
    assertRefused(() => client(value), TypeError, text);
  }
});

// Defaults

const SERVER_DEFAULTS: ServerOptions = {
  path: "\\\\.\\pipe\\x",
  instances: 4,
  maxInstances: Infinity,
  readBufferSize: 65_536,
  writeBufferSize: 65_536,
  waitTimeout: 5_000,
  maxMessage: 16_777_216,
  maxBuffered: 268_435_456,
  maxQueued: 16_777_216,
  maxPerProcess: Infinity,
  idleTimeout: Infinity,
  writeTimeout: 30_000,
  responderTimeout: Infinity,
  framing: undefined,
  access: "current-user",
  remote: false,
  type: "message",
  direction: "both",
  join: false,
  measure: false,
  signal: undefined,
  authorize: undefined,
  onListen: undefined,
  onConnect: undefined,
  onDisconnect: undefined,
  identifies: true,
};

const CLIENT_DEFAULTS: ClientSettings = {
  path: "\\\\.\\pipe\\x",
  connectTimeout: 5_000,
  missing: "wait",
  maxMessage: 16_777_216,
  owner: undefined,
  writeTimeout: Infinity,
  direction: "both",
  halfClose: "none",
  framing: undefined,
  impersonation: "identification",
  signal: undefined,
};

Deno.test("serverSettings() fills in the defaults, and nothing else gets through", () => {
  assertEquals(server({ path: "x" }), SERVER_DEFAULTS);
  const absent = Object.fromEntries(Object.keys(SERVER_DEFAULTS).map((key) => [key, undefined]));
  assertEquals(server({ ...absent, path: "x", first: true }), SERVER_DEFAULTS);
  assert(Object.isFrozen(server({ path: "x" })));
});

Deno.test("clientSettings() fills in the defaults, and nothing else gets through", () => {
  assertEquals(client({ path: "x" }), CLIENT_DEFAULTS);
  const absent = Object.fromEntries(Object.keys(CLIENT_DEFAULTS).map((key) => [key, undefined]));
  assertEquals(client({ ...absent, path: "x", first: true }), CLIENT_DEFAULTS);
  assert(Object.isFrozen(client({ path: "x" })));
});

// Access rights

const SDDL = "D:P(A;;FA;;;SY)";
const SID = "S-1-5-21-1-2-3-1001";

Deno.test("access is one of three words or a descriptor, and remote goes with all but one", () => {
  for (const access of ["current-user", "local-users", "system-default"] as const) {
    assertEquals(server({ path: "x", access }).access, access);
  }
  const own = server({ path: "x", access: { sddl: SDDL, more: 1 } }).access;
  assertEquals(own, { sddl: SDDL });
  assert(Object.isFrozen(own));
  assertEquals(server({ path: "x", remote: true }).remote, true);
  assertEquals(server({ path: "x", remote: false, access: "local-users" }).remote, false);
  assertEquals(server({ path: "x", remote: true, access: { sddl: SDDL } }).remote, true);

  const words = 'must be "current-user", "local-users", "system-default" or { sddl }';
  const refused: [unknown, string][] = [
    ["everybody", `Cannot use "access": ${words}, was "everybody"`],
    [null, `Cannot use "access": ${words}, was null`],
    [{}, `Cannot use "access": ${words}, was an object`],
    [{ sddl: "" }, 'Cannot use "access.sddl": must be a security descriptor, was ""'],
    [{ sddl: "D:\0" }, 'Cannot use "access.sddl": must be a security descriptor, was "D:\0"'],
    [{ sddl: 5 }, 'Cannot use "access.sddl": must be a security descriptor, was 5'],
  ];
  for (const [access, text] of refused) {
    assertRefused(() => server({ path: "x", access }), TypeError, text);
  }
  assertRefused(
    () => server({ path: "x", remote: "yes" }),
    TypeError,
    'Cannot use "remote": must be a boolean, was "yes"',
  );
  assertRefused(
    () => server({ path: "x", remote: true, access: "local-users" }),
    TypeError,
    'Cannot use "remote": access "local-users" refuses clients of other machines',
  );
});

Deno.test("users are asked about unless there is nothing to ask", () => {
  const identifies = (options: object) => server({ path: "x", ...options }).identifies;
  assertEquals(identifies({ access: "local-users" }), true);
  assertEquals(identifies({ access: { sddl: SDDL } }), true);
  assertEquals(identifies({ access: "system-default" }), false);
  assertEquals(identifies({ access: "system-default", authorize: () => true }), true);
  assertRefused(
    () => server({ path: "x", authorize: true }),
    TypeError,
    'Cannot use "authorize": must be a function, was true',
  );
});

Deno.test("owner is this user or a SID", () => {
  assertEquals(client({ path: "x", owner: "current-user" }).owner, "current-user");
  assertEquals(client({ path: "x", owner: { sid: SID } }).owner, { sid: SID });
  // As Windows writes them.
  const odd = client({ path: "x", owner: { sid: "s-1-0X0123456789AB-5" } }).owner;
  assertEquals(odd, { sid: "S-1-0x0123456789ab-5" });
  assert(Object.isFrozen(odd));
  const words = 'Cannot use "owner": must be "current-user" or { sid }';
  const refused: [unknown, string][] = [
    ["me", `${words}, was "me"`],
    [SID, `${words}, was "${SID}"`],
    [null, `${words}, was null`],
    [{ sid: "S-2-5" }, 'Cannot use "owner.sid": must be a SID, "S-1-…", was "S-2-5"'],
    [{ sid: "S-1-5" }, 'Cannot use "owner.sid": must be a SID, "S-1-…", was "S-1-5"'],
    [{ sid: 1n }, 'Cannot use "owner.sid": must be a SID, "S-1-…", was 1n'],
  ];
  for (const [value, text] of refused) {
    assertRefused(() => client({ path: "x", owner: value }), TypeError, text);
  }
});

// Numbers

interface NumberOption {
  readonly name: string;
  /** Whose it is, where two have the same name. */
  readonly of?: string;
  readonly check: (value: unknown) => unknown;
  readonly range: string;
  /** Taken, and what becomes of it if that is something else. */
  readonly taken: readonly (number | readonly [typed: number, is: number])[];
  /** Integers out of the range. */
  readonly refused: readonly number[];
  /** The range ends before this one. */
  readonly infinity: "refused" | "taken";
}

const MAX = Number.MAX_SAFE_INTEGER;

const NUMBERS: NumberOption[] = [
  {
    name: "instances",
    check: (instances) => server({ path: "x", instances }).instances,
    range: "from 1 to 65000",
    taken: [1, 2, 4, 255, 256, 65_000],
    refused: [0, -1, 65_001, MAX],
    infinity: "refused",
  },
  {
    name: "maxInstances",
    check: (maxInstances) => server({ path: "x", instances: 1, maxInstances }).maxInstances,
    range: "from 1",
    taken: [1, 4, 5, 255, 256, MAX, Infinity],
    refused: [0, -1, 2 ** 53],
    infinity: "taken",
  },
  {
    name: "readBufferSize",
    check: (readBufferSize) => server({ path: "x", readBufferSize }).readBufferSize,
    range: "from 0 to 4294967295",
    taken: [0, 1, 8192, 65_536, 0xffff_ffff],
    refused: [-1, 0x1_0000_0000, MAX],
    infinity: "refused",
  },
  {
    name: "writeBufferSize",
    check: (writeBufferSize) => server({ path: "x", writeBufferSize }).writeBufferSize,
    range: "from 0 to 4294967295",
    taken: [0, 1, 8192, 65_536, 0xffff_ffff],
    refused: [-1, 0x1_0000_0000, MAX],
    infinity: "refused",
  },
  {
    // 0 is Windows' own default of 50 ms, and 0xffffffff waits for ever.
    name: "waitTimeout",
    check: (waitTimeout) => server({ path: "x", waitTimeout }).waitTimeout,
    range: "from 1 to 4294967294",
    taken: [1, 50, 0xffff_fffe],
    refused: [0, -1, 0xffff_ffff],
    infinity: "refused",
  },
  {
    name: "maxMessage",
    check: (maxMessage) => server({ path: "x", maxMessage }).maxMessage,
    range: "from 0 to 2147483647",
    taken: [0, 1, 16_777_216, 0x7fff_ffff],
    refused: [-1, 0x8000_0000],
    infinity: "refused",
  },
  {
    name: "maxBuffered",
    check: (maxBuffered) => server({ path: "x", maxBuffered }).maxBuffered,
    range: "from 1",
    taken: [1, 4096, 0x1_0000_0000, MAX, Infinity],
    refused: [0, -1, 2 ** 53],
    infinity: "taken",
  },
  {
    name: "maxQueued",
    check: (maxQueued) => server({ path: "x", maxQueued }).maxQueued,
    range: "from 1",
    taken: [1, 4096, 0x1_0000_0000, MAX, Infinity],
    refused: [0, -1, 2 ** 53],
    infinity: "taken",
  },
  {
    name: "maxPerProcess",
    check: (maxPerProcess) => server({ path: "x", maxPerProcess }).maxPerProcess,
    range: "from 1",
    taken: [1, 2, MAX, Infinity],
    refused: [0, -1, 2 ** 53],
    infinity: "taken",
  },
  ...(["idleTimeout", "writeTimeout", "responderTimeout"] as const).map((name): NumberOption => ({
    name,
    check: (value) => server({ path: "x", [name]: value })[name],
    range: "from 1",
    // Longer than any timer of the system, too.
    taken: [1, 1_000, 0x8000_0000, MAX, Infinity],
    refused: [0, -1, 2 ** 53],
    infinity: "taken",
  })),
  {
    // No timer takes more: nearly 25 days.
    name: "connectTimeout",
    check: (connectTimeout) => client({ path: "x", connectTimeout }).connectTimeout,
    range: "from 0",
    taken: [0, 1, 0x7fff_ffff, [0x8000_0000, 0x7fff_ffff], [MAX, 0x7fff_ffff], [
      Infinity,
      0x7fff_ffff,
    ]],
    refused: [-1, -MAX, 2 ** 53],
    infinity: "taken",
  },
  {
    name: "timeout",
    of: "shutdown()",
    check: (timeout) => shutdownTimeout(timeout, "timeout"),
    range: "from 0",
    taken: [0, 1, 0x7fff_ffff, [0x8000_0000, 0x7fff_ffff], [Infinity, 0x7fff_ffff]],
    refused: [-1, 2 ** 53],
    infinity: "taken",
  },
  {
    name: "maxMessage",
    check: (maxMessage) => client({ path: "x", maxMessage }).maxMessage,
    range: "from 0 to 2147483647",
    taken: [0, 1, 16_777_216, 0x7fff_ffff],
    refused: [-1, 0x8000_0000],
    infinity: "refused",
  },
  {
    name: "concurrency",
    check: (concurrency) => concurrencyLimit(concurrency, "concurrency"),
    range: "from 1",
    taken: [1, 2, MAX, Infinity],
    refused: [0, -1, 2 ** 53],
    infinity: "taken",
  },
];

const NO_NUMBERS: [value: unknown, shown: string][] = [
  ["4", '"4"'],
  ["", '""'],
  [true, "true"],
  [{}, "an object"],
  [[4], "an array"],
  [new Date(4), "an object"],
];

for (const { name, of, check, range, taken, refused, infinity } of NUMBERS) {
  Deno.test(`"${name}"${of ? ` of ${of}` : ""}: an integer ${range}`, () => {
    for (const row of taken) {
      const [typed, is] = typeof row === "number" ? [row, row] : row;
      assertStrictEquals(check(typed), is, `${typed}`);
    }
    const outside = [...refused, 4.5, 1e-7, Number.NaN, -Infinity];
    const others = infinity === "taken" ? ", or Infinity" : "";
    if (infinity === "refused") outside.push(Infinity);
    for (const value of outside) {
      const text = `Cannot use "${name}": must be an integer ${range}${others}, was ${value}`;
      assertRefused(() => check(value), RangeError, text);
    }
    for (const [value, shown] of NO_NUMBERS) {
      const text = `Cannot use "${name}": must be a number, was ${shown}`;
      assertRefused(() => check(value), TypeError, text);
    }
    // A bigint is no number, whatever its value.
    assertThrows(() => check(4n), TypeError, `Cannot use "${name}": must be a number, was 4`);
  });
}

Deno.test("null is refused by every option", () => {
  for (const { name, check } of NUMBERS) {
    const text = `Cannot use "${name}": must be a number, was null`;
    assertRefused(() => check(null), TypeError, text);
  }
  const text = 'Cannot use "missing": must be "wait" or "fail", was null';
  assertRefused(() => client({ path: "x", missing: null }), TypeError, text);
});

Deno.test("a bigint is shown as one", () => {
  const text = 'Cannot use "instances": must be a number, was 4n';
  assertRefused(() => server({ path: "x", instances: 4n }), TypeError, text);
});

Deno.test("defaults of what is checked on its own", () => {
  assertEquals(concurrencyLimit(undefined, "concurrency"), Infinity);
  assertEquals(shutdownTimeout(undefined, "timeout"), 10_000);
});

Deno.test('"maxInstances" begins at the instances', () => {
  assertEquals(server({ path: "x", instances: 10, maxInstances: 10 }).maxInstances, 10);
  assertEquals(server({ path: "x", instances: 1, maxInstances: 1 }).maxInstances, 1);
  assertRefused(
    () => server({ path: "x", instances: 10, maxInstances: 9 }),
    RangeError,
    'Cannot use "maxInstances": must be at least "instances", which is 10, was 9',
  );
});

// Other kinds

interface WordOption {
  readonly name: string;
  /** Whose it is. */
  readonly of: string;
  readonly check: (value: unknown) => unknown;
  readonly words: readonly string[];
  /** The words in the error. */
  readonly shown: string;
}

const DIRECTIONS = ["both", "read", "write"];
const LEVELS = ["anonymous", "identification", "impersonation", "delegation"];

const WORDS: WordOption[] = [
  {
    name: "missing",
    of: "a client",
    check: (missing) => client({ path: "x", missing }).missing,
    words: ["wait", "fail"],
    shown: '"wait" or "fail"',
  },
  {
    name: "impersonation",
    of: "a client",
    check: (impersonation) => client({ path: "x", impersonation }).impersonation,
    words: LEVELS,
    shown: '"anonymous", "identification", "impersonation" or "delegation"',
  },
  {
    name: "direction",
    of: "a client",
    check: (direction) => client({ path: "x", direction }).direction,
    words: DIRECTIONS,
    shown: '"both", "read" or "write"',
  },
  {
    name: "direction",
    of: "a server",
    check: (direction) => server({ path: "x", direction }).direction,
    words: DIRECTIONS,
    shown: '"both", "read" or "write"',
  },
  {
    name: "type",
    of: "a server",
    check: (type) => server({ path: "x", type }).type,
    words: ["message", "byte"],
    shown: '"message" or "byte"',
  },
];

for (const { name, of, check, words, shown } of WORDS) {
  Deno.test(`"${name}" of ${of} is one of ${words.length} words`, () => {
    for (const word of words) assertEquals(check(word), word);
    const upper = words[0]?.toUpperCase();
    const refused = [["", '""'], [upper, `"${upper}"`], [true, "true"], [0, "0"], [null, "null"]];
    for (const [value, was] of [...refused, [{}, "an object"]]) {
      const text = `Cannot use "${name}": must be ${shown}, was ${was}`;
      assertRefused(() => check(value), TypeError, text);
    }
  });
}

for (const name of ["join", "measure"] as const) {
  Deno.test(`"${name}" is a boolean`, () => {
    for (const on of [true, false]) assertEquals(server({ path: "x", [name]: on })[name], on);
    assertRefused(
      () => server({ path: "x", [name]: "yes" }),
      TypeError,
      `Cannot use "${name}": must be a boolean, was "yes"`,
    );
  });
}

Deno.test('"signal" is an AbortSignal', () => {
  const { signal } = new AbortController();
  assertStrictEquals(abortSignal(signal), signal);
  assertStrictEquals(abortSignal(undefined), undefined);
  const refused: [unknown, string][] = [
    [null, "null"],
    [true, "true"],
    ["abort", '"abort"'],
    [new AbortController(), "an object"],
    [{ aborted: false, addEventListener() {} }, "an object"],
    [new EventTarget(), "an object"],
  ];
  for (const [value, shown] of refused) {
    assertRefused(
      () => abortSignal(value),
      TypeError,
      `Cannot use "signal": must be an AbortSignal, was ${shown}`,
    );
  }
});

Deno.test("a hook is a function", () => {
  requiredFunction(() => {}, "onListen");
  requiredFunction(async () => {}, "onListen");
  requiredFunction(class {}, "onListen");
  optionalFunction(undefined, "onListen");
  optionalFunction(() => {}, "onListen");
  const text = 'Cannot use "onListen": must be a function, was ';
  const refused = [[null, "null"], ["f", '"f"'], [{}, "an object"], [5, "5"], [[], "an array"]];
  for (const [value, shown] of refused) {
    assertRefused(() => requiredFunction(value, "onListen"), TypeError, text + shown);
    assertRefused(() => optionalFunction(value, "onListen"), TypeError, text + shown);
  }
  assertRefused(() => requiredFunction(undefined, "onListen"), TypeError, `${text}undefined`);
});

// Nothing is created before all is checked

/** Fails the test that asks for a loop. */
function neverOpened() {
  return mock.fn((path: string): never => {
    throw new Error(`test: a loop is opened for "${path}"`);
  });
}

type Refusal = [change: Record<string, unknown>, ErrorClass: typeof TypeError, text: string];

const BAD_FOR_ALL: Refusal[] = [
  [{ path: "" }, TypeError, 'Cannot use "path" "": the name is empty'],
  [{ signal: {} }, TypeError, 'Cannot use "signal": must be an AbortSignal, was an object'],
];

const BAD_FOR_SERVERS: Refusal[] = [
  ...BAD_FOR_ALL,
  [
    { path: "\\\\host\\pipe\\x" },
    TypeError,
    'Cannot use "path" "\\\\host\\pipe\\x": a server can only listen on this machine',
  ],
  [
    { instances: 0 },
    RangeError,
    'Cannot use "instances": must be an integer from 1 to 65000, was 0',
  ],
  [{ onListen: 5 }, TypeError, 'Cannot use "onListen": must be a function, was 5'],
  [
    { direction: "read" },
    TypeError,
    'Cannot use "direction": must be "both" where requests are answered, was "read"',
  ],
  [
    { type: "byte" },
    TypeError,
    'Cannot serve "\\\\.\\pipe\\x": it is a byte pipe: give `framing`, or use listen()',
  ],
];

const BAD_FOR_SERVE: Refusal[] = [
  ...BAD_FOR_SERVERS,
  [{ onError: "log" }, TypeError, 'Cannot use "onError": must be a function, was "log"'],
  [
    { concurrency: 0 },
    RangeError,
    'Cannot use "concurrency": must be an integer from 1, or Infinity, was 0',
  ],
];

const BAD_FOR_CLIENTS: Refusal[] = [
  ...BAD_FOR_ALL,
  [
    { connectTimeout: -1 },
    RangeError,
    'Cannot use "connectTimeout": must be an integer from 0, or Infinity, was -1',
  ],
  [
    { missing: "retry" },
    TypeError,
    'Cannot use "missing": must be "wait" or "fail", was "retry"',
  ],
];

function assertNeverOpened(open: ReturnType<typeof neverOpened>): void {
  assertEquals(open.mock.callCount(), 0);
}

Deno.test("exchanges() throws for wrong options at the call, before it opens anything", () => {
  const open = neverOpened();
  for (const [change, ErrorClass, text] of BAD_FOR_SERVERS) {
    for (const signal of [undefined, AbortSignal.abort()]) {
      const options = untyped<ExchangesOptions>({ path: "x", signal, ...change });
      assertRefused(() => exchangesOn(open, options), ErrorClass, text);
    }
  }
  for (const [value, shown] of NO_OBJECTS) {
    const text = `Cannot use "options": must be an object, was ${shown}`;
    assertRefused(() => exchangesOn(open, untyped<ExchangesOptions>(value)), TypeError, text);
  }
  assertNeverOpened(open);
});

Deno.test("serve() throws for wrong options at the call, before it opens anything", () => {
  const open = neverOpened();
  for (const [change, ErrorClass, text] of BAD_FOR_SERVE) {
    for (const signal of [undefined, AbortSignal.abort()]) {
      const options = untyped<ServeOptions>({ path: "x", signal, ...change });
      assertRefused(() => serveOn(open, options, () => {}), ErrorClass, text);
    }
  }
  for (const [value, shown] of NO_OBJECTS) {
    const text = `Cannot use "options": must be an object, was ${shown}`;
    assertRefused(() => serveOn(open, untyped<ServeOptions>(value), () => {}), TypeError, text);
    if (value === 5) continue;
    assertRefused(
      () => serveOn(open, { path: "x" }, untyped<Responder>(value)),
      TypeError,
      `Cannot use "responder": must be a function, was ${shown}`,
    );
  }
  assertNeverOpened(open);
});

/** Asserts how a promise is rejected, that it is one, and that nothing is thrown at the call. */
async function assertRejected(
  body: () => Promise<unknown>,
  ErrorClass: typeof TypeError | typeof RangeError,
  text: string,
): Promise<void> {
  const promise = body();
  assertInstanceOf(promise, Promise);
  const error = await assertRejects(() => promise, ErrorClass);
  assertStrictEquals(error.constructor, ErrorClass);
  assertEquals(error.message, text);
}

Deno.test("connect() rejects for wrong options before it opens anything", async () => {
  const open = neverOpened();
  for (const [change, ErrorClass, text] of BAD_FOR_CLIENTS) {
    for (const signal of [undefined, AbortSignal.abort()]) {
      const options = untyped<ConnectOptions>({ path: "x", signal, ...change });
      await assertRejected(() => connectOn(open, options), ErrorClass, text);
    }
  }
  for (const [value, shown] of NO_OBJECTS) {
    const text = `Cannot use "options": must be an object, was ${shown}`;
    await assertRejected(() => connectOn(open, untyped<ConnectOptions>(value)), TypeError, text);
  }
  assertNeverOpened(open);
});

Deno.test("call() and notify() reject for wrong options before they open anything", async () => {
  const open = neverOpened();
  for (const [change, ErrorClass, text] of BAD_FOR_CLIENTS) {
    for (const signal of [undefined, AbortSignal.abort()]) {
      const { path, ...options } = untyped<ConnectOptions>({ path: "x", signal, ...change });
      await assertRejected(() => callOn(open, path, "message", options), ErrorClass, text);
      await assertRejected(() => notifyOn(open, path, "message", options), ErrorClass, text);
    }
  }
  await assertRejected(
    () => callOn(open, "x", "message", untyped<CallOptions<"text">>({ as: "string" })),
    TypeError,
    'Cannot use "as": must be "bytes", "text" or "json", was "string"',
  );
  assertNeverOpened(open);
});

Deno.test("call() and notify() reject for a wrong message before they open anything", async () => {
  const open = neverOpened();
  for (const [message, type] of [[undefined, "undefined"], [5, "number"], [{}, "object"]]) {
    const text = `Cannot send a message of type ${type}: must be a string or a Uint8Array`;
    await assertRejected(() => callOn(open, "x", untyped<string>(message)), TypeError, text);
    await assertRejected(() => notifyOn(open, "x", untyped<string>(message)), TypeError, text);
  }
  const options = { framing: lines() };
  const text = "Cannot frame a message as a line: it contains a line feed";
  await assertRejected(() => callOn(open, "x", "a\nb", options), TypeError, text);
  await assertRejected(() => notifyOn(open, "x", "a\nb", options), TypeError, text);
  assertNeverOpened(open);
});

Deno.test("call() takes the name from its first argument only", async () => {
  const open = neverOpened();
  const options = untyped<ConnectOptions>({ path: "other" });
  await assertRejects(
    () => callOn(open, "name", "message", options),
    Error,
    'test: a loop is opened for "\\\\.\\pipe\\name"',
  );
  assertEquals(open.mock.callCount(), 1);
});

Deno.test("exchanges() opens nothing before next(), and then what its options say", async () => {
  const open = neverOpened();
  const exchanges = exchangesOn(open, { path: "x" });
  assertNeverOpened(open);
  await assertRejects(() => exchanges.next(), Error, 'test: a loop is opened for "\\\\.\\pipe\\x"');
  // It has failed for good.
  assertEquals(await exchanges.next(), { done: true, value: undefined });
  assertEquals(open.mock.callCount(), 1);
  const unused = exchangesOn(open, { path: "x" });
  assertEquals(await unused.return(), { done: true, value: undefined });
  assertEquals(await unused.next(), { done: true, value: undefined });
  assertEquals(open.mock.callCount(), 1);
});

// Nothing is read twice

/** Options whose reads are counted; once sealed, reading one fails the test. */
class Counted<T extends object> {
  readonly reads: Record<string, number> = {};
  readonly options: T;
  sealed = false;

  constructor(options: T) {
    this.options = this.#watch("", options);
  }

  /** Each option was read once, and will not be read again. */
  seal(names: readonly string[]): void {
    this.sealed = true;
    assertEquals(this.reads, Object.fromEntries(names.map((name) => [name, 1])));
  }

  #watch<O extends object>(prefix: string, options: O): O {
    return new Proxy(options, {
      get: (target, name) => {
        if (this.sealed) throw new Error(`test: "${String(name)}" is read later`);
        const path = `${prefix}${String(name)}`;
        this.reads[path] = (this.reads[path] ?? 0) + 1;
        const value: unknown = Reflect.get(target, name);
        const nested = typeof value === "object" && value?.constructor === Object;
        return nested ? this.#watch(`${path}.`, value) : value;
      },
    });
  }
}

const SERVER_NAMES = Object.keys(SERVER_DEFAULTS).filter((name) => name !== "identifies");
const CLIENT_NAMES = Object.keys(CLIENT_DEFAULTS);
/** Options of `call()` and `notify()`; the name is no option. */
const CALL_NAMES = [
  "connectTimeout",
  "missing",
  "maxMessage",
  "owner",
  "framing",
  "impersonation",
  "signal",
];

/** What may be told to a server, hooks and signal included. */
function serverOptions(told: string[]): ExchangesOptions {
  return {
    path: "test",
    access: { sddl: SDDL },
    signal: new AbortController().signal,
    authorize: () => told.push("authorize") > 0,
    onListen: () => told.push("onListen"),
    onConnect: () => told.push("onConnect"),
    onDisconnect: () => told.push("onDisconnect"),
  };
}

/** A client comes, is answered, and leaves. */
async function oneExchange(world: World): Promise<void> {
  const raw = await world.asking("hello");
  raw.close();
  await world.idle();
}

inWorld("serve() reads each option once, at the call", async (world) => {
  const told: string[] = [];
  const counted = new Counted<ServeOptions>({
    ...serverOptions(told),
    onError: () => void told.push("onError"),
  });
  const server = serveOn(world.open, counted.options, () => {
    throw new Error("test: the responder throws");
  });
  counted.seal([...SERVER_NAMES, "access.sddl", "concurrency", "onError"]);
  await oneExchange(world);
  assertEquals(told, ["onListen", "authorize", "onConnect", "onError", "onDisconnect"]);
  const shutdown = new Counted({ timeout: 5 });
  const report = server.shutdown(shutdown.options);
  shutdown.seal(["timeout"]);
  await report;
});

inWorld("exchanges() reads each option once, at the call", async (world) => {
  const told: string[] = [];
  const counted = new Counted(serverOptions(told));
  const exchanges = exchangesOn(world.open, counted.options);
  counted.seal([...SERVER_NAMES, "access.sddl"]);
  const first = exchanges.next();
  await oneExchange(world);
  assertEquals((await first).value?.text(), "hello");
  assertEquals(told, ["onListen", "authorize", "onConnect", "onDisconnect"]);
  await exchanges.return();
});

inWorld("connect(), call() and notify() read each option once, at the call", async (world) => {
  world.serve((request) => request);
  const { signal } = new AbortController();
  const owner = { sid: world.kernel.ownUser().text };
  const counted = new Counted<ConnectOptions>({ path: "test", owner, signal });
  const connecting = connectOn(world.open, counted.options);
  counted.seal([...CLIENT_NAMES, "owner.sid"]);
  const connection = await connecting;
  const sending = new Counted<SendOptions>({ signal });
  const sent = connection.send("b", sending.options);
  sending.seal(["signal"]);
  await sent;
  for (
    const use of [
      (options: ReceiveOptions) => connection.receive(options),
      (options: ReceiveOptions) => connection.request("a", options),
    ]
  ) {
    const receiving = new Counted<ReceiveOptions>({ as: "text", signal });
    const used = use(receiving.options);
    receiving.seal(["as", "signal"]);
    await used;
  }
  const options = new Counted<CallOptions>({ owner, signal });
  const answer = callOn(world.open, "test", "c", options.options);
  options.seal([...CALL_NAMES, "as", "owner.sid"]);
  assertEquals(await answer, Uint8Array.of(0x63));
  const without = new Counted<ClientOptions>({ owner, signal });
  const notified = notifyOn(world.open, "test", "c", without.options);
  without.seal([...CALL_NAMES, "owner.sid"]);
  await notified;
  connection.close();
});

Deno.test("a getter that throws does so at the call, before anything is opened", async () => {
  const open = neverOpened();
  const hostile = (name: string): ConnectOptions =>
    Object.defineProperty({ path: "x" }, name, {
      get: () => {
        throw new RangeError(`test: ${name}`);
      },
    });
  for (const name of [...SERVER_NAMES, "concurrency", "onError"]) {
    assertRefused(() => serveOn(open, hostile(name), () => {}), RangeError, `test: ${name}`);
  }
  for (const name of SERVER_NAMES) {
    assertRefused(() => exchangesOn(open, hostile(name)), RangeError, `test: ${name}`);
  }
  for (const name of CLIENT_NAMES) {
    await assertRejected(() => connectOn(open, hostile(name)), RangeError, `test: ${name}`);
  }
  for (const name of [...CALL_NAMES, "as"]) {
    await assertRejected(() => callOn(open, "x", "", hostile(name)), RangeError, `test: ${name}`);
  }
  for (const name of CALL_NAMES) {
    await assertRejected(() => notifyOn(open, "x", "", hostile(name)), RangeError, `test: ${name}`);
  }
  assertNeverOpened(open);
});

Deno.test("a signal that is aborted beforehand: nothing is opened", async () => {
  const open = neverOpened();
  const reason = new Error("not today");
  const signal = AbortSignal.abort(reason);
  assertEquals(await exchangesOn(open, { path: "x", signal }).next(), {
    done: true,
    value: undefined,
  });
  const server = serveOn(open, { path: "x", signal }, () => {});
  assertEquals(server.path, "\\\\.\\pipe\\x");
  await server.finished;
  assertEquals(await server.shutdown(), { exchanges: 0, evicted: 0, dropped: 0 });
  assertRefused(
    () => server.shutdown({ timeout: -1 }),
    RangeError,
    'Cannot use "timeout": must be an integer from 0, or Infinity, was -1',
  );
  await server[Symbol.asyncDispose]();
  for (
    const body of [
      () => connectOn(open, { path: "x", signal }),
      () => callOn(open, "x", "message", { signal }),
    ]
  ) {
    assertStrictEquals(await body().then(() => undefined, (error) => error), reason);
  }
  assertNeverOpened(open);
});
