/**
 * The body of a request.
 *
 * @module
 */

import type { IncomingMessage } from "node:http";

/** The status that an error of a body asks for. */
export class BodyError extends Error {
  override readonly name = "BodyError";
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/**
 * The body of a request, if all of it has arrived with the head, as short ones do. What that leaves to
 * do is a fraction of what a stream costs.
 */
export function bodyAtHand(incoming: IncomingMessage): Uint8Array<ArrayBuffer> | undefined {
  return incoming.complete ? incoming.read() ?? undefined : undefined;
}

/** The body of a request as a stream, of which no more is received than is read. */
export class RequestBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #incoming: IncomingMessage;
  readonly #max: number;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #begun = false;
  #length = 0;

  /** @param max How long it may be, in bytes. */
  constructor(incoming: IncomingMessage, max: number) {
    this.#incoming = incoming;
    this.#max = max;
    this.stream = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#pull(),
      cancel: () => void (this.#controller = undefined),
    }, { highWaterMark: 0 });
  }

  /** Nothing more is given to the program: reading fails, unless everything was read. */
  fail(error: unknown): void {
    this.#controller?.error(error);
    this.#controller = undefined;
  }

  /** Takes what is left, and drops it. */
  discard(): void {
    this.fail(new DOMException("The response was sent already", "AbortError"));
    this.#incoming.resume();
  }

  /** Lets one chunk come. */
  #pull(): void {
    if (!this.#begun) {
      this.#begun = true;
      this.#incoming.on("data", (chunk) => this.#received(chunk));
      this.#incoming.once("end", () => this.#ended());
    }
    this.#incoming.resume();
  }

  #received(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#controller === undefined) return;
    this.#incoming.pause();
    this.#length += chunk.length;
    if (this.#length > this.#max) {
      this.fail(new BodyError(`The body is longer than ${this.#max} bytes`, 413));
    } else this.#controller.enqueue(chunk);
  }

  #ended(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }
}
