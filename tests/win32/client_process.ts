/**
 * The process of the raw Win32 client: takes commands as lines of JSON on stdin and answers on
 * stdout; the end of stdin ends it. See `client.ts` for what the commands mean.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import {
  type Answer,
  type Command,
  type Commands,
  type LoadError,
  type LoadOptions,
  type LoadReport,
  patternBytes,
  patternMismatch,
} from "./client.ts";
import * as raw from "./raw.ts";
import { Code, type Handle, type Operation, Win32Error } from "./raw.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Wire = Commands["write"][0]["payload"];

interface Pipe {
  handle: Handle;
  overlapped: boolean;
}

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

const pipes = new Table<Pipe>();
const operations = new Table<Operation>();
const loads = new Table<Load>();

function fromWire(payload: Wire): Bytes {
  if ("text" in payload) return new TextEncoder().encode(payload.text);
  if ("base64" in payload) return new Uint8Array(Buffer.from(payload.base64, "base64"));
  return patternBytes(payload.pattern);
}

function toBase64(bytes: Bytes): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

function toWire({ bytes, more }: raw.Received): { base64: string; more: boolean } {
  return { base64: toBase64(bytes), more };
}

function overlappedHandle(number: number): Handle {
  const { handle, overlapped } = pipes.get(number);
  if (!overlapped) throw new Error("This needs an overlapped handle");
  return handle;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Waits for operations without blocking this thread, however many there are: all of them signal
 * one event. Since a submission clears it, every submission is followed by a look at all of them.
 */
class Watch {
  readonly event: Handle = raw.createEvent();
  readonly #waiting = new Map<Operation, () => void>();
  #parked = false;

  /** Whether an operation that was submitted with {@linkcode event} ends in time. */
  async ends(operation: Operation, milliseconds: number): Promise<boolean> {
    this.look();
    if (operation.done) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.#waiting.set(operation, resolve);
    if (!this.#parked) this.#park();
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(operation);
    return operation.done;
  }

  /** Wakes those whose operations are over: due after every submission. */
  look(): void {
    for (const [operation, resolve] of this.#waiting) {
      if (operation.done) resolve();
    }
  }

  async #park(): Promise<void> {
    this.#parked = true;
    while (this.#waiting.size > 0) {
      await raw.waitForLater(this.event, 1_000);
      // What ends after this signals again; what ended before is seen.
      raw.resetEvent(this.event);
      this.look();
      // Lets those that are woken leave, and submit again.
      await nextTurn();
    }
    this.#parked = false;
  }
}

const watch = new Watch();

function timedOut(milliseconds: number): Win32Error {
  return new Win32Error(
    "WaitForSingleObject",
    Code.WAIT_TIMEOUT,
    `: not over in ${milliseconds} ms`,
  );
}

/** The outcome of an operation that is cancelled when it takes too long. */
async function outcome(operation: Operation, milliseconds: number): Promise<raw.Outcome> {
  if (await watch.ends(operation, milliseconds)) return operation.finish();
  try {
    operation.cancel();
  } catch (error) {
    if (!(error instanceof Win32Error) || error.code !== Code.NOT_FOUND) throw error;
  }
  await watch.ends(operation, 5_000);
  try {
    return operation.finish();
  } catch (error) {
    if (!(error instanceof Win32Error) || error.code !== Code.OPERATION_ABORTED) throw error;
    throw timedOut(milliseconds);
  }
}

/** The outcome of an operation that goes on when it takes too long. */
async function finish(number: number, milliseconds = 10_000): Promise<raw.Outcome> {
  const operation = operations.get(number);
  if (!await watch.ends(operation, milliseconds)) throw timedOut(milliseconds);
  operations.take(number);
  return operation.finish();
}

function read(pipe: Pipe, size: number, milliseconds: number): Promise<raw.Received> {
  if (!pipe.overlapped) return Promise.resolve(raw.read(pipe.handle, size));
  return outcome(raw.startRead(pipe.handle, size, watch.event), milliseconds);
}

async function write(pipe: Pipe, bytes: Bytes, milliseconds: number): Promise<void> {
  const written = pipe.overlapped
    ? (await outcome(raw.startWrite(pipe.handle, bytes, watch.event), milliseconds)).length
    : raw.write(pipe.handle, bytes);
  if (written !== bytes.length) throw new Error(`${written} of ${bytes.length} bytes written`);
}

/** Opens, and while all instances are busy waits for one; other commands go on meanwhile. */
async function openWaiting(
  path: string,
  options: raw.OpenOptions,
  wait: number,
): Promise<Handle> {
  const end = performance.now() + wait;
  while (true) {
    try {
      return raw.openPipe(path, options);
    } catch (error) {
      const busy = error instanceof Win32Error && error.code === Code.PIPE_BUSY;
      if (!busy || performance.now() >= end) throw error;
    }
    try {
      raw.waitNamedPipe(path, 20);
    } catch (error) {
      if (!(error instanceof Win32Error) || error.code !== Code.SEM_TIMEOUT) throw error;
    }
    await nextTurn();
  }
}

/** One connection of a load. */
class LoadClient {
  readonly #handle: Handle;
  readonly #event: Handle;
  readonly #options: LoadOptions;
  readonly #request: Bytes;
  readonly #stamp: DataView | undefined;
  readonly #expected: Bytes | undefined;
  readonly #size: number;
  #reading: Operation | undefined;
  #writing: Operation | undefined;
  sent = 0;
  received = 0;

  constructor(handle: Handle, event: Handle, options: LoadOptions, number: number) {
    const { messageSize = 64, verify = "echo" } = options;
    this.#handle = handle;
    this.#event = event;
    this.#options = options;
    this.#request = patternBytes({ length: messageSize, seed: number });
    if (messageSize >= 8) this.#stamp = new DataView(this.#request.buffer);
    this.#stamp?.setUint32(0, number);
    if (verify === "echo") this.#expected = this.#request.slice();
    else if (verify !== "none") this.#expected = new TextEncoder().encode(verify.reply);
    this.#size = Math.max(this.#expected?.length ?? 0, messageSize, 4_096);
  }

  /** Does all that can be done without waiting, at most one exchange; whether that was anything. */
  step(sending: boolean): boolean {
    let progress = false;
    if (this.#writing?.done) {
      const operation = this.#writing;
      this.#writing = undefined;
      operation.finish();
      progress = true;
    }
    if (this.#reading?.done) {
      const operation = this.#reading;
      this.#reading = undefined;
      const reply = operation.finish();
      this.#verify(reply);
      if (!reply.more) this.received++;
      progress = true;
    }
    const { pipeline = 1, exchanges = Infinity } = this.#options;
    const room = this.sent - this.received < pipeline && this.sent < exchanges;
    if (sending && room && this.#writing === undefined) {
      this.#stamp?.setUint32(4, this.sent);
      // One that Windows has not taken yet still needs its bytes: only one is in flight.
      this.#writing = raw.startWrite(this.#handle, this.#request, this.#event);
      this.sent++;
      progress = true;
    }
    if (this.#reading === undefined && this.received < this.sent) {
      this.#reading = raw.startRead(this.#handle, this.#size, this.#event);
      progress = true;
    }
    return progress;
  }

  #verify({ bytes, more }: raw.Outcome): void {
    const expected = this.#expected;
    if (expected === undefined) return;
    const { verify = "echo" } = this.#options;
    if (verify === "echo" && this.#stamp !== undefined) {
      new DataView(expected.buffer).setUint32(4, this.received);
    }
    const equal = !more && bytes.length === expected.length &&
      bytes.every((byte, i) => byte === expected[i]);
    if (equal) return;
    throw new Error(
      `Reply ${this.received} is wrong: ${bytes.length} bytes instead of ${expected.length}` +
        (more ? ", and more" : ""),
    );
  }

  async close(): Promise<void> {
    for (const operation of [this.#reading, this.#writing]) {
      if (operation === undefined) continue;
      try {
        if (!operation.done) operation.cancel();
      } catch {
        // It has ended meanwhile.
      }
      while (!operation.done) await nextTurn();
      try {
        operation.finish();
      } catch {
        // Cancelled, or failed as the other one did.
      }
    }
    raw.closeHandle(this.#handle);
  }
}

/** Clients in a closed loop, all served in turn by one loop with one event. */
class Load {
  readonly #options: LoadOptions;
  readonly #event = raw.createEvent();
  readonly #clients = new Map<number, LoadClient>();
  readonly #counts: number[];
  readonly #errors: LoadError[] = [];
  readonly #started = Promise.withResolvers<void>();
  readonly report: Promise<LoadReport>;
  #stopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#counts = Array.from({ length: options.clients }, () => 0);
    this.report = this.#run();
    // It is told to who asks for the report.
    this.report.catch((error) => this.#started.reject(error));
  }

  /** When all have had a reply, or failed. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<LoadReport> {
    await this.#connect();
    const begin = performance.now();
    const { milliseconds = Infinity, timeout = 10_000 } = this.#options;
    let turn = begin;
    let lastProgress = begin;
    let over: number | undefined;
    while (true) {
      const progress = this.#step(over === undefined);
      const now = performance.now();
      if (progress) lastProgress = now;
      if (over === undefined && (this.#complete() || now - begin >= milliseconds)) {
        over = now;
        this.#count();
      }
      // What is under way may end, so that the clients leave in good order.
      if (over !== undefined && (this.#quiet() || now - over >= 2_000)) break;
      if (now - lastProgress >= timeout) {
        const { exchanges = Infinity } = this.#options;
        for (const [number, { received }] of this.#clients) {
          if (received < exchanges) this.#failed(number, timedOut(timeout));
        }
        break;
      }
      const idle = !progress && !raw.waitFor(this.#event, 10);
      // What ends after this signals again; the next step sees what ended before.
      if (!progress && !idle) raw.resetEvent(this.#event);
      if (idle || now - turn >= 20) {
        await nextTurn();
        turn = performance.now();
      }
    }
    if (over === undefined) this.#count();
    for (const client of this.#clients.values()) await client.close();
    raw.closeHandle(this.#event);
    this.#started.resolve();
    return {
      counts: this.#counts,
      errors: this.#errors,
      milliseconds: (over ?? performance.now()) - begin,
    };
  }

  async #connect(): Promise<void> {
    const { path, clients, wait = 5_000 } = this.#options;
    for (let number = 0; number < clients; number++) {
      try {
        const handle = await openWaiting(path, { overlapped: true, messageMode: true }, wait);
        this.#clients.set(number, new LoadClient(handle, this.#event, this.#options, number));
      } catch (error) {
        this.#failed(number, error);
      }
    }
  }

  #step(sending: boolean): boolean {
    let progress = false;
    let waiting = false;
    for (const [number, client] of this.#clients) {
      try {
        if (client.step(sending)) progress = true;
        if (client.received === 0) waiting = true;
      } catch (error) {
        progress = true;
        this.#failed(number, error);
        this.#counts[number] = client.received;
        this.#clients.delete(number);
        // Nothing waits for it; its operations end at once when cancelled.
        void client.close();
      }
    }
    if (!waiting) this.#started.resolve();
    return progress;
  }

  #complete(): boolean {
    const { exchanges = Infinity, fastest = Infinity } = this.#options;
    if (this.#stopped || this.#clients.size === 0) return true;
    let all = true;
    for (const { received } of this.#clients.values()) {
      if (received >= fastest) return true;
      if (received < exchanges) all = false;
    }
    return all;
  }

  #quiet(): boolean {
    for (const { sent, received } of this.#clients.values()) if (received < sent) return false;
    return true;
  }

  #count(): void {
    for (const [number, { received }] of this.#clients) this.#counts[number] = received;
  }

  #failed(client: number, error: unknown): void {
    const code = error instanceof Win32Error ? error.code : undefined;
    const message = error instanceof Error ? error.message : String(error);
    this.#errors.push({ client, code, message });
  }
}

type Handlers = {
  [Name in keyof Commands]: (
    parameters: Commands[Name][0],
  ) => Commands[Name][1] | Promise<Commands[Name][1]>;
};

/** Each begins what it does before its first `await`: that keeps the order of the commands. */
const handlers: Handlers = {
  hello: () => ({ processId: Deno.pid }),
  async open({ path, options: { wait = 0, overlapped = true, ...options } }) {
    const handle = await openWaiting(path, { ...options, overlapped }, wait);
    return { handle: pipes.add({ handle, overlapped }) };
  },
  adopt: ({ value, overlapped }) => ({
    handle: pipes.add({ handle: BigInt(value), overlapped }),
  }),
  duplicate({ handle: number, processId }) {
    const { handle } = pipes.get(number);
    if (processId === undefined) return { value: String(raw.duplicateHandle(handle)) };
    const process = raw.openProcess(processId);
    try {
      return { value: String(raw.duplicateHandle(handle, process)) };
    } finally {
      raw.closeHandle(process);
    }
  },
  close({ handle }) {
    raw.closeHandle(pipes.take(handle).handle);
    return null;
  },
  async read({ handle, size = 65_536, whole = false, timeout = 10_000 }) {
    const pipe = pipes.get(handle);
    const parts: Bytes[] = [];
    let part: raw.Received;
    do {
      part = await read(pipe, size, timeout);
      parts.push(part.bytes);
    } while (whole && part.more);
    return { base64: toBase64(new Uint8Array(Buffer.concat(parts))), more: part.more };
  },
  async readPattern({ handle, pattern, chunkSize, timeout = 10_000 }) {
    const pipe = pipes.get(handle);
    let messages = 0;
    for (let offset = 0; offset < pattern.length;) {
      const { bytes, more } = await read(pipe, chunkSize, timeout);
      const wrong = patternMismatch(bytes, pattern.seed, offset);
      if (wrong >= 0) throw new Error(`Byte ${wrong} of ${pattern.length} is wrong`);
      offset += bytes.length;
      if (offset > pattern.length) throw new Error(`More than ${pattern.length} bytes came`);
      if (!more) messages++;
    }
    return { messages };
  },
  async write({ handle, payload, count, timeout = 10_000 }) {
    const pipe = pipes.get(handle);
    const bytes = fromWire(payload);
    for (let i = 0; i < count; i++) await write(pipe, bytes, timeout);
    return null;
  },
  async transact({ handle: number, payload, size, timeout = 10_000 }) {
    const { handle, overlapped } = pipes.get(number);
    const request = fromWire(payload);
    if (!overlapped) return toWire(raw.transact(handle, request, size));
    return toWire(
      await outcome(raw.startTransact(handle, request, size, watch.event), timeout),
    );
  },
  startRead: ({ handle, size }) => ({
    operation: operations.add(raw.startRead(overlappedHandle(handle), size, watch.event)),
  }),
  startWrite: ({ handle, payload }) => ({
    operation: operations.add(
      raw.startWrite(overlappedHandle(handle), fromWire(payload), watch.event),
    ),
  }),
  startTransact: ({ handle, payload, size }) => ({
    operation: operations.add(
      raw.startTransact(overlappedHandle(handle), fromWire(payload), size, watch.event),
    ),
  }),
  finishRead: async ({ operation, timeout }) => toWire(await finish(operation, timeout)),
  finishWrite: async ({ operation, timeout }) => {
    const { length } = await finish(operation, timeout);
    return { length };
  },
  cancel({ operation }) {
    operations.get(operation).cancel();
    return null;
  },
  peek({ handle, size }) {
    const { bytes, available, left } = raw.peek(pipes.get(handle).handle, size);
    return { base64: toBase64(bytes), available, left };
  },
  setReadMode({ handle, mode }) {
    raw.setReadMode(pipes.get(handle).handle, mode);
    return null;
  },
  state: ({ handle }) => raw.handleState(pipes.get(handle).handle),
  info: ({ handle }) => raw.pipeInfo(pipes.get(handle).handle),
  callNamedPipe: ({ path, payload, size, milliseconds }) =>
    toWire(raw.callNamedPipe(path, fromWire(payload), size, milliseconds)),
  waitNamedPipe({ path, milliseconds }) {
    raw.waitNamedPipe(path, milliseconds);
    return null;
  },
  async visit({ path, rounds, payload, wait = 5_000 }) {
    const bytes = payload === undefined ? undefined : fromWire(payload);
    for (let i = 0; i < rounds; i++) {
      const handle = await openWaiting(path, { overlapped: true }, wait);
      try {
        if (bytes !== undefined) await write({ handle, overlapped: true }, bytes, wait);
      } finally {
        raw.closeHandle(handle);
      }
    }
    return null;
  },
  async startLoad(options) {
    const load = new Load(options);
    await load.started;
    return { load: loads.add(load) };
  },
  finishLoad({ load: number, stop }) {
    const load = loads.get(number);
    if (stop) load.stop();
    return load.report;
  },
};

function answer(line: Answer): void {
  const bytes = new TextEncoder().encode(JSON.stringify(line) + "\n");
  for (let sent = 0; sent < bytes.length;) sent += Deno.stdout.writeSync(bytes.subarray(sent));
}

function call<Name extends keyof Commands>(
  { command, parameters }: Command<Name>,
): Commands[Name][1] | Promise<Commands[Name][1]> {
  return handlers[command](parameters);
}

async function obey(command: Command): Promise<void> {
  const { id } = command;
  try {
    const value = call(command);
    watch.look();
    answer({ id, value: await value });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof Win32Error) {
      answer({ id, error: { message, code: error.code, call: error.call } });
    } else {
      answer({ id, error: { message } });
    }
  }
}

if (import.meta.main) {
  let pieces: string[] = [];
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = text.split("\n");
    const rest = lines.pop() ?? "";
    for (const line of lines) {
      void obey(JSON.parse(pieces.join("") + line));
      pieces = [];
    }
    pieces.push(rest);
  }
  Deno.exit(0);
}
