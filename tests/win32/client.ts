/**
 * A foreign client for tests of a server: a second process that talks to the pipe by raw Win32
 * calls, driven from here.
 *
 * ```ts ignore
 * await using client = await startClient();
 * const pipe = await client.open(path, { messageMode: true });
 * assertEquals(await pipe.ask("hello"), "hello");
 * ```
 *
 * - Calls begin in the order in which they are made, awaited or not, and run beside each other.
 *   Only `waitNamedPipe()` blocks the process until it returns.
 * - What Windows refuses rejects as `Win32Error` with its `code`, and the process goes on.
 * - Every operation has a time limit, so that a test fails and does not hang.
 * - A process costs about a second under Wine: share one among the tests of a file. Started
 *   outside the tests it needs no disposal; it is killed when the test file is unloaded.
 *
 * @module
 */

import type {
  ClientOpenOptions,
  Functions,
  LoadOptions,
  LoadReport,
  Payload,
  ReadOptions,
  VisitOptions,
  WriteOptions,
} from "./client_process.ts";
import type { Pattern } from "./pattern.ts";
import { type Received, Win32Error } from "./raw.ts";
import { type Answer, type Call, fromJson, toJson } from "./wire.ts";

/** What was read. */
export interface ReadResult extends Received {
  text: string;
}

/** Calls a function in the process. */
type Send = <Name extends keyof Functions>(
  name: Name,
  ...args: Parameters<Functions[Name]>
) => Promise<Awaited<ReturnType<Functions[Name]>>>;

function readResult({ bytes, more }: Received): ReadResult {
  return { bytes, more, text: new TextDecoder().decode(bytes) };
}

/** An operation in flight in the client process. */
export class Pending {
  constructor(readonly send: Send, readonly operation: number) {}

  /** CancelIoEx; rejects with 1168 if it is over. It still has to be finished. */
  cancel(): Promise<void> {
    return this.send("cancel", this.operation);
  }

  /** Its result, when it is over; it is cancelled after 10 s. */
  async finish(): Promise<ReadResult> {
    return readResult(await this.send("finish", this.operation));
  }
}

/** A handle in the client process. */
export class ClientPipe implements AsyncDisposable {
  readonly #send: Send;
  readonly #pipe: number;
  #closed = false;

  constructor(send: Send, pipe: number) {
    this.#send = send;
    this.#pipe = pipe;
  }

  /** ReadFile. */
  async read(options: ReadOptions = {}): Promise<ReadResult> {
    return readResult(await this.#send("read", this.#pipe, options));
  }

  /** ReadFile: whether the whole message is the pattern. */
  readPattern(pattern: Pattern): Promise<boolean> {
    return this.#send("readPattern", this.#pipe, pattern);
  }

  /** WriteFile. */
  write(payload: Payload, options: WriteOptions = {}): Promise<void> {
    return this.#send("write", this.#pipe, payload, options);
  }

  /** Writes a request, and reads the whole reply as text. */
  async ask(request: Payload): Promise<string> {
    await this.write(request);
    return (await this.read({ whole: true })).text;
  }

  /** An overlapped ReadFile; resolves when Windows has it. */
  async startRead(): Promise<Pending> {
    return new Pending(this.#send, await this.#send("startRead", this.#pipe));
  }

  /** An overlapped WriteFile; resolves when Windows has it. */
  async startWrite(payload: Payload): Promise<Pending> {
    return new Pending(this.#send, await this.#send("startWrite", this.#pipe, payload));
  }

  /** GetNamedPipeHandleStateW: how many instances the pipe has. */
  countInstances(): Promise<number> {
    return this.#send("countInstances", this.#pipe);
  }

  /** DuplicateHandle into another client: what a child that inherits the handle has. */
  async duplicate(other: Client): Promise<ClientPipe> {
    return await other.adopt(await this.#send("duplicate", this.#pipe, other.processId));
  }

  /** CloseHandle. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#send("close", this.#pipe);
  }

  /** Closes the handle, unless it is closed or its process is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    await this.close().catch((error) => {
      if (!(error instanceof ClientGone)) throw error;
    });
  }
}

/** A load that is running in the client process. */
export class Load {
  constructor(readonly send: Send, readonly load: number) {}

  /** How it went, when it is over by itself. */
  report(): Promise<LoadReport> {
    return this.send("finishLoad", this.load, false);
  }

  /** Ends it now. */
  stop(): Promise<LoadReport> {
    return this.send("finishLoad", this.load, true);
  }
}

/** The process of the client has ended: what every call rejects with from then on. */
export class ClientGone extends Error {}

/** A client process; {@linkcode startClient} starts it. */
export class Client implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #decoder = new TextDecoder();
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #unload = () => this.#terminate();
  #writing: Promise<void> = Promise.resolve();
  #reading: Promise<void> | undefined;
  #pieces: string[] = [];
  #lastId = 0;
  #gone: ClientGone | undefined;

  constructor() {
    const program = new URL("./client_process.ts", import.meta.url).href;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-config", "--no-lock", "--cached-only", "--allow-ffi", program],
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
    return new ClientPipe(this.#send, await this.#send("open", path, options));
  }

  /** Takes over a handle that {@linkcode ClientPipe.duplicate} put into this process. */
  async adopt(handle: string): Promise<ClientPipe> {
    return new ClientPipe(this.#send, await this.#send("adopt", handle));
  }

  /** WaitNamedPipeW: blocks the process. 0 stands for the pipe's own default. */
  waitNamedPipe(path: string, milliseconds: number): Promise<void> {
    return this.#send("waitNamedPipe", path, milliseconds);
  }

  /** Connects and leaves, again and again. */
  visit(options: VisitOptions): Promise<void> {
    return this.#send("visit", options);
  }

  /** Resolves when all clients of the load are connected and have had a reply, or have failed. */
  async startLoad(options: LoadOptions): Promise<Load> {
    return new Load(this.#send, await this.#send("startLoad", options));
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
    await this.#send("hello");
    return this;
  }

  readonly #send: Send = async <Name extends keyof Functions>(
    name: Name,
    ...args: Parameters<Functions[Name]>
  ): Promise<Awaited<ReturnType<Functions[Name]>>> => {
    if (this.#gone !== undefined) throw this.#gone;
    const id = ++this.#lastId;
    const line = toJson({ id, name, args } satisfies Call) + "\n";
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    // That it failed is told by the end of the output.
    const written = this.#input.write(new TextEncoder().encode(line)).catch(() => {});
    this.#writing = written;
    this.#reading ??= this.#read();
    const value = await answer.promise;
    // The answer may be here before this side knows that the call was written.
    await written;
    return value as Awaited<ReturnType<Functions[Name]>>;
  };

  /** Reads only while an answer is due, so that between tests no operation is under way. */
  async #read(): Promise<void> {
    while (this.#waiting.size > 0) {
      const { done, value } = await this.#output.read();
      if (done) {
        this.#fail();
        break;
      }
      const lines = this.#decoder.decode(value, { stream: true }).split("\n");
      const rest = lines.pop() ?? "";
      for (const line of lines) {
        this.#answer(fromJson(this.#pieces.join("") + line));
        this.#pieces = [];
      }
      this.#pieces.push(rest);
    }
    this.#reading = undefined;
  }

  #answer(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (!("message" in answer)) {
      waiting?.resolve(answer.value);
      return;
    }
    const { message, code } = answer;
    const error = code === undefined ? new Error(message) : new Win32Error("", code);
    error.message = message;
    waiting?.reject(error);
  }

  #fail(): void {
    this.#gone ??= new ClientGone("The client process has ended");
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
    this.#fail();
    await this.#writing;
    await this.#input.abort().catch(() => {});
    // A read that is still under way ends by itself now.
    await this.#reading;
    await this.#output.cancel().catch(() => {});
  }
}

/** Starts a client process and waits until it takes calls. */
export async function startClient(): Promise<Client> {
  const client = new Client();
  try {
    return await client.ready();
  } catch (error) {
    await client.kill();
    throw error;
  }
}
