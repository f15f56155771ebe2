/** HTTP: when `info.completed` settles, and how. */

import { assert, assertEquals } from "@std/assert";
import { Status } from "../src/kernel/status.ts";
import { type Fate, fate, nextTask } from "./fixture.ts";
import { type HttpWorld, inHttpWorld } from "./http/world.ts";
import type { RawClient } from "./memory_kernel.ts";

const encoder = new TextEncoder();

/** A client that has sent a request, and the fate of the response. */
async function asked(
  http: HttpWorld,
  response: () => Response,
): Promise<{ client: RawClient; completed: Fate<void> }> {
  const fates: Fate<void>[] = [];
  http.serve((_request, info) => {
    fates.push(fate(info.completed));
    return response();
  });
  await http.world.idle();
  const client = http.world.connect();
  client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await http.world.kernelRests();
  const [completed] = fates;
  assert(completed !== undefined);
  return { client, completed };
}

function everythingThere(client: RawClient): string {
  let text = "";
  for (let part; (part = client.readText()) !== undefined;) text += part;
  return text;
}

inHttpWorld("completed resolves when Windows has accepted everything, not before", async (http) => {
  const { client, completed } = await asked(http, () => new Response("x".repeat(200_000)));
  let received = 0;
  for (;;) {
    received += everythingThere(client).length;
    const { state } = completed;
    await http.world.idle();
    if (completed.state === "resolved") break;
    assertEquals([state, completed.state], ["pending", "pending"]);
    assert(received < 200_000, `${received}`);
  }
  // What is left is in the pipe.
  assert(received > 200_000 - 2 * 65_536, `${received}`);
});

const RESPONSES: Record<string, [response: () => Response, last: RegExp]> = {
  "a short body": [() => new Response("body"), /body$/],
  "no body": [() => new Response(null, { status: 204 }), /\r\n\r\n$/],
  "a long body": [() => new Response(`${"x".repeat(150_000)}.`), /\.$/],
  "chunks": [
    () => new Response(ReadableStream.from(["one", "two"].map((text) => encoder.encode(text)))),
    /\r\n0\r\n\r\n$/,
  ],
};

for (const [what, [response, last]] of Object.entries(RESPONSES)) {
  inHttpWorld(
    `completed resolves although the client's end is seen before that of the write: ${what}`,
    async (http) => {
      const { kernel } = http.world;
      kernel.decisions.answers = ({ call }, truth) => call === "write" ? Status.PENDING : truth;
      kernel.decisions.shows = ({ call }) => call !== "write";
      const { client, completed } = await asked(http, response);
      for (let text = "";;) {
        text += everythingThere(client);
        if (last.test(text)) break;
        assert(kernel.deliver());
        await http.world.kernelRests();
      }
      client.close();
      await http.world.kernelRests();
      assertEquals(completed.state, "pending");
      kernel.decisions.shows = () => true;
      while (kernel.deliver());
      await http.world.idle();
      assertEquals(completed.state, "resolved");
    },
  );
}

inHttpWorld(
  "completed rejects if the client has left before it could have everything",
  async (http) => {
    const { client, completed } = await asked(http, () => new Response("x".repeat(200_000)));
    client.read(100);
    client.close();
    await http.world.idle();
    assertEquals([completed.state, `${completed.error}`], [
      "rejected",
      "AbortError: The client has left",
    ]);
  },
);

inHttpWorld("completed rejects with what the body of the response failed with", async (http) => {
  const late = (message: string) => {
    let pulls = 0;
    return new ReadableStream({
      async pull(controller) {
        for (let i = 0; i < 3; i++) await nextTask();
        if (pulls++ > 0) throw new Error(message);
        controller.enqueue(encoder.encode("part"));
      },
    });
  };
  const errors: unknown[] = [];
  const { client } = await http.pair(({ url }, { completed }) => {
    completed.catch((error) => errors.push(error));
    if (url.endsWith("/handler")) return new Response(late("the handler's body"));
    throw new Error("the handler");
  }, { onError: () => new Response(late("the body of onError")) });
  const other = await http.client();
  await client.write("GET /handler HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.remaining();
  await other.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await other.remaining();
  assertEquals(errors.map(String), ["Error: the handler's body", "Error: the body of onError"]);
  assertEquals(http.world.reports.splice(0).map(String), [
    "Error: the handler's body",
    "Error: the handler",
    "Error: the body of onError",
  ]);
});
