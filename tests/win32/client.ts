/**
 * A foreign client for tests of a server: a second process that talks to the pipe by raw Win32
 * calls, driven from here.
 *
 * ```ts ignore
 * await using client = await startClient();
 * const pipe = await client.open(path, { messageMode: true });
 * await pipe.write("hello");
 * assertEquals((await pipe.read()).text, "hello");
 * ```
 *
 * - Commands begin in the order in which they are given, awaited or not. Those of an overlapped
 *   pipe (the default) run beside each other; with `overlapped: false`, and in `callNamedPipe()`
 *   and `waitNamedPipe()`, Windows blocks the client's only thread until the call returns, as it
 *   does in most real clients. Start several processes to have several of those.
 * - What Windows refuses rejects as `Win32Error` with its `code`, and the process goes on.
 * - Everything has a time limit, so that a test fails and does not hang.
 * - A process costs about a second under Wine: share one among the tests of a file. Started
 *   outside the tests it needs no disposal; it is killed when the test file is unloaded.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type HandleState, type OpenOptions, type PipeInfo, Win32Error } from "./raw.ts";

/** Bytes that both processes can make, so that they need not travel between them. */
export interface Pattern {
  readonly length: number;
  readonly seed: number;
}

/** What to write: a string as UTF-8. */
export type Payload = string | Uint8Array | Pattern;

/** The byte of a pattern at an offset. */
function patternByte(seed: number, offset: number): number {
  const mixed = Math.imul(offset ^ Math.imul(seed, 0x9e37_79b1), 0x85eb_ca6b);
  return Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35) >>> 24;
}

/** The bytes of a pattern. */
export function patternBytes(pattern: Pattern): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pattern.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = patternByte(pattern.seed, i);
  return bytes;
}

/** The offset of the first byte that is not the pattern's, or -1. */
export function patternMismatch(bytes: Uint8Array, seed: number, offset = 0): number {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== patternByte(seed, offset + i)) return offset + i;
  }
  return -1;
}

/** A time limit in milliseconds. Beyond it the command rejects with code 258. */
export interface Limit {
  /** @default {10_000} */
  timeout?: number | undefined;
}

/** How {@linkcode Client.open} opens. */
export interface ClientOpenOptions extends OpenOptions {
  /** FILE_FLAG_OVERLAPPED. @default {true} */
  overlapped?: boolean | undefined;
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

/** What was read. */
export interface ReadResult {
  bytes: Uint8Array<ArrayBuffer>;
  text: string;
  /** ERROR_MORE_DATA: the message goes on. */
  more: boolean;
}

/** What {@linkcode ClientPipe.peek} sees. */
export interface PeekResult {
  bytes: Uint8Array<ArrayBuffer>;
  text: string;
  available: number;
  left: number;
}

/** A load in a closed loop: each client writes its next message when it has the reply. */
export interface LoadOptions extends Limit {
  path: string;
  /** How many connections. */
  clients: number;
  /** Until each client has had so many. */
  exchanges?: number | undefined;
  /** Until the fastest client has had so many. */
  fastest?: number | undefined;
  /** Until so much time is over. */
  milliseconds?: number | undefined;
  /** How long each message is; from 8 on each is different. @default {64} */
  messageSize?: number | undefined;
  /** How many requests of one client may be without a reply. @default {1} */
  pipeline?: number | undefined;
  /** `"echo"`: the reply has to equal the request; or the reply that each request has to get. */
  verify?: "echo" | { reply: string } | "none" | undefined;
  /** How long nothing may happen at all. @default {10_000} */
  timeout?: number | undefined;
  /** How many milliseconds to wait for a free instance when opening. @default {5_000} */
  wait?: number | undefined;
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
  /** From the moment when all were connected. */
  milliseconds: number;
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

type WirePayload = { text: string } | { base64: string } | { pattern: Pattern };
type WireRead = { base64: string; more: boolean };
type WirePeek = { base64: string; available: number; left: number };
type OnHandle = { handle: number };
type OnOperation = { operation: number };

/** The commands of the process: what they take and what they answer. */
export interface Commands {
  hello: [Record<never, never>, { processId: number }];
  open: [{ path: string; options: ClientOpenOptions }, OnHandle];
  adopt: [{ value: string; overlapped: boolean }, OnHandle];
  duplicate: [OnHandle & { processId: number | undefined }, { value: string }];
  close: [OnHandle, null];
  read: [OnHandle & ReadOptions, WireRead];
  readPattern: [
    OnHandle & Limit & { pattern: Pattern; chunkSize: number },
    { messages: number },
  ];
  write: [OnHandle & Limit & { payload: WirePayload; count: number }, null];
  transact: [OnHandle & Limit & { payload: WirePayload; size: number }, WireRead];
  startRead: [OnHandle & { size: number }, OnOperation];
  startWrite: [OnHandle & { payload: WirePayload }, OnOperation];
  startTransact: [OnHandle & { payload: WirePayload; size: number }, OnOperation];
  finishRead: [OnOperation & Limit, WireRead];
  finishWrite: [OnOperation & Limit, { length: number }];
  cancel: [OnOperation, null];
  peek: [OnHandle & { size: number }, WirePeek];
  setReadMode: [OnHandle & { mode: "byte" | "message" }, null];
  state: [OnHandle, HandleState];
  info: [OnHandle, PipeInfo];
  callNamedPipe: [
    { path: string; payload: WirePayload; size: number; milliseconds: number },
    WireRead,
  ];
  waitNamedPipe: [{ path: string; milliseconds: number }, null];
  visit: [Omit<VisitOptions, "write"> & { payload: WirePayload | undefined }, null];
  startLoad: [LoadOptions, { load: number }];
  finishLoad: [{ load: number; stop: boolean }, LoadReport];
}

/** A line to the process. */
export interface Command<Name extends keyof Commands = keyof Commands> {
  id: number;
  command: Name;
  parameters: Commands[Name][0];
}

/** A line from the process. */
export type Answer =
  | { id: number; value: unknown }
  | { id: number; error: { message: string; code?: number; call?: string } };

/** Sends a command, and allows `extra` milliseconds for it beyond what every command gets. */
type Send = <Name extends keyof Commands>(
  command: Name,
  parameters: Commands[Name][0],
  extra: number,
) => Promise<Commands[Name][1]>;

const TIMEOUT = 10_000;
const SIZE = 65_536;

function toWire(payload: Payload): WirePayload {
  if (typeof payload === "string") return { text: payload };
  if (!(payload instanceof Uint8Array)) return { pattern: payload };
  const { buffer, byteOffset, byteLength } = payload;
  return { base64: Buffer.from(buffer, byteOffset, byteLength).toString("base64") };
}

function fromBase64<T extends { base64: string }>(wire: T): Omit<T, "base64"> & {
  bytes: Uint8Array<ArrayBuffer>;
  text: string;
} {
  const { base64, ...rest } = wire;
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  return { ...rest, bytes, text: new TextDecoder().decode(bytes) };
}

/** An operation in flight in the client process. */
export class Pending<T> {
  readonly #cancel: () => Promise<unknown>;
  readonly #finish: (limit: Limit) => Promise<T>;

  constructor(cancel: () => Promise<unknown>, finish: (limit: Limit) => Promise<T>) {
    this.#cancel = cancel;
    this.#finish = finish;
  }

  /** CancelIoEx; rejects with 1168 if it is over. It still has to be finished. */
  async cancel(): Promise<void> {
    await this.#cancel();
  }

  /** Its result, when it is over. After code 258 it is still in flight and can be finished again. */
  finish(limit: Limit = {}): Promise<T> {
    return this.#finish(limit);
  }
}

/** A handle in the client process. */
export class ClientPipe implements AsyncDisposable {
  readonly #send: Send;
  readonly #handle: number;
  #closed = false;

  constructor(send: Send, handle: number) {
    this.#send = send;
    this.#handle = handle;
  }

  /** ReadFile. */
  async read(options: ReadOptions = {}): Promise<ReadResult> {
    const { timeout = TIMEOUT } = options;
    return fromBase64(await this.#send("read", { handle: this.#handle, ...options }, timeout));
  }

  /**
   * ReadFile until as many bytes have come as the pattern has, all of them as they should be.
   *
   * @returns How many messages that were: reads that ended without ERROR_MORE_DATA.
   */
  async readPattern(
    pattern: Pattern,
    options: Limit & { chunkSize?: number | undefined } = {},
  ): Promise<number> {
    const { timeout = TIMEOUT, chunkSize = SIZE } = options;
    const parameters = { handle: this.#handle, pattern, timeout, chunkSize };
    return (await this.#send("readPattern", parameters, timeout)).messages;
  }

  /** WriteFile, `count` times, each when the one before is over. */
  async write(
    payload: Payload,
    options: Limit & { count?: number | undefined } = {},
  ): Promise<void> {
    const { timeout = TIMEOUT, count = 1 } = options;
    const parameters = { handle: this.#handle, payload: toWire(payload), timeout, count };
    await this.#send("write", parameters, timeout);
  }

  /** TransactNamedPipe. */
  async transact(
    payload: Payload,
    options: Limit & { size?: number | undefined } = {},
  ): Promise<ReadResult> {
    const { timeout = TIMEOUT, size = SIZE } = options;
    const parameters = { handle: this.#handle, payload: toWire(payload), size, timeout };
    return fromBase64(await this.#send("transact", parameters, timeout));
  }

  /** An overlapped ReadFile; resolves when Windows has it. */
  async startRead(size = SIZE): Promise<Pending<ReadResult>> {
    return this.#reading(await this.#send("startRead", { handle: this.#handle, size }, 0));
  }

  /** An overlapped TransactNamedPipe; resolves when Windows has it. */
  async startTransact(payload: Payload, size = SIZE): Promise<Pending<ReadResult>> {
    const parameters = { handle: this.#handle, payload: toWire(payload), size };
    return this.#reading(await this.#send("startTransact", parameters, 0));
  }

  /** An overlapped WriteFile; resolves when Windows has it. Its result is how much was written. */
  async startWrite(payload: Payload): Promise<Pending<number>> {
    const parameters = { handle: this.#handle, payload: toWire(payload) };
    const operation = await this.#send("startWrite", parameters, 0);
    return new Pending(
      () => this.#send("cancel", operation, 0),
      async ({ timeout = TIMEOUT }) =>
        (await this.#send("finishWrite", { ...operation, timeout }, timeout)).length,
    );
  }

  #reading(operation: OnOperation): Pending<ReadResult> {
    return new Pending(
      () => this.#send("cancel", operation, 0),
      async ({ timeout = TIMEOUT }) =>
        fromBase64(await this.#send("finishRead", { ...operation, timeout }, timeout)),
    );
  }

  /** PeekNamedPipe. */
  async peek(size = 0): Promise<PeekResult> {
    return fromBase64(await this.#send("peek", { handle: this.#handle, size }, 0));
  }

  /** SetNamedPipeHandleState. */
  async setReadMode(mode: "byte" | "message"): Promise<void> {
    await this.#send("setReadMode", { handle: this.#handle, mode }, 0);
  }

  /** GetNamedPipeHandleStateW. */
  state(): Promise<HandleState> {
    return this.#send("state", { handle: this.#handle }, 0);
  }

  /** GetNamedPipeInfo. */
  info(): Promise<PipeInfo> {
    return this.#send("info", { handle: this.#handle }, 0);
  }

  /**
   * DuplicateHandle, into another process if one is given: what a child that inherits the handle
   * has. Give the value to {@linkcode Client.adopt} there to use or close it.
   */
  async duplicate(processId?: number): Promise<string> {
    return (await this.#send("duplicate", { handle: this.#handle, processId }, 0)).value;
  }

  /** CloseHandle. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#send("close", { handle: this.#handle }, 0);
  }

  /** Closes the handle, unless it is closed or its process is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    try {
      await this.close();
    } catch (error) {
      if (!(error instanceof ClientGone)) throw error;
    }
  }
}

/** A load that is running in the client process. */
export class Load {
  readonly #send: Send;
  readonly #load: number;
  readonly #extra: number;

  constructor(send: Send, load: number, extra: number) {
    this.#send = send;
    this.#load = load;
    this.#extra = extra;
  }

  /** How it went, when it is over by itself. */
  report(): Promise<LoadReport> {
    return this.#send("finishLoad", { load: this.#load, stop: false }, this.#extra);
  }

  /** Ends it now. */
  stop(): Promise<LoadReport> {
    return this.#send("finishLoad", { load: this.#load, stop: true }, TIMEOUT);
  }
}

/** The process of the client has ended: what every command rejects with from then on. */
export class ClientGone extends Error {}

interface Waiting {
  resolve(value: unknown): void;
  reject(reason: unknown): void;
}

/** A client process; {@linkcode startClient} starts it. */
export class Client implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #decoder = new TextDecoder();
  readonly #waiting = new Map<number, Waiting>();
  readonly #unload = () => this.#terminate();
  #writing: Promise<void> = Promise.resolve();
  #reading: Promise<void> | undefined;
  #pieces: string[] = [];
  #lastId = 0;
  #gone: ClientGone | undefined;

  constructor() {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-config",
        "--no-lock",
        "--cached-only",
        "--allow-ffi",
        new URL("./client_process.ts", import.meta.url).href,
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.getReader();
    addEventListener("unload", this.#unload);
  }

  /** The process id. */
  get processId(): number {
    return this.#child.pid;
  }

  /** CreateFileW, and SetNamedPipeHandleState for `messageMode`. */
  async open(path: string, options: ClientOpenOptions = {}): Promise<ClientPipe> {
    const { handle } = await this.#send("open", { path, options }, options.wait ?? 0);
    return new ClientPipe(this.#send, handle);
  }

  /** Takes over a handle that {@linkcode ClientPipe.duplicate} put into this process. */
  async adopt(value: string, options: { overlapped?: boolean } = {}): Promise<ClientPipe> {
    const { overlapped = true } = options;
    return new ClientPipe(
      this.#send,
      (await this.#send("adopt", { value, overlapped }, 0)).handle,
    );
  }

  /** CallNamedPipeW: blocks the process. */
  async callNamedPipe(
    path: string,
    payload: Payload,
    options: Limit & { size?: number | undefined } = {},
  ): Promise<ReadResult> {
    const { timeout: milliseconds = TIMEOUT, size = SIZE } = options;
    const parameters = { path, payload: toWire(payload), size, milliseconds };
    return fromBase64(await this.#send("callNamedPipe", parameters, milliseconds));
  }

  /** WaitNamedPipeW: blocks the process. 0 stands for the pipe's own default. */
  async waitNamedPipe(path: string, milliseconds: number): Promise<void> {
    await this.#send("waitNamedPipe", { path, milliseconds }, milliseconds || TIMEOUT);
  }

  /** Connects and leaves, again and again. */
  async visit(options: VisitOptions): Promise<void> {
    const { write, ...rest } = options;
    const payload = write === undefined ? undefined : toWire(write);
    await this.#send("visit", { ...rest, payload }, 600_000);
  }

  /** Resolves when all clients of the load are connected and have had a reply, or have failed. */
  async startLoad(options: LoadOptions): Promise<Load> {
    const { load } = await this.#send("startLoad", options, 60_000);
    return new Load(this.#send, load, options.milliseconds ?? 600_000);
  }

  /** A load from beginning to end. */
  async load(options: LoadOptions): Promise<LoadReport> {
    return await (await this.startLoad(options)).report();
  }

  /** TerminateProcess. */
  async kill(): Promise<void> {
    this.#terminate();
    await this.#ended();
  }

  /** Lets the process end, and kills it if it is blocked. */
  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(this.#unload, 2_000);
    try {
      // A killed process takes no input any more.
      await this.#input.close().catch(() => {});
      await this.#ended();
    } finally {
      clearTimeout(timer);
    }
  }

  /** Says that the process is there. */
  async ready(): Promise<this> {
    await this.#send("hello", {}, 60_000);
    return this;
  }

  readonly #send: Send = <Name extends keyof Commands>(
    command: Name,
    parameters: Commands[Name][0],
    extra: number,
  ): Promise<Commands[Name][1]> => {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const id = ++this.#lastId;
    const line = JSON.stringify({ id, command, parameters } satisfies Command) + "\n";
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    const limit = extra + TIMEOUT;
    const timer = setTimeout(() => {
      this.#waiting.delete(id);
      answer.reject(new Error(`The client did not answer "${command}" within ${limit} ms`));
    }, limit);
    // That it failed is told by the end of the output.
    const written = this.#input.write(new TextEncoder().encode(line)).catch(() => {});
    this.#writing = written;
    this.#reading ??= this.#read();
    // The answer may be here before this side knows that the command was written.
    return answer.promise.then((value) => written.then(() => value as Commands[Name][1]))
      .finally(() => clearTimeout(timer));
  };

  /** Reads only while an answer is due, so that between tests no operation is under way. */
  async #read(): Promise<void> {
    while (this.#waiting.size > 0) {
      const { done, value } = await this.#output.read();
      if (done) {
        this.#fail("The client process has ended");
        break;
      }
      const lines = this.#decoder.decode(value, { stream: true }).split("\n");
      const rest = lines.pop() ?? "";
      for (const line of lines) {
        this.#answer(this.#pieces.join("") + line);
        this.#pieces = [];
      }
      this.#pieces.push(rest);
    }
    this.#reading = undefined;
  }

  #answer(line: string): void {
    const answer: Answer = JSON.parse(line);
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.id);
    if ("value" in answer) {
      waiting.resolve(answer.value);
      return;
    }
    const { message, code, call } = answer.error;
    if (code === undefined || call === undefined) {
      waiting.reject(new Error(message));
      return;
    }
    const error = new Win32Error(call, code);
    error.message = message;
    waiting.reject(error);
  }

  #fail(message: string): void {
    this.#gone ??= new ClientGone(message);
    for (const { reject } of this.#waiting.values()) reject(this.#gone);
    this.#waiting.clear();
  }

  #terminate(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }

  async #ended(): Promise<void> {
    removeEventListener("unload", this.#unload);
    await this.#child.status;
    this.#fail("The client process has ended");
    await this.#writing;
    await this.#input.abort().catch(() => {});
    // A read that is still under way ends by itself now.
    await this.#reading;
    await this.#output.cancel().catch(() => {});
  }
}

/** Starts a client process and waits until it takes commands. */
export async function startClient(): Promise<Client> {
  const client = new Client();
  try {
    return await client.ready();
  } catch (error) {
    await client.kill();
    throw error;
  }
}
