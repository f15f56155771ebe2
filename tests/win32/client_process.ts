/**
 * The process of the foreign client: takes calls as lines of JSON on stdin and answers on stdout;
 * the end of stdin ends it. `client.ts` is its other end.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { type Pattern, patternBytes, patternMismatch } from "./pattern.ts";
import * as raw from "./raw.ts";
import { Code, type Handle, type OpenOptions, type Operation, Win32Error } from "./raw.ts";
import { type Answer, type Call, fromJson, toJson } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What to write: a string as UTF-8. */
export type Payload = string | Bytes | Pattern;

/** A time limit in milliseconds. Beyond it the call rejects with code 258. */
export interface Limit {
  /** @default {10_000} */
  timeout?: number | undefined;
}

/** How to open. */
export interface ClientOpenOptions extends Omit<OpenOptions, "overlapped"> {
  /** How many milliseconds to go on with WaitNamedPipe while all instances are busy. @default {0} */
  wait?: number | undefined;
}

/** How to read. */
export interface ReadOptions extends Limit {
  /** The size of the buffer. @default {65_536} */
  size?: number | undefined;
  /** Read on while Windows says ERROR_MORE_DATA. @default {false} */
  whole?: boolean | undefined;
}

/** How to write. */
export interface WriteOptions extends Limit {
  /** How many times, each when the one before is over. @default {1} */
  count?: number | undefined;
}

/** A load in a closed loop: each client writes its next message when it has the reply. */
export interface LoadOptions {
  path: string;
  /** How many connections. */
  clients: number;
  /** Until each client has had so many. */
  exchanges?: number | undefined;
  /** Until the fastest client has had so many. */
  fastest?: number | undefined;
  /** How many requests of one client may be without a reply. @default {1} */
  pipeline?: number | undefined;
  /** Whether the reply has to equal the request, of 64 bytes. @default {true} */
  echo?: boolean | undefined;
  /** How long a reply may take, in milliseconds. @default {10_000} */
  timeout?: number | undefined;
}

/** What became of one client of a load. */
export interface LoadError {
  client: number;
  /** The code of Windows; 258 when no reply came; undefined when the reply was wrong. */
  code: number | undefined;
  message: string;
}

/** How a load went. */
export interface LoadReport {
  /** The exchanges of each client when the load was over. */
  counts: number[];
  errors: LoadError[];
}

/** Connect and leave, again and again, one after another. */
export interface VisitOptions {
  path: string;
  rounds: number;
  /** Written before leaving. */
  write?: Payload | undefined;
  /** How many milliseconds to wait for a free instance, each time. @default {5_000} */
  wait?: number | undefined;
}

function bytesOf(payload: Payload): Bytes {
  if (typeof payload === "string") return new TextEncoder().encode(payload);
  return payload instanceof Uint8Array ? payload : patternBytes(payload);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

// Operations, all of which signal one event

const event = raw.createEvent();
const waiting = new Map<Operation, { deadline: number; resolve: (isOver: boolean) => void }>();
let watching = false;
/** Loads that run. */
let running = 0;

/** Whether an operation ends in time. All that are over are told in rounds: nobody comes twice. */
function ends(operation: Operation, timeout: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  waiting.set(operation, { deadline: performance.now() + timeout, resolve });
  if (!watching) void watch();
  return promise;
}

async function watch(): Promise<void> {
  watching = true;
  while (waiting.size > 0) {
    raw.resetEvent(event);
    if (!tell()) {
      // A submission takes the signal of another operation back, so no wait is long. A load need
      // not go through another thread, since the process has nothing else to do.
      if (running > 0) raw.waitFor(event, 10);
      else await raw.waitForLater(event, 20);
    }
    await nextTurn();
  }
  watching = false;
}

/** Whether there was anybody to tell. */
function tell(): boolean {
  const before = waiting.size;
  const now = performance.now();
  for (const [operation, { deadline, resolve }] of [...waiting]) {
    if (!operation.done && now < deadline) continue;
    waiting.delete(operation);
    resolve(operation.done);
  }
  return waiting.size < before;
}

function timedOut(timeout: number): Win32Error {
  return new Win32Error("WaitForSingleObject", Code.WAIT_TIMEOUT, `: not over in ${timeout} ms`);
}

/** What Windows says is expected. */
function tolerating(code: number, call: () => void): void {
  try {
    call();
  } catch (error) {
    if (!(error instanceof Win32Error) || error.code !== code) throw error;
  }
}

/** The outcome of an operation, which is cancelled when it takes too long. */
async function outcome(operation: Operation, { timeout = 10_000 }: Limit): Promise<raw.Received> {
  if (await ends(operation, timeout)) return operation.finish();
  tolerating(Code.NOT_FOUND, () => operation.cancel());
  await ends(operation, 5_000);
  tolerating(Code.OPERATION_ABORTED, () => operation.finish());
  throw timedOut(timeout);
}

async function readFrom(
  handle: Handle,
  { size = 65_536, whole = false, ...limit }: ReadOptions = {},
): Promise<raw.Received> {
  const parts: Bytes[] = [];
  let part: raw.Received;
  do {
    part = await outcome(raw.startRead(handle, size, event), limit);
    parts.push(part.bytes);
  } while (whole && part.more);
  return { bytes: await new Blob(parts).bytes(), more: part.more };
}

async function writeTo(handle: Handle, bytes: Bytes, limit: Limit = {}): Promise<void> {
  const { length } = (await outcome(raw.startWrite(handle, bytes, event), limit)).bytes;
  if (length !== bytes.length) throw new Error(`${length} of ${bytes.length} bytes written`);
}

/** Opens, and while all instances are busy waits for one; other calls go on meanwhile. */
async function openWaiting(path: string, options: OpenOptions, wait: number): Promise<Handle> {
  const end = performance.now() + wait;
  while (true) {
    try {
      return raw.openPipe(path, { ...options, overlapped: true });
    } catch (error) {
      const busy = error instanceof Win32Error && error.code === Code.PIPE_BUSY;
      if (!busy || performance.now() >= end) throw error;
    }
    tolerating(Code.SEM_TIMEOUT, () => raw.waitNamedPipe(path, 20));
    await nextTurn();
  }
}

/** Clients in a closed loop. */
class Load {
  readonly #options: LoadOptions;
  readonly #received: number[];
  readonly #errors: LoadError[] = [];
  readonly #started = Promise.withResolvers<void>();
  readonly report: Promise<LoadReport>;
  /** What each client had when the load was over. */
  #counts: number[] | undefined;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#received = Array(options.clients).fill(0);
    this.report = this.#run();
  }

  /** When all have had a reply, or failed. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  stop(): void {
    this.#counts ??= [...this.#received];
  }

  async #run(): Promise<LoadReport> {
    const { path, clients } = this.#options;
    const handles = new Map<number, Handle>();
    for (let client = 0; client < clients; client++) {
      await this.#noting(client, async () => {
        handles.set(client, await openWaiting(path, { messageMode: true }, 5_000));
      });
    }
    running++;
    await Promise.all(
      handles.entries().map(async ([client, handle]) => {
        await this.#noting(client, () => this.#exchange(client, handle));
        raw.closeHandle(handle);
        this.#look(client);
      }),
    );
    running--;
    this.stop();
    this.#started.resolve();
    return { counts: this.#counts ?? [], errors: this.#errors };
  }

  async #exchange(client: number, handle: Handle): Promise<void> {
    const { pipeline = 1, exchanges = Infinity, echo = true, ...limit } = this.#options;
    const request = patternBytes({ length: 64, seed: client });
    const expected = request.slice();
    const stamp = (bytes: Bytes, number: number) => new DataView(bytes.buffer).setUint32(0, number);
    for (let sent = 0, received = 0;; this.#look(client)) {
      for (
        ;
        this.#counts === undefined && sent < Math.min(received + pipeline, exchanges);
        sent++
      ) {
        stamp(request, sent);
        await writeTo(handle, request, limit);
      }
      // What is under way when the load is over still ends in good order.
      if (received === sent) return;
      const reply = await readFrom(handle, limit);
      stamp(expected, received);
      if (echo && (reply.more || reply.bytes.some((byte, i) => byte !== expected[i]))) {
        throw new Error(`Reply ${received} is wrong`);
      }
      this.#received[client] = ++received;
    }
  }

  #look(client: number): void {
    const { fastest = Infinity } = this.#options;
    if ((this.#received[client] ?? 0) >= fastest) this.stop();
    const failed = new Set(this.#errors.map(({ client }) => client));
    if (this.#received.every((count, client) => count > 0 || failed.has(client))) {
      this.#started.resolve();
    }
  }

  async #noting(client: number, body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      const code = error instanceof Win32Error ? error.code : undefined;
      this.#errors.push({ client, code, message: String(error) });
    }
  }
}

// Calls

/** Things that the other side knows by number. */
class Table<T> {
  readonly #items = new Map<number, T>();
  #last = 0;

  add(item: T): number {
    this.#items.set(++this.#last, item);
    return this.#last;
  }

  get(number: number): T {
    const item = this.#items.get(number);
    if (item === undefined) throw new Error(`There is no ${number}`);
    return item;
  }

  take(number: number): T {
    const item = this.get(number);
    this.#items.delete(number);
    return item;
  }
}

const pipes = new Table<Handle>();
const operations = new Table<Operation>();
const loads = new Table<Load>();

/** Each begins what it does before its first `await`: that keeps the order of the calls. */
const functions = {
  hello(): void {},
  async open(path: string, { wait = 0, ...options }: ClientOpenOptions = {}): Promise<number> {
    return pipes.add(await openWaiting(path, options, wait));
  },
  /** Takes over a handle that `duplicate` put into this process. */
  adopt(handle: string): number {
    return pipes.add(BigInt(handle));
  },
  duplicate(pipe: number, processId: number): string {
    const process = raw.openProcess(processId);
    try {
      return String(raw.duplicateHandle(pipes.get(pipe), process));
    } finally {
      raw.closeHandle(process);
    }
  },
  close(pipe: number): void {
    raw.closeHandle(pipes.take(pipe));
  },
  read(pipe: number, options?: ReadOptions): Promise<raw.Received> {
    return readFrom(pipes.get(pipe), options);
  },
  /** Whether the next message is a pattern. */
  async readPattern(pipe: number, { length, seed }: Pattern): Promise<boolean> {
    const { bytes } = await readFrom(pipes.get(pipe), { whole: true });
    return bytes.length === length && patternMismatch(bytes, seed) === -1;
  },
  async write(pipe: number, payload: Payload, options: WriteOptions = {}): Promise<void> {
    const bytes = bytesOf(payload);
    for (let i = 0; i < (options.count ?? 1); i++) await writeTo(pipes.get(pipe), bytes, options);
  },
  startRead(pipe: number): number {
    return operations.add(raw.startRead(pipes.get(pipe), 65_536, event));
  },
  startWrite(pipe: number, payload: Payload): number {
    return operations.add(raw.startWrite(pipes.get(pipe), bytesOf(payload), event));
  },
  cancel(operation: number): void {
    operations.get(operation).cancel();
  },
  finish(operation: number): Promise<raw.Received> {
    return outcome(operations.take(operation), {});
  },
  countInstances(pipe: number): number {
    return raw.countInstances(pipes.get(pipe));
  },
  /** Blocks the process. 0 milliseconds stand for the pipe's own default. */
  waitNamedPipe: raw.waitNamedPipe,
  async visit({ path, rounds, write, wait = 5_000 }: VisitOptions): Promise<void> {
    const bytes = write === undefined ? undefined : bytesOf(write);
    for (let i = 0; i < rounds; i++) {
      const handle = await openWaiting(path, {}, wait);
      try {
        if (bytes !== undefined) await writeTo(handle, bytes);
      } finally {
        raw.closeHandle(handle);
      }
    }
  },
  async startLoad(options: LoadOptions): Promise<number> {
    const load = new Load(options);
    await load.started;
    return loads.add(load);
  },
  finishLoad(load: number, stop: boolean): Promise<LoadReport> {
    if (stop) loads.get(load).stop();
    return loads.get(load).report;
  },
};

/** What the process does for whoever started it. */
export type Functions = typeof functions;

function answer(line: Answer): void {
  const bytes = new TextEncoder().encode(toJson(line) + "\n");
  for (let sent = 0; sent < bytes.length;) sent += Deno.stdout.writeSync(bytes.subarray(sent));
}

async function obey({ id, name, args }: Call): Promise<void> {
  try {
    const call = functions[name] as (...args: unknown[]) => unknown;
    answer({ id, value: await call(...args) });
  } catch (error) {
    const { message } = error instanceof Error ? error : new Error(String(error));
    answer({ id, message, ...(error instanceof Win32Error && { code: error.code }) });
  }
}

if (import.meta.main) {
  let pieces: string[] = [];
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = text.split("\n");
    const rest = lines.pop() ?? "";
    for (const line of lines) {
      void obey(fromJson(pieces.join("") + line));
      pieces = [];
    }
    pieces.push(rest);
  }
  Deno.exit(0);
}
