/**
 * Facts about names, instances and connections.
 *
 * @module
 */

import { Lane } from "../../kernel/kernel.ts";
import type { Fact } from "./fact.ts";
import { told } from "./end.ts";

/** See the module. */
export const PIPE_FACTS: readonly Fact[] = [
  {
    id: "first-instance",
    text: "a name that exists cannot be created as its first instance",
    expected: ["error 5", "error 231"],
    see(lab) {
      lab.server();
      return lab.create(true);
    },
  },
  {
    id: "free-name",
    text: "a name that is free can be created as its first instance, and joined then",
    expected: "success, success",
    see: (lab) => `${lab.create(true)}, ${lab.create(false)}`,
  },
  {
    id: "name-ends",
    text: "a name ends with its last instance, although a client remains",
    expected: "exists, then not",
    async see(lab) {
      const { server } = await lab.pair();
      const before = lab.kernel.exists(lab.path);
      await server.close();
      return `${before ? "exists" : "missing"}, then ${
        lab.kernel.exists(lab.path) ? "still" : "not"
      }`;
    },
  },
  {
    id: "no-name",
    text: "opening a name that does not exist fails",
    expected: "error 2",
    see: (lab) => lab.open(),
  },
  {
    id: "busy",
    text:
      "opening fails while no instance is free, also one that is disconnected and does not listen",
    expected: "error 231, error 231, then success",
    async see(lab) {
      const { server } = await lab.pair();
      const connected = lab.open();
      server.disconnect();
      const disconnected = lab.open();
      server.listen();
      return `${connected}, ${disconnected}, then ${lab.open()}`;
    },
  },
  {
    id: "early-client",
    text: "listening finds a client that connected before",
    expected: "error 535",
    see(lab) {
      const server = lab.server();
      lab.client();
      return told(server.listen());
    },
  },
  {
    id: "early-client-left",
    text: "listening finds a client that connected and left before, and what it wrote",
    expected: 'error 232, "hello"',
    async see(lab) {
      const server = lab.server();
      const client = lab.client();
      await client.writes("hello");
      await client.close();
      return `${told(server.listen())}, ${await server.reads()}`;
    },
  },
  {
    id: "reuse",
    text:
      "an instance that was disconnected serves the next client, who sees nothing of the last one",
    expected: '"second"',
    async see(lab) {
      const { server, client } = await lab.pair();
      await client.writes("first");
      await client.close();
      server.disconnect();
      const listening = server.listen();
      const next = lab.client();
      await server.over(Lane.IN, listening);
      await next.writes("second");
      return await server.reads();
    },
  },
  {
    id: "direction",
    text: "a client cannot ask for what the direction of the pipe excludes",
    expected: "error 5, then success",
    see(lab) {
      lab.server({ direction: "read" });
      return `${lab.open()}, then ${lab.open({ direction: "write" })}`;
    },
  },
  {
    id: "type",
    text: "both ends tell whether a pipe keeps messages apart",
    expected: "message, message, byte, byte",
    async see(lab) {
      const types: string[] = [];
      for (const type of ["message", "byte"] as const) {
        const { server, client } = await lab.pair({ type });
        for (const end of [server, client]) types.push(lab.kernel.type(end.handle) ?? "unknown");
        await client.close();
        await server.close();
      }
      return types.join(", ");
    },
  },
  {
    id: "peers",
    text: "both ends tell the process of the other",
    expected: "the same process, which has a session",
    async see(lab) {
      const { server, client } = await lab.pair();
      const process = lab.kernel.clientProcess(server.handle);
      const same = process !== undefined && process === lab.kernel.hostProcess(client.handle);
      const session = lab.kernel.clientSession(server.handle);
      return `${same ? "the same process" : "other processes"}, which has ${
        session === undefined ? "none" : "a session"
      }`;
    },
  },
];
