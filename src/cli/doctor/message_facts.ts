/**
 * Facts about reading, writing, cancelling and ends.
 *
 * @module
 */

import { Lane } from "../../kernel/kernel.ts";
import { Status } from "../../kernel/status.ts";
import type { Fact } from "./fact.ts";
import { told } from "./end.ts";

/** See the module. */
export const MESSAGE_FACTS: readonly Fact[] = [
  {
    id: "messages",
    text: "messages stay apart, and empty ones arrive",
    expected: '"one" "" "two"',
    async see(lab) {
      const { server, client } = await lab.pair();
      for (const message of ["one", "", "two"]) await client.writes(message);
      return [await server.reads(), await server.reads(), await server.reads()].join(" ");
    },
  },
  {
    id: "long-message",
    text: "a message longer than a read comes in parts, and a peek tells how much is left",
    expected: 'error 234 "abcd", 3 left, "efg"',
    async see(lab) {
      const { server, client } = await lab.pair();
      await client.writes("abcdefg");
      const first = await server.reads(4);
      return `${first}, ${lab.kernel.peek(server.handle).left} left, ${await server.reads()}`;
    },
  },
  {
    id: "zero-read",
    text: "a read of 0 bytes waits for a message, and takes nothing of it",
    expected: 'pending, error 234 "", "hello"',
    async see(lab) {
      const { server, client } = await lab.pair();
      const submitted = server.read(0);
      await client.writes("hello");
      const ended = await server.over(Lane.IN, submitted);
      return `${told(submitted)}, ${told(ended)} "${server.text()}", ${await server.reads()}`;
    },
  },
  {
    id: "write-in-quota",
    text: "a write that fits into the buffer of the pipe is over at once, though nobody reads",
    expected: "success",
    async see(lab) {
      const { server } = await lab.pair();
      return told(server.write(60_000));
    },
  },
  {
    id: "write-over-quota",
    text: "a write that does not fit is pending until it is read",
    expected: "pending, pending, success",
    async see(lab) {
      const { server, client } = await lab.pair({ writeBufferSize: 0 });
      const submitted = server.write("hello");
      const before = server.status(Lane.OUT);
      await client.reads();
      return `${told(submitted)}, ${told(before)}, ${told(await server.over(Lane.OUT, submitted))}`;
    },
  },
  {
    id: "both-ways",
    text: "a read and a write are in flight on one end at once",
    expected: 'pending, pending, "there", success',
    async see(lab) {
      const { server, client } = await lab.pair({ writeBufferSize: 0 });
      const read = server.read();
      const write = server.write("here");
      await client.writes("there");
      await server.over(Lane.IN, read);
      const text = `"${server.text()}"`;
      await client.reads();
      return `${told(read)}, ${told(write)}, ${text}, ${told(await server.over(Lane.OUT, write))}`;
    },
  },
  {
    id: "cancel-read",
    text: "a read that is cancelled loses nothing",
    expected: 'success, error 995, "hello"',
    async see(lab) {
      const { server, client } = await lab.pair();
      const read = server.read();
      const cancelled = server.cancel(Lane.IN);
      const ended = await server.over(Lane.IN, read);
      await client.writes("hello");
      return `${told(cancelled)}, ${told(ended)}, ${await server.reads()}`;
    },
  },
  {
    id: "cancel-write",
    text: "a write that is cancelled is not there",
    expected: 'error 995, "second"',
    async see(lab) {
      const { server, client } = await lab.pair({ writeBufferSize: 0 });
      const write = server.write("first");
      server.cancel(Lane.OUT);
      const ended = await server.over(Lane.OUT, write);
      const read = client.read();
      await server.writes("second");
      await client.over(Lane.IN, read);
      return `${told(ended)}, "${client.text()}"`;
    },
  },
  {
    id: "cancel-nothing",
    text: "cancelling tells when nothing is in flight",
    expected: "error 1168",
    async see(lab) {
      const { server } = await lab.pair();
      return told(server.cancel(Lane.IN));
    },
  },
  {
    id: "status-after-failure",
    text: "the status of an operation that failed at once stays pending",
    expected: "error 232, pending",
    async see(lab) {
      const { server, client } = await lab.pair();
      await client.close();
      const failed = server.write("anybody?");
      return `${told(failed)}, ${told(lab.kernel.status(Lane.OUT, server.slot))}`;
    },
  },
  {
    id: "client-leaves",
    text: "a client that leaves ends the read that waits, and what it wrote can be read before",
    expected: '"bye", error 109, error 232',
    async see(lab) {
      const { server, client } = await lab.pair();
      await client.writes("bye");
      await client.close();
      return `${await server.reads()}, ${await server.reads()}, ${await server.writes("?")}`;
    },
  },
  {
    id: "close-keeps",
    text: "what was written before the server closed its end can be read, then the end",
    expected: '"bye", error 109',
    async see(lab) {
      const { server, client } = await lab.pair();
      await server.writes("bye");
      await server.close();
      return `${await client.reads()}, ${await client.reads()}`;
    },
  },
  {
    id: "disconnect-destroys",
    text: "disconnecting ends the connection at once, and destroys what is unread",
    expected: "success, error 233",
    async see(lab) {
      const { server, client } = await lab.pair();
      await server.writes("unread");
      return `${told(server.disconnect())}, ${await client.reads()}`;
    },
  },
  {
    id: "byte-pipe",
    text: "a byte pipe knows no messages, and refuses to keep them apart",
    expected: '"onetwo", error 87',
    async see(lab) {
      const { server, client } = await lab.pair({ type: "byte" });
      for (const message of ["one", "", "two"]) await client.writes(message);
      return `${await server.reads()}, ${told(lab.kernel.keepMessages(client.handle))}`;
    },
  },
  {
    id: "status-is-truth",
    text: "a completion is in its status, though another submission has reset its signal",
    expected: "pending, then success",
    async see(lab) {
      const one = await lab.pair();
      const { kernel } = lab;
      const read = one.server.read();
      await one.client.writes("hello");
      kernel.rearm(true);
      const other = lab.server();
      other.listen();
      const status = one.server.status(Lane.IN);
      return `${told(read)}, then ${told(status)}`;
    },
  },
  {
    id: "wake",
    text: "a wait on another thread ends when it is woken",
    expected: "ended",
    async see({ kernel }) {
      const waiting = kernel.wait(true);
      kernel.wake();
      return await waiting ? "ended" : told(kernel.waitStatus(true) || Status.UNKNOWN);
    },
  },
];
