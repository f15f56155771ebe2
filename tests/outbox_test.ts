/** Writes to a byte pipe are cut and gathered, in order; those to a message pipe never are. */

import { mock } from "node:test";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { PipeType } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import { type LoopUser, WaitLoop } from "../src/loop/wait_loop.ts";
import { LONGEST_PART, Outgoing } from "../src/pipe/outbox.ts";
import { PipeEnd, type PipeEndOwner } from "../src/pipe/pipe_end.ts";
import { type WriteOwner, WriteQueue } from "../src/pipe/write_queue.ts";
import { nextTask } from "./fixture.ts";
import { MemoryKernel, NOTHING_LEFT, type RawServer } from "./memory_kernel.ts";

const PATH = "\\\\.\\pipe\\outbox";

/** A message that keeps what became of it. */
class Message extends Outgoing {
  outcome: "accepted" | Error | undefined = undefined;

  constructor(length: number, filled: number) {
    super(new Uint8Array(length).fill(filled), false);
  }

  override end(error?: Error): void {
    assertEquals(this.outcome, undefined, "a message ends once");
    this.outcome = error ?? "accepted";
  }
}

/** A client's end of a pipe with a queue of writes, and the server's end. */
class Fixture implements PipeEndOwner, WriteOwner, LoopUser, AsyncDisposable {
  readonly kernel = new MemoryKernel();
  readonly loop = new WaitLoop(this.kernel);
  readonly server: RawServer;
  readonly end: PipeEnd;
  readonly queue: WriteQueue<Message>;
  /** Lengths of the writes so far. */
  readonly writes: number[] = [];
  /** What the owner was told. */
  readonly told: string[] = [];

  constructor(type: PipeType, quota = 0) {
    const { kernel, loop } = this;
    const messages = type === "message";
    this.server = kernel.system.serve(PATH, { messages, readBufferSize: quota });
    loop.enter(this);
    const { handle } = kernel.open(PATH, { direction: "both", impersonation: "identification" });
    const write = kernel.write.bind(kernel);
    mock.method(kernel, "write", (...args: Parameters<typeof write>) => {
      const status = write(...args);
      if (status !== Status.NOT_SUBMITTED) this.writes.push(args[2].length);
      return status;
    });
    this.end = new PipeEnd(loop, handle, this);
    this.queue = new WriteQueue(loop, this.end, this, Infinity, !messages);
  }

  /** Adds messages of these lengths; each is filled with its number, from 1. */
  add(...lengths: number[]): Message[] {
    return lengths.map((length, i) => {
      const message = new Message(length, i + 1);
      this.queue.add(message);
      if (!this.queue.writing) this.queue.write();
      return message;
    });
  }

  /** Until nothing is to be done but to wait for the server. */
  async rest(): Promise<void> {
    do await nextTask(); while (this.kernel.leftovers().turns > 0);
  }

  /** Everything that was written, as the server reads it: how often each byte follows itself. */
  async read(): Promise<[filled: number, length: number][]> {
    const runs: [number, number][] = [];
    for (let bytes; (bytes = this.server.read()) !== undefined; await this.rest()) {
      for (const byte of bytes) {
        const last = runs.at(-1);
        if (last?.[0] === byte) last[1]++;
        else runs.push([byte, 1]);
      }
    }
    return runs;
  }

  inboundCompleted(): void {}

  outboundCompleted(status: number): void {
    this.queue.completed(status);
  }

  crashed(error: unknown): void {
    throw error;
  }

  written(): void {
    this.told.push("written");
  }

  writeFailed(status: number): Error {
    return new Error(`${status}`);
  }

  unwritten(_status: number, messages: number): void {
    this.told.push(`unwritten ${messages}`);
  }

  stillUnread(): void {}

  stillShort(): void {}

  aborted(): void {
    this.told.push("aborted");
  }

  failed(): void {}

  abandoned(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.end.close(() => closed.resolve(this.loop.leave(this)));
    await this.rest();
    await closed.promise;
    this.queue.close(() => new Error("closed"));
    if (!this.server.closed) this.server.close();
    assertEquals(this.kernel.leftovers(), NOTHING_LEFT);
  }
}

function endsOf(messages: readonly Message[]): (string | undefined)[] {
  return messages.map(({ outcome }) => outcome instanceof Error ? "error" : outcome);
}

Deno.test("on a message pipe each message is one write, however long or short", async () => {
  await using f = new Fixture("message");
  const lengths = [1, 0, 3 * LONGEST_PART, 2];
  const messages = f.add(...lengths);
  await f.rest();
  assertEquals((await f.read()).map(([, length]) => length), [1, 3 * LONGEST_PART, 2]);
  assertEquals([f.writes, endsOf(messages)], [lengths, Array(4).fill("accepted")]);
  assertEquals([f.queue.queued(0), f.told], [0, ["written"]]);
});

Deno.test("on a byte pipe long messages are cut, and short ones that wait are gathered", async () => {
  const P = LONGEST_PART;
  const cases: [lengths: number[], writes: number[]][] = [
    [[5], [5]],
    [[0], [0]],
    // The first is written at once.
    [[1, 2, 3], [1, 5]],
    [[1, 0, 2], [1, 2]],
    [[1, 0, 0], [1, 0]],
    [[P], [P]],
    [[P + 1], [P, 1]],
    [[3 * P], [P, P, P]],
    // The rest of a long one goes together with what follows.
    [[P + 1, 7], [P, 8]],
    [[1, P - 1, 1], [1, P]],
    [[1, P, 1], [1, P, 1]],
    [[1, P - 3, 9, 2 * P], [1, P, P, P, 6]],
  ];
  for (const [lengths, writes] of cases) {
    await using f = new Fixture("byte");
    const messages = f.add(...lengths);
    await f.rest();
    const read = await f.read();
    const expected = lengths.map((length, i) => [i + 1, length] as const).filter(([, n]) => n > 0);
    assertEquals(read, expected.map(([filled, length]) => [filled, length]), `${lengths}`);
    assertEquals(trimmed(f.writes), trimmed(writes), `${lengths}`);
    assertEquals(endsOf(messages), lengths.map(() => "accepted"), `${lengths}`);
    assertEquals(f.queue.queued(0), 0);
  }
});

/** Writes of no bytes are nothing on a byte pipe. */
function trimmed(writes: readonly number[]): number[] {
  return writes.filter((length) => length > 0);
}

Deno.test("what is not in the write in flight can be removed, and nothing else", async () => {
  await using f = new Fixture("byte");
  const [first, second, third] = f.add(10, 20, 30);
  assert(first !== undefined && second !== undefined && third !== undefined);
  await f.rest();
  assert(!f.queue.remove(first));
  assert(f.queue.remove(second));
  assertEquals(f.queue.queued(0), 40);
  assertEquals(await f.read(), [[1, 10], [3, 30]]);
  assertEquals(endsOf([first, second, third]), ["accepted", undefined, "accepted"]);
});

Deno.test("what was gathered is in flight, all of it", async () => {
  await using f = new Fixture("byte");
  const messages = f.add(10, 20, LONGEST_PART, 40);
  await f.rest();
  f.server.read(10);
  await f.rest();
  assertEquals(f.writes, [10, LONGEST_PART]);
  assertEquals(messages.map((message) => f.queue.remove(message)), [false, false, false, true]);
  assertEquals(f.queue.drop(() => new Error("dropped")), 0);
});

Deno.test("all messages that are dropped together get one error, which is made if there are any", async () => {
  await using f = new Fixture("message");
  const messages = f.add(10, 20, 30);
  let made = 0;
  const error = () => new Error(`dropped ${++made}`);
  assertEquals([f.queue.drop(error), f.queue.drop(error), made], [2, 0, 1]);
  const [, second, third] = messages;
  assert(second?.outcome instanceof Error);
  assertStrictEquals(third?.outcome, second.outcome);
});

Deno.test("a message of which a write has a part is never removed", async () => {
  await using f = new Fixture("byte");
  const [long, next] = f.add(LONGEST_PART + 1, 5);
  assert(long !== undefined && next !== undefined);
  await f.rest();
  f.server.read(LONGEST_PART);
  // The first write is over, and the loop has not seen it.
  assert(!f.queue.remove(long));
  await f.rest();
  assert(!f.queue.remove(long) && !f.queue.remove(next));
  assertEquals(await f.read(), [[1, 1], [2, 5]]);
});

Deno.test("what Windows has accepted of a long message does not wait any more", async () => {
  await using f = new Fixture("byte");
  f.add(2 * LONGEST_PART + 1, 5);
  await f.rest();
  for (const waiting of [2 * LONGEST_PART + 6, LONGEST_PART + 6, 6, 0]) {
    assertEquals(f.queue.queued(0), waiting);
    f.server.read(LONGEST_PART);
    await f.rest();
  }
});

Deno.test("aborting what is in flight ends the connection, unless it was accepted", async () => {
  for (const accepted of [false, true]) {
    await using f = new Fixture("byte");
    const [message] = f.add(10);
    assert(message !== undefined);
    await f.rest();
    if (accepted) f.server.read();
    assert(!f.queue.abort(message));
    await f.rest();
    assertEquals(f.told, [accepted ? "written" : "aborted"]);
    assertEquals(message.outcome, accepted ? "accepted" : undefined);
  }
});

Deno.test("aborting one of several that were gathered, none of which was submitted", async () => {
  await using f = new Fixture("byte", 1_000_000);
  f.kernel.decisions.fails = (call) => call === "write" ? Status.NOT_SUBMITTED : undefined;
  const messages = f.add(10, 20, 30);
  const [one, two, three] = messages;
  assert(one !== undefined && two !== undefined && three !== undefined);
  assert(!f.queue.abort(one) && f.queue.abort(three));
  f.kernel.decisions.fails = () => undefined;
  await f.rest();
  assertEquals(endsOf(messages), ["error", "accepted", undefined]);
  assertEquals(await f.read(), [[2, 20]]);
});

Deno.test("aborting several that were gathered, none of which was submitted", async () => {
  await using f = new Fixture("byte");
  const messages = f.add(10, 20, 30, 40);
  await f.rest();
  f.kernel.decisions.fails = (call) => call === "write" ? Status.NOT_SUBMITTED : undefined;
  f.server.read();
  await f.rest();
  for (const message of messages.slice(1, 3)) assert(!f.queue.abort(message));
  f.kernel.decisions.fails = () => undefined;
  await f.rest();
  assertEquals(await f.read(), [[4, 40]]);
  assertEquals(endsOf(messages), ["accepted", "error", "error", "accepted"]);
});

Deno.test("a write that fails drops everything, and the next begins afresh", async () => {
  await using f = new Fixture("byte");
  const messages = f.add(2 * LONGEST_PART, 5);
  await f.rest();
  f.server.read(LONGEST_PART);
  await f.rest();
  f.server.close();
  await f.rest();
  assertEquals([endsOf(messages), f.told], [["error", "error"], ["unwritten 2"]]);
  const [late] = f.add(3);
  await f.rest();
  assert(late?.outcome instanceof Error);
  assertEquals(late.outcome.message, `${Status.NO_DATA}`);
  assertEquals(f.writes.at(-1), 3);
});
