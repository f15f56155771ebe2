/**
 * Sends a `Request` by `node:http`, and receives the head of the response.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from "node:http";
import type { Duplex } from "node:stream";
import { headersOf } from "./request.ts";
import { write } from "./streams.ts";

/** Methods that may be sent again. */
const REPEATABLE: readonly string[] = ["GET", "HEAD", "OPTIONS"];

/** A request, checked. */
export interface Asked {
  readonly request: Request;
  /** The bytes of its body, if that is known. */
  readonly length: number | undefined;
  /** What the program is told for an error of `node:http`. */
  explain(error: unknown): unknown;
}

/** The head of a response. */
export interface Answer {
  readonly outgoing: ClientRequest;
  readonly incoming: IncomingMessage;
  readonly response: Headers;
  readonly upgraded: boolean;
}

/**
 * Checks a request.
 *
 * @throws {TypeError} If it cannot be used.
 */
export function asked(input: string | URL | Request, init: RequestInit | undefined): Asked {
  const isPath = typeof input === "string" && input.startsWith("/");
  const url = isPath ? `http://localhost${input}` : input;
  // A relative one is resolved if the program has a location.
  if (typeof url === "string" && !URL.canParse(url, globalThis.location?.href)) throw badUrl(url);
  const request = new Request(url, init);
  if (!request.url.startsWith("http:")) throw badUrl(request.url);
  return {
    request,
    length: request.body === null ? undefined : lengthOf(init?.body),
    explain(error) {
      if (request.signal.aborted) return request.signal.reason;
      // Those of Node have a code that is text; others are what connecting threw.
      const isNodes = error instanceof Error && "code" in error && typeof error.code === "string";
      if (!isNodes) return error;
      return new TypeError(`Cannot fetch "${request.url}": ${error.message}`, { cause: error });
    },
  };
}

function badUrl(url: string): TypeError {
  return new TypeError(
    `Cannot fetch "${url}": must be a path that begins with a slash, or a URL with "http:"`,
  );
}

/**
 * Sends a request.
 *
 * @param socket The connection, if it is for this request alone.
 * @returns The head of the response.
 * @throws {unknown} What the request ended with before.
 */
export async function ask(
  what: Asked,
  options: RequestOptions,
  socket?: Duplex,
): Promise<Answer> {
  const { request, explain } = what;
  request.signal.throwIfAborted();
  for (let attempt = 1;; attempt++) {
    const outgoing = send(what, options);
    const { reusedSocket } = outgoing;
    // Else Deno itself sends it again, whatever its method, and keeps its body for that.
    outgoing.reusedSocket = false;
    const abort = () => {
      outgoing.destroy();
      // The response may be there already.
      outgoing.socket?.destroy();
    };
    request.signal.addEventListener("abort", abort);
    outgoing.once("close", () => request.signal.removeEventListener("abort", abort));
    try {
      return await answerTo(outgoing, socket);
    } catch (error) {
      const again = attempt === 1 && reusedSocket && request.body === null &&
        REPEATABLE.includes(request.method) && !request.signal.aborted;
      if (!again) throw explain(error);
    }
  }
}

function send({ request, length }: Asked, options: RequestOptions): ClientRequest {
  const { pathname, search, host } = new URL(request.url);
  const { method, body } = request;
  const headers: Record<string, string> = { host };
  for (const [name, value] of request.headers) headers[name] = value;
  if (length !== undefined) headers["content-length"] ??= `${length}`;
  const outgoing = http.request({ ...options, method, path: pathname + search, headers });
  if (body === null) outgoing.end();
  else sendBody(outgoing, body);
  return outgoing;
}

async function sendBody(outgoing: ClientRequest, body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader();
  outgoing.once("close", () => reader.cancel().catch(() => {}));
  try {
    for (let next; !(next = await reader.read()).done;) {
      if (outgoing.destroyed) return;
      await write(outgoing, next.value);
    }
    outgoing.end();
  } catch (error) {
    outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

function answerTo(outgoing: ClientRequest, socket: Duplex | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const answer = (incoming: IncomingMessage, upgraded: boolean) => {
      // What goes wrong from now on is told by the body.
      incoming.on("error", () => {});
      resolve({ outgoing, incoming, response: new Headers(headersOf(incoming)), upgraded });
    };
    outgoing.on("error", reject);
    outgoing.once("response", (incoming) => answer(incoming, false));
    if (socket === undefined) return;
    outgoing.once("upgrade", (incoming, _socket, head) => {
      if (head.length > 0) socket.unshift(head);
      answer(incoming, true);
    });
  });
}

function lengthOf(body: BodyInit | null | undefined): number | undefined {
  if (typeof body === "string") return Buffer.byteLength(body);
  if (body instanceof URLSearchParams) return Buffer.byteLength(`${body}`);
  if (body instanceof Blob) return body.size;
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return body.byteLength;
  return undefined;
}
