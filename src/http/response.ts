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
 * @throws {TypeError} If it is no response to send, its body was used already, or is not of bytes, or
 *   is not as long as the response says.
 * @throws {unknown} What the body fails with.
 */
export async function sendResponse(outgoing: ServerResponse, response: Response): Promise<void> {
  if (response.type === "error") throw unusable("it is that of Response.error()");
  if (response.bodyUsed) throw unusable("its body was used already");
  const over = outgoing.destroyed || outgoing.writableEnded;
  if (over || outgoing.req.method === "HEAD") {
    response.body?.cancel().catch(() => {});
    if (over) return;
    setHead(outgoing, response);
    return void outgoing.end();
  }
  if (response.body !== null) return await sendBody(outgoing, response, response.body);
  setHead(outgoing, response);
  if (mayHaveBody(response)) {
    new BodyLength(response).end();
    outgoing.setHeader("content-length", 0);
  }
  outgoing.end();
}

async function sendBody(
  outgoing: ServerResponse,
  response: Response,
  body: ReadableStream<Uint8Array>,
): Promise<void> {
  const reader = body.getReader();
  const cancel = (reason: unknown = new Error("The client has left")) => {
    reader.cancel(reason).catch(() => {});
  };
  outgoing.once("close", cancel);
  let begun: Beginning | undefined;
  try {
    // What cannot be sent is found here, and not when the body comes.
    setHead(outgoing, response);
    begun = new Beginning(outgoing, response);
    for (;;) {
      const { done, value } = await reader.read();
      if (outgoing.destroyed || outgoing.writableEnded) return cancel();
      if (done) break;
      await begun.write(value);
    }
    outgoing.off("close", cancel);
    begun.end();
  } catch (error) {
    cancel(error);
    throw error;
  } finally {
    begun?.stop();
    outgoing.off("close", cancel);
  }
}

/** The length of a body, against what its response says: a wrong one would end in another response. */
class BodyLength {
  /** What the response says; undefined if it says nothing, and NaN if that is no length. */
  readonly #declared: number | undefined;
  #length = 0;

  constructor({ headers }: Response) {
    const text = headers.get("content-length");
    if (text !== null) this.#declared = /^\d+$/.test(text) ? Number(text) : NaN;
  }

  /** @throws {TypeError} If the body is longer than it should be. */
  add(chunk: Uint8Array): void {
    this.#length += chunk.length;
    if (this.#declared !== undefined && !(this.#length <= this.#declared)) throw this.#wrong();
  }

  /** @throws {TypeError} If the body has another length than it should have. */
  end(): void {
    if (this.#declared !== undefined && this.#length !== this.#declared) throw this.#wrong();
  }

  #wrong(): TypeError {
    return unusable("its body has another length than Content-Length says");
  }
}

/**
 * The beginning of a body: one that is there at once, as a text is, is sent with its length, and
 * another one as it comes.
 */
class Beginning {
  readonly #outgoing: ServerResponse;
  readonly #length: BodyLength;
  readonly #soon = setImmediate(() => this.#flush());
  #first: Uint8Array | undefined;
  #flushed = false;

  constructor(outgoing: ServerResponse, response: Response) {
    this.#outgoing = outgoing;
    this.#length = new BodyLength(response);
  }

  async write(chunk: unknown): Promise<void> {
    if (!(chunk instanceof Uint8Array)) throw unusable("its body is not of bytes");
    this.#length.add(chunk);
    if (!this.#flushed && this.#first === undefined) {
      this.#first = chunk;
      return;
    }
    this.#flush();
    await write(this.#outgoing, chunk);
  }

  end(): void {
    this.#length.end();
    if (this.#flushed) return void this.#outgoing.end();
    this.stop();
    if (!this.#outgoing.hasHeader("content-length")) {
      this.#outgoing.setHeader("content-length", this.#first?.length ?? 0);
    }
    this.#outgoing.end(this.#first);
  }

  stop(): void {
    clearImmediate(this.#soon);
  }

  #flush(): void {
    if (this.#flushed || this.#outgoing.destroyed || this.#outgoing.writableEnded) return;
    this.stop();
    this.#flushed = true;
    if (this.#first === undefined) this.#outgoing.flushHeaders();
    else this.#outgoing.write(this.#first);
  }
}

/** What says how a body was sent: that of a response fetched elsewhere is not sent so here. */
const SENT_ELSEWHERE: readonly string[] = ["transfer-encoding", "trailer"];

/**
 * Sets the status and the headers, and sends nothing yet.
 *
 * @throws {TypeError} If a header has a character that cannot be sent.
 */
function setHead(outgoing: ServerResponse, response: Response): void {
  clearHead(outgoing);
  outgoing.statusCode = response.status;
  outgoing.statusMessage = response.statusText;
  response.headers.forEach((value, name) => {
    if (name === "content-length") outgoing.setHeader(name, value);
    else if (!SENT_ELSEWHERE.includes(name)) outgoing.appendHeader(name, value);
  });
}

/** Removes what was set of a response that could not be sent. */
export function clearHead(outgoing: ServerResponse): void {
  for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name);
}

function mayHaveBody({ status }: Response): boolean {
  return status !== 204 && status !== 304;
}

function unusable(reason: string): TypeError {
  return new TypeError(`Cannot send the response: ${reason}`);
}
