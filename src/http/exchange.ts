/**
 * One request and its response.
 *
 * @module
 */

import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { ClientInfo } from "../server/client.ts";
import { report } from "../server/user_code.ts";
import { bodyAtHand, BodyError, RequestBody } from "./body.ts";
import type { HttpHandler, HttpSettings } from "./options.ts";
import { headersOf, targetOf } from "./request.ts";
import { clearHead, sendResponse } from "./response.ts";

/** What a `Request` is given. */
type Body = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;

/** See the module. */
export class HttpExchange {
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  readonly #client: ClientInfo;
  readonly #settings: HttpSettings;
  readonly #abort = new AbortController();
  readonly #completed = Promise.withResolvers<void>();
  #body: RequestBody | undefined;
  #finished = false;
  #refused = false;

  constructor(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    client: ClientInfo,
    settings: HttpSettings,
  ) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#client = client;
    this.#settings = settings;
    this.#completed.promise.catch(() => {});
    // It is also told when what was left could not be written.
    outgoing.once("finish", () => {
      this.#finished = !incoming.socket.destroyed && incoming.socket.errored === null;
    });
    outgoing.once("close", () => this.#ended());
    // What went wrong is told by the end.
    incoming.on("error", () => {});
    outgoing.on("error", () => {});
  }

  /** Answers it, by a handler unless it must be refused. */
  async answer(handler: HttpHandler): Promise<void> {
    const target = targetOf(this.#incoming, this.#settings.maxBodySize);
    if ("status" in target) return this.#answerWith(target.status, target.reason);
    const { url, length } = target;
    // By then, what has arrived is parsed.
    if (length !== undefined && length > 0) await null;
    if (this.#refused) return;
    try {
      await this.#send(
        await handler(this.#request(url, length === 0 ? undefined : this.#receive()), {
          client: this.#client,
          completed: this.#completed.promise,
        }),
      );
    } catch (error) {
      await this.#failed(error);
    }
  }

  /** Answers it instead of the handler, and closes the connection. */
  refuse(status: number): void {
    this.#refused = true;
    this.#answerWith(status);
    this.#abandon(STATUS_CODES[status]);
  }

  #receive(): Body {
    const whole = bodyAtHand(this.#incoming);
    if (whole !== undefined) return whole;
    this.#body = new RequestBody(this.#incoming, this.#settings.maxBodySize);
    return this.#body.stream;
  }

  #request(url: string, body: Body | undefined): Request {
    const { method = "GET" } = this.#incoming;
    // A request that has none by its method drops it.
    const hasBody = body !== undefined && method !== "GET" && method !== "HEAD";
    return new Request(url, {
      method,
      headers: headersOf(this.#incoming),
      signal: this.#abort.signal,
      ...(hasBody ? { body, duplex: "half" } : {}),
    });
  }

  async #send(response: Response): Promise<void> {
    if (!(response instanceof Response)) {
      throw new TypeError("Cannot use the result of a handler: must be a Response");
    }
    await sendResponse(this.#outgoing, response);
  }

  /** The handler has failed, or the body of its response. */
  async #failed(error: unknown): Promise<void> {
    const { signal } = this.#abort;
    if (signal.aborted && error === signal.reason) return;
    if (this.#outgoing.headersSent || this.#outgoing.destroyed) {
      report(error);
      return this.#cutOff(error);
    }
    if (error instanceof BodyError) return this.#answerWith(error.status, error.message);
    const { onError } = this.#settings;
    try {
      if (onError !== undefined) return await this.#send(await onError(error));
      report(error);
    } catch (another) {
      report(error);
      report(another);
      if (this.#outgoing.headersSent) return this.#cutOff(another);
    }
    this.#answerWith(500);
  }

  /** The client sees that the response is not whole. */
  #cutOff(error: unknown): void {
    this.#completed.reject(error);
    this.#outgoing.destroy();
  }

  /** Answers without the handler. The connection is kept after a handler's failure only. */
  #answerWith(status: number, reason = STATUS_CODES[status]): void {
    if (status !== 500) this.#outgoing.shouldKeepAlive = false;
    clearHead(this.#outgoing);
    const text = `${reason}\n`;
    this.#outgoing.writeHead(status, STATUS_CODES[status], {
      "content-type": "text/plain;charset=UTF-8",
      "content-length": text.length,
    });
    this.#outgoing.end(text);
  }

  #ended(): void {
    if (this.#refused) return;
    if (!this.#finished) return this.#abandon("The client has left");
    this.#completed.resolve();
    this.#body?.discard();
  }

  #abandon(message = ""): void {
    const reason = new DOMException(message, "AbortError");
    this.#completed.reject(reason);
    this.#abort.abort(reason);
    this.#body?.fail(reason);
  }
}
