/**
 * Clients that use this module: connect() and call(), on the server's loop or on another.
 *
 * @module
 */

import { callOn } from "../../src/client/call.ts";
import { connectOn } from "../../src/client/connect.ts";
import type { ClientConnection } from "../../src/client/pipe_opener.ts";
import type { OpenLoop } from "../../src/loop/isolate.ts";
import type { Link, Sent, SentState } from "./records.ts";
import type { Client, World } from "./world.ts";

/** How a client behaves. */
export const STYLES = [
  "asks in turn",
  "asks at once",
  "sends and receives",
  "aborts a request",
  "closes while asking",
  "aborts connecting",
  "calls",
  "takes little",
  "sends only",
] as const;

type Style = (typeof STYLES)[number];

/** Styles for which each request has one answer. */
const STRICT: readonly Style[] = [
  "asks in turn",
  "asks at once",
  "aborts a request",
  "closes while asking",
  "calls",
  "takes little",
];

/** See the module. */
export class LoopClient implements Client {
  readonly name: string;
  readonly isRaw = false;
  /** Each client writes the pipe's name in its own way, so that it is known by it. */
  readonly path: string;
  readonly strict: boolean;
  readonly #world: World;
  readonly #style: Style;
  readonly #open: OpenLoop;
  #connection: ClientConnection | undefined;
  #link: Link | undefined;
  /** What call() has sent, on that link. */
  #called: Sent | undefined;
  #finished = false;
  /** The longest answer that it takes. */
  #longest = Infinity;
  #abort = new AbortController();

  constructor(world: World, number: number, style: Style, elsewhere: boolean) {
    this.#world = world;
    this.name = `module client ${number} that ${style}`;
    this.path = spell(world.path, number);
    this.#style = style;
    this.strict = STRICT.includes(style);
    this.#open = elsewhere ? world.openElsewhere : world.open;
  }

  /** Whether it is on the server's loop. */
  get here(): boolean {
    return this.#open === this.#world.open;
  }

  get done(): boolean {
    return this.#finished;
  }

  #started = false;

  act(): boolean {
    if (!this.#started) {
      this.#started = true;
      this.#run().then(() => this.#over(), (error) => this.#failed(error));
      return true;
    }
    if (!this.#world.tidying || this.#finished) return false;
    if (this.#connection !== undefined && this.#link !== undefined) {
      // Who never reads may wait for ever.
      const waits = this.#style !== "sends only" && !this.#link.ended;
      if (waits && !this.#world.model.satisfied(this.#link)) return false;
      const closing = this.#connection;
      this.#connection = undefined;
      closing.close();
      return true;
    }
    return false;
  }

  kill(): void {
    this.#abort.abort(new Deno.errors.Interrupted("planted: the client gives up"));
    this.#connection?.close();
    if (!this.#started) this.#finished = true;
    this.#started = true;
  }

  /** Its program goes away, if it is the server's. */
  perish(): void {
    if (this.here) this.#finished = true;
  }

  /** The kernel has opened this client's end. */
  joined(link: Link): void {
    this.#link = link;
    if (this.#style !== "calls") return;
    // call() asks at once: nobody can compose a request that says whose it is.
    this.#called = { bytes: new Uint8Array(0), state: "pending", at: 0 };
    link.sent.push(this.#called);
  }

  #tell(what: string): void {
    this.#world.tell?.(`${this.name}: ${what}`);
  }

  #over(): void {
    this.#finished = true;
    this.#tell("is done");
  }

  #failed(error: unknown): void {
    this.#finished = true;
    this.#tell(`fails: ${error}`);
    if (!isExpected(error)) this.#world.violate(`${this.name} failed: ${error}`);
  }

  async #run(): Promise<void> {
    const { random } = this.#world;
    const { signal } = this.#abort;
    const options = {
      path: this.path,
      connectTimeout: random.pick([0, 20, 5_000]),
      missing: random.chance(0.5) ? "wait" as const : "fail" as const,
      ...(this.#style === "takes little" ? { maxMessage: random.pick([0, 100, 5_000]) } : {}),
    };
    this.#longest = options.maxMessage ?? Infinity;
    if (this.#style === "calls") return await this.#call(options);
    if (this.#style === "aborts connecting") {
      this.#world.pause().then(() => this.#abort.abort(new Error("planted: no patience")));
    }
    const connection = await connectOn(this.#open, { ...options, signal });
    this.#tell("is connected");
    this.#connection = connection;
    try {
      await this.#talk(connection, this.#link ?? unknownLink());
    } finally {
      this.#connection = undefined;
      await connection.release();
    }
  }

  async #call(options: { connectTimeout: number; missing: "wait" | "fail" }): Promise<void> {
    for (let i = this.#world.random.between(1, 3); i > 0; i--) {
      const { signal } = this.#abort;
      this.#called = undefined;
      const asked = callOn(this.#open, this.path, "", { ...options, signal });
      const answer = await this.#settle(() => this.#called, asked);
      this.#tell(`got ${answer.length} B`);
      this.#world.model.received(this.#link ?? unknownLink(), answer, false);
    }
  }

  async #talk(connection: ClientConnection, link: Link): Promise<void> {
    const { random } = this.#world;
    const requests = random.between(1, 5);
    switch (this.#style) {
      case "asks in turn":
      case "takes little":
        for (let i = 0; i < requests; i++) {
          await this.#ask(connection, link, undefined);
          if (random.chance(0.3)) await this.#world.pause();
        }
        return;
      case "asks at once":
        await Promise.all(
          Array.from({ length: requests }, () => this.#ask(connection, link, undefined)),
        );
        return;
      case "aborts a request": {
        const { signal } = this.#abort;
        this.#world.pause().then(() => this.#abort.abort(new Error("planted: no patience")));
        await this.#ask(connection, link, signal);
        return;
      }
      case "closes while asking":
        this.#world.pause().then(() => connection.close());
        for (let i = 0; i < requests; i++) await this.#ask(connection, link, undefined);
        return;
      case "sends only":
        for (let i = 0; i < requests; i++) await this.#send(connection, link);
        return;
      case "sends and receives":
        await Promise.all([
          this.#sendAll(connection, link, requests),
          this.#receive(connection, link),
        ]);
        return;
    }
  }

  async #sendAll(connection: ClientConnection, link: Link, requests: number): Promise<void> {
    for (let i = 0; i < requests && !this.#world.tidying; i++) {
      await this.#send(connection, link);
      if (this.#world.random.chance(0.3)) await this.#world.pause();
    }
  }

  async #receive(connection: ClientConnection, link: Link): Promise<void> {
    for await (const message of connection) this.#world.model.received(link, message, false);
  }

  async #ask(
    connection: ClientConnection,
    link: Link,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const sent = link.compose(this.#world.requestSize());
    const number = link.sent.length;
    const bytes = sent.bytes.slice();
    const asked = connection.request(bytes, { signal });
    // It was copied.
    bytes.fill(0x77);
    const answer = await this.#settle(() => sent, asked);
    if (answer.length > this.#longest) {
      this.#world.violate(`${this.name} got ${answer.length} B, but takes ${this.#longest}`);
    }
    this.#world.model.received(link, answer, false);
    if (link.received !== number) {
      this.#world.violate(`${this.name} got answer ${link.received} to request ${number}`);
    }
  }

  async #send(connection: ClientConnection, link: Link): Promise<void> {
    const sent = link.compose(this.#world.requestSize());
    const bytes = sent.bytes.slice();
    const given = connection.send(bytes);
    bytes.fill(0x77);
    await this.#settle(() => sent, given);
  }

  /** @param sentOf What was sent, which a call knows only afterwards. */
  async #settle<T>(sentOf: () => Sent | undefined, promise: Promise<T>): Promise<T> {
    let state: SentState = "unknown";
    try {
      const result = await promise;
      state = "done";
      return result;
    } finally {
      const sent = sentOf();
      if (sent !== undefined) sent.state = state;
    }
  }
}

/** Errors that a client may be told when others do what they like. */
function isExpected(error: unknown): boolean {
  return error instanceof Error &&
    (error.message.startsWith("planted") || error.name === "WindowsError" ||
      error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.NotFound || error instanceof Deno.errors.TimedOut ||
      error instanceof Deno.errors.Busy || error instanceof Deno.errors.PermissionDenied ||
      error instanceof Deno.errors.InvalidData);
}

function unknownLink(): never {
  throw new Error("a connection that the kernel knows nothing of");
}

/** The name with upper-case letters where the number has ones: it is the same name. */
function spell(path: string, number: number): string {
  const prefix = path.lastIndexOf("\\") + 1;
  return [...path].map((letter, at) =>
    at >= prefix && (number + 1) >> (at - prefix) & 1 ? letter.toUpperCase() : letter
  ).join("");
}
