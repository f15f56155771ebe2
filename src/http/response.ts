/**
 * Sends a `Response` by `node:http`.
 *
 * @module
 */

import type { ServerResponse } from "node:http";
import { clearImmediate, setImmediate } from "node:timers";
import { write } from "./streams.ts";

/**
 * Sends a response, no faster than the client takes it.
 *
 * @returns When the body was given to `node:http`, or the connection has ended.
 * @throws {TypeError} If the body was used already.
 * @throws {unknown} What the body fails with.
 */
export async function sendResponse(outgoing: ServerResponse, response: Response): Promise<void> {
  if (response.bodyUsed) throw new TypeError("Cannot send the response: its body was used already");
  const over = outgoing.destroyed || outgoing.writableEnded;
  if (over || outgoing.req.method === "HEAD") {
    response.body?.cancel().catch(() => {});
    if (over) return;
    writeHead(outgoing, response);
    return void outgoing.end();
  }
  if (response.body === null) {
    if (!response.headers.has("content-length") && mayHaveBody(response)) {
      outgoing.setHeader("content-length", 0);
    }
    writeHead(outgoing, response);
    outgoing.end();
    return;
  }
  await sendBody(outgoing, response, response.body);
}

async function sendBody(
  outgoing: ServerResponse,
  response: Response,
  body: ReadableStream<Uint8Array>,
): Promise<void> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel(new Error("The client has left")).catch(() => {});
  outgoing.once("close", cancel);
  const begun = new Beginning(outgoing, response);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (outgoing.destroyed || outgoing.writableEnded) return;
      if (done) break;
      await begun.write(value);
    }
    outgoing.off("close", cancel);
    begun.end();
  } finally {
    begun.stop();
    outgoing.off("close", cancel);
  }
}

/**
 * The beginning of a body: one that is there at once, as a text is, is sent with its length, and
 * another one as it comes.
 */
class Beginning {
  readonly #outgoing: ServerResponse;
  readonly #response: Response;
  readonly #soon = setImmediate(() => this.#flush());
  #first: Uint8Array | undefined;
  #flushed = false;

  constructor(outgoing: ServerResponse, response: Response) {
    this.#outgoing = outgoing;
    this.#response = response;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (!this.#flushed && this.#first === undefined) {
      this.#first = chunk;
      return;
    }
    this.#flush();
    await write(this.#outgoing, chunk);
  }

  end(): void {
    if (this.#flushed) return void this.#outgoing.end();
    this.stop();
    if (!this.#response.headers.has("content-length")) {
      this.#outgoing.setHeader("content-length", this.#first?.length ?? 0);
    }
    writeHead(this.#outgoing, this.#response);
    this.#outgoing.end(this.#first);
  }

  stop(): void {
    clearImmediate(this.#soon);
  }

  #flush(): void {
    if (this.#flushed || this.#outgoing.destroyed || this.#outgoing.writableEnded) return;
    this.stop();
    this.#flushed = true;
    writeHead(this.#outgoing, this.#response);
    if (this.#first === undefined) this.#outgoing.flushHeaders();
    else this.#outgoing.write(this.#first);
  }
}

function writeHead(outgoing: ServerResponse, response: Response): void {
  outgoing.statusCode = response.status;
  if (response.statusText !== "") outgoing.statusMessage = response.statusText;
  response.headers.forEach((value, name) => outgoing.appendHeader(name, value));
}

function mayHaveBody({ status }: Response): boolean {
  return status !== 204 && status !== 304;
}
