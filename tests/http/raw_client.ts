/**
 * A client that speaks HTTP byte by byte.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { PipeConn } from "../../src/pipe/pipe_conn.ts";

/** A response as it came. */
export interface RawResponse {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** See the module. */
export class RawClient {
  readonly conn: PipeConn;
  #received = Buffer.alloc(0);
  #ended = false;

  constructor(conn: PipeConn) {
    this.conn = conn;
  }

  async write(text: string): Promise<void> {
    await this.conn.write(new TextEncoder().encode(text));
  }

  /** The next response, whole. */
  async response(): Promise<RawResponse> {
    const head = await this.until("\r\n\r\n");
    const status = Number(head.split(" ")[1]);
    if (status === 100) return { status, head, body: "" };
    const length = /^content-length: (\d+)/mi.exec(head)?.[1];
    if (length !== undefined) return { status, head, body: await this.take(Number(length)) };
    if (/^transfer-encoding: chunked/mi.test(head)) {
      return { status, head, body: await this.#chunks() };
    }
    return { status, head, body: "" };
  }

  /** Asks, and receives the response. */
  async ask(request: string): Promise<RawResponse> {
    await this.write(request);
    return await this.response();
  }

  /** Everything until and with some text. */
  async until(end: string): Promise<string> {
    let at: number;
    while ((at = this.#received.indexOf(end)) < 0) await this.#expectMore();
    return this.#take(at + end.length);
  }

  /** So many bytes. */
  async take(length: number): Promise<string> {
    while (this.#received.length < length) await this.#expectMore();
    return this.#take(length);
  }

  /** Everything that comes before the end. */
  async remaining(): Promise<string> {
    while (await this.#more());
    return this.#take(this.#received.length);
  }

  #take(length: number): string {
    const taken = this.#received.subarray(0, length).toString("latin1");
    this.#received = this.#received.subarray(length);
    return taken;
  }

  async #expectMore(): Promise<void> {
    if (await this.#more()) return;
    throw new Error(`the end, after ${JSON.stringify(this.#received.toString("latin1"))}`);
  }

  async #chunks(): Promise<string> {
    let body = "";
    for (;;) {
      const length = parseInt(await this.until("\r\n"), 16);
      const chunk = await this.take(length + 2);
      if (length === 0) return body;
      body += chunk.slice(0, -2);
    }
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    const p = new Uint8Array(65_536);
    const length = await this.conn.read(p);
    this.#ended = length === null;
    this.#received = Buffer.concat([this.#received, p.subarray(0, length ?? 0)]);
    return !this.#ended;
  }
}
