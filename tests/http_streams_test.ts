/** HTTP: long bodies, and how much of them is on the way at any time. */

import { assert, assertEquals } from "@std/assert";
import { httpClientOn } from "../src/http/client.ts";
import { NAME } from "./fixture.ts";
import { type HttpWorld, inHttpWorld } from "./http/world.ts";

const MIB = 1_048_576;
const LONG = 32 * MIB;
const CHUNK = 65_536;

/** A body, and how much of it was taken and has arrived. */
class Body {
  taken = 0;
  arrived = 0;
  /** The most bytes that were on the way when some were taken. */
  most = 0;
  readonly #length: number;

  constructor(length: number) {
    this.#length = length;
  }

  get stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: (controller) => {
        if (this.taken === this.#length) return controller.close();
        controller.enqueue(new Uint8Array(CHUNK).fill(this.taken / CHUNK));
        this.taken += CHUNK;
        this.most = Math.max(this.most, this.taken - this.arrived);
      },
    }, { highWaterMark: 0 });
  }

  /** Notes what has arrived, and compares it. */
  take(chunk: Uint8Array): void {
    for (const at of [0, chunk.length - 1]) {
      assertEquals(chunk[at], Math.floor((this.arrived + at) / CHUNK) % 256);
    }
    this.arrived += chunk.length;
  }
}

/** Reads all of it, and pauses now and then until nothing moves any more. */
async function readSlowly(
  { world }: HttpWorld,
  stream: ReadableStream<Uint8Array> | null,
  body: Body,
): Promise<void> {
  let pauses = 0;
  for await (const chunk of stream ?? []) {
    body.take(chunk);
    if (body.arrived < pauses * 4 * MIB) continue;
    pauses++;
    await world.idle();
  }
}

inHttpWorld(
  "32 MiB go to a server and back, of which little is on the way at any time",
  async (http) => {
    http.serve((request) => new Response(request.body));
    using client = httpClientOn(http.world.open, { path: NAME });
    const body = new Body(LONG);
    const response = await client.fetch("/", { method: "POST", body: body.stream });
    await readSlowly(http, response.body, body);
    assertEquals([body.taken, body.arrived], [LONG, LONG]);
    // The buffers of both directions and both ends, and of the pipe.
    assert(body.most <= MIB, `${body.most}`);
  },
);
