/**
 * What every {@linkcode Kernel} does, as tests that run on any of them.
 *
 * Where a system may say something at once or later, a test takes either and goes on to the same
 * end. Nothing is polled and nobody sleeps: the tests wait as the wait loop does.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { Lane } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import {
  Bench,
  type Exceptions,
  FIRST_READ,
  Side,
  type Subject,
  type TestOfKernel,
} from "./kernel_bench.ts";
import { testPeers, testPipeKinds } from "./kernel_contract_kinds.ts";

/** Owner and rights of a security descriptor, with the user's SID where Windows knows an alias. */
export function rightsIn(sddl: string, user: string): string {
  const rights = sddl.replace(/S:.*$/, "").replaceAll("0x1f01ff", "FA");
  return user.endsWith("-500") ? rights.replaceAll(/(?<=O:|;)LA(?=D:|\))/g, user) : rights;
}
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What is the same whatever its name says: that a status tells of a connection that ended. */
function assertFails(status: number): void {
  assertNotEquals(status, Status.SUCCESS);
  assertNotEquals(status, Status.PENDING);
  assertNotEquals(status, Status.MORE_DATA);
}
function bytes(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) & 0xff);
}
/**
 * Registers the tests.
 *
 * @param name Of the kernel, for the names of the tests.
 * @param make Makes a fresh kernel for each test.
 */
export function testKernelContract(
  name: string,
  make: () => Subject,
  exceptions: Exceptions = {},
): void {
  const test: TestOfKernel = (title, body, makeIt = make) => {
    Deno.test({
      name: `${name}: ${title}`,
      sanitizeOps: true,
      sanitizeResources: true,
      fn: async () => {
        const bench = new Bench(makeIt());
        let passed = false;
        try {
          await body(bench);
          passed = true;
        } finally {
          // A test that failed says why itself; what it left behind is no further news.
          await bench.tidy().catch((error) => {
            if (passed) throw error;
          });
        }
      },
    });
  };

  // Names and instances

  test("create() refuses a name without the prefix", (bench) => {
    const pipe = { ...bench.spec(), path: "contract-no-prefix" };
    // INVALID_NAME on Windows; Wine takes it for a file of the current folder.
    assertFails(bench.kernel.create(pipe, false).status);
  });

  test("create() of the first instance fails when the name exists", (bench) => {
    bench.server();
    const { status, handle } = bench.kernel.create(bench.spec(), true);
    if (exceptions.ignoresFirst) {
      assertEquals(status, Status.SUCCESS, "this system has learnt what a first instance is");
      bench.side(handle);
    } else {
      assert(status === Status.ACCESS_DENIED || status === Status.BUSY, `status ${status}`);
    }
  });

  test("create() of the first instance succeeds when the name is free", (bench) => {
    const { status, handle } = bench.kernel.create(bench.spec(), true);
    assertEquals(status, Status.SUCCESS);
    bench.side(handle);
    bench.server();
  });

  test("exists() follows the server handles, not the clients", async (bench) => {
    const { kernel, path } = bench;
    assertFalse(kernel.exists(path));
    const { server, client } = await bench.pair();
    assert(kernel.exists(path), "all instances are busy");
    assert(kernel.exists(path.toUpperCase().replace("PIPE", "pipe")), "case does not matter");
    const second = bench.server();
    await server.close();
    assert(kernel.exists(path));
    await second.close();
    assertFalse(kernel.exists(path));
    assert(client.open);
  });

  test("exists() does not use up an instance", async (bench) => {
    const server = bench.server();
    assert(bench.kernel.exists(bench.path));
    assertEquals(server.listen(), Status.PENDING);
    assert(bench.kernel.exists(bench.path));
    assertEquals(server.status(Lane.IN), Status.PENDING);
    bench.client();
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.SUCCESS);
  });

  test("open() of a name that does not exist is NOT_FOUND", (bench) => {
    assertEquals(bench.open().status, Status.NOT_FOUND);
  });

  test("open() with no instance free is BUSY", async (bench) => {
    const { server } = await bench.pair();
    assertEquals(bench.open().status, Status.BUSY);
    assertEquals(server.disconnect(), Status.SUCCESS);
    // Disconnected is not yet listening.
    assertEquals(bench.open().status, Status.BUSY);
    const submitted = server.listen();
    assertEquals(submitted, Status.PENDING);
    bench.client();
    assertEquals(await server.over(Lane.IN, submitted), Status.SUCCESS);
  });

  test("open() after a client left is BUSY until the instance listens again", async (bench) => {
    const { server, client } = await bench.pair();
    await client.close();
    assertEquals(bench.open().status, Status.BUSY);
    assertEquals(await server.readEnd(), Status.BROKEN);
    assertEquals(server.disconnect(), Status.SUCCESS);
    assertEquals(server.listen(), Status.PENDING);
    bench.client();
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.SUCCESS);
  });

  test("clients get the instances in the order of their listening", async (bench) => {
    const servers = [bench.server(), bench.server(), bench.server()] as const;
    // The order of creation counts, not that of the listens.
    assertEquals(servers[2].listen(), Status.PENDING);
    assertEquals(servers[0].listen(), Status.PENDING);
    await bench.client().send("a");
    assertEquals(await servers[0].over(Lane.IN, Status.PENDING), Status.SUCCESS);
    await bench.client().send("b");
    await bench.client().send("c");
    assertEquals(await servers[2].over(Lane.IN, Status.PENDING), Status.SUCCESS);
    assertEquals(await servers[1].accept(), Status.ALREADY_CONNECTED);
    assertEquals(await servers[0].receive(), "a");
    assertEquals(await servers[1].receive(), "b");
    assertEquals(await servers[2].receive(), "c");
  });

  test("an instance that listens again goes to the end of the line", async (bench) => {
    const { server, client } = await bench.pair();
    const fresh = bench.server();
    await client.close();
    assertEquals(server.disconnect(), Status.SUCCESS);
    assertEquals(server.listen(), Status.PENDING);
    await bench.client().send("for the fresh one");
    assertEquals(await fresh.accept(), Status.ALREADY_CONNECTED);
    assertEquals(await fresh.receive(), "for the fresh one");
    assertEquals(server.status(Lane.IN), Status.PENDING);
  });

  test("the name dies with the last server handle, though a client remains", async (bench) => {
    const { server, client } = await bench.pair();
    await server.close();
    assertEquals(bench.open().status, Status.NOT_FOUND);
    assertEquals(await client.readEnd(), Status.BROKEN);
    // Anyone may have the name now.
    bench.server();
    bench.client();
  });

  // Listening

  test("listen() after a client is ALREADY_CONNECTED, and no completion follows", async (bench) => {
    const server = bench.server();
    const client = bench.client();
    await client.send("early");
    assertEquals(server.listen(), Status.ALREADY_CONNECTED);
    assertEquals(server.cancel(Lane.IN), Status.NOTHING_TO_CANCEL);
    assertEquals(await server.receive(), "early");
  });

  test("listen() after a client came and left is NO_DATA; what it wrote is there", async (bench) => {
    const server = bench.server();
    const client = bench.client();
    await client.send("fire");
    await client.send("and forget");
    await client.close();
    assertEquals(server.listen(), Status.NO_DATA);
    assertEquals(server.cancel(Lane.IN), Status.NOTHING_TO_CANCEL);
    assertEquals(await server.receive(), "fire");
    assertEquals(await server.receive(), "and forget");
    assertEquals(await server.readEnd(), Status.BROKEN);
    assertEquals(server.disconnect(), Status.SUCCESS);
    assertEquals(server.listen(), Status.PENDING);
  });

  test("listen() that pends ends with SUCCESS even if the client left", async (bench) => {
    const server = bench.server();
    assertEquals(server.listen(), Status.PENDING);
    const client = bench.client();
    await client.send("gone");
    await client.close();
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.SUCCESS);
    assertEquals(await server.receive(), "gone");
    assertEquals(await server.readEnd(), Status.BROKEN);
  });

  test("clientProcess() tells clients of one process by the same number", async (bench) => {
    const pairs = [await bench.pair(), await bench.pair()];
    const [one, other] = pairs.map(({ server }) => bench.kernel.clientProcess(server.handle));
    assertGreater(one ?? 0, 0);
    assertEquals(one, other);
  });

  test("clientProcess() and clientSession() know a client that has left", async (bench) => {
    const { kernel } = bench;
    const { server, client } = await bench.pair();
    const known = [kernel.clientProcess(server.handle), kernel.clientSession(server.handle)];
    await client.close();
    assertEquals(await server.readEnd(), Status.BROKEN);
    const still = [kernel.clientProcess(server.handle), kernel.clientSession(server.handle)];
    assertEquals(still, known);
  });

  test("cancel() of a listen ends it, and the instance still takes clients", async (bench) => {
    const server = bench.server();
    assertEquals(server.listen(), Status.PENDING);
    assertEquals(server.cancel(Lane.IN), Status.SUCCESS);
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.CANCELLED);
    assertEquals(server.cancel(Lane.IN), Status.NOTHING_TO_CANCEL);
    assertEquals(server.listen(), Status.PENDING);
    bench.client();
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.SUCCESS);
  });

  // Messages

  test("messages written ahead stay apart, and in order, empty ones too", async (bench) => {
    const { server, client } = await bench.pair();
    for (const [from, to] of [[client, server], [server, client]] as const) {
      for (const text of ["before", "", "after"]) await from.send(text);
      for (const text of ["before", "", "after"]) assertEquals(await to.receive(), text);
    }
  });

  test("an empty message ends a read that waits", async (bench) => {
    const { server, client } = await bench.pair();
    assertEquals(server.read(), Status.PENDING);
    await client.send("");
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.SUCCESS);
    assertEquals(server.taken().length, 0);
  });

  test("an empty message survives its writer", async (bench) => {
    const { server, client } = await bench.pair();
    await client.send("");
    await client.close();
    assertEquals(await server.receive(), "");
    assertEquals(await server.readEnd(), Status.BROKEN);
  });

  test("a read and a write are in flight on one instance at once", async (bench) => {
    const { server, client } = await bench.pair({ writeBufferSize: 0 });
    assertEquals(server.read(), Status.PENDING);
    assertEquals(server.write("out"), Status.PENDING);
    await client.send("in");
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.SUCCESS);
    assertEquals(server.text(), "in");
    assertEquals(server.status(Lane.OUT), Status.PENDING);
    assertEquals(await client.receive(), "out");
    assertEquals(await server.over(Lane.OUT, Status.PENDING), Status.SUCCESS);
    assertEquals(bench.kernel.transferred(Lane.OUT, server.slot), 3);
  });

  for (const waiting of [false, true]) {
    const how = waiting ? "that waits" : "that comes later";
    test(`a message longer than the memory of a read ${how} comes in parts`, async (bench) => {
      const { server, client } = await bench.pair();
      const message = bytes(1000);
      const early = waiting ? server.read(300) : undefined;
      await client.send(message);
      assertEquals(await server.over(Lane.IN, early ?? server.read(300)), Status.MORE_DATA);
      assertEquals(bench.kernel.transferred(Lane.IN, server.slot), 300);
      assertEquals(server.taken(), message.slice(0, 300));
      assertEquals(server.left(), 700);
      assertEquals(await server.readEnd(200), Status.MORE_DATA);
      assertEquals(server.taken(), message.slice(300, 500));
      assertEquals(server.left(), 500);
      assertEquals(await server.readEnd(500), Status.SUCCESS);
      assertEquals(server.taken(), message.slice(500));
      assertEquals(server.left(), 0);
    });
  }

  test("take() copies from the first byte as much as is asked for", async (bench) => {
    const { server, client } = await bench.pair();
    await client.send("abcdef");
    assertEquals(await server.readEnd(), Status.SUCCESS);
    const head = new Uint8Array(2);
    bench.kernel.take(server.slot, head);
    assertEquals(decoder.decode(head), "ab");
    bench.kernel.take(server.slot, new Uint8Array());
    assertEquals(server.text(), "abcdef");
  });

  test("peek() says what is left of the message at the head", async (bench) => {
    const { server, client } = await bench.pair();
    assertEquals(server.left(), 0);
    await client.send("first");
    await client.send("and a longer second");
    assertEquals(server.left(), 5);
    assertEquals(await server.receive(), "first");
    assertEquals(server.left(), 19);
    await client.close();
    assertEquals(server.left(), 19);
    assertEquals(await server.receive(), "and a longer second");
    assertFails(bench.kernel.peek(server.handle).status);
    assertEquals(server.disconnect(), Status.SUCCESS);
    assertFails(bench.kernel.peek(server.handle).status);
  });

  test("peek() tells whether a client connected after the listen was cancelled", async (bench) => {
    const [server, other] = [bench.server(), bench.server()];
    for (const side of [server, other]) {
      const submitted = side.listen();
      assertEquals(submitted, Status.PENDING);
      assertFails(bench.kernel.peek(side.handle).status);
      assertEquals(side.cancel(Lane.IN), Status.SUCCESS);
      assertEquals(await side.over(Lane.IN, submitted), Status.CANCELLED);
      assertFails(bench.kernel.peek(side.handle).status);
    }
    const client = bench.client();
    assertEquals(server.left(), 0);
    await client.send("hello");
    assertEquals(server.left(), 5);
    await client.close();
    assertEquals(await server.receive(), "hello");
    assertFails(bench.kernel.peek(server.handle).status);
    // The other one still waits for a client.
    assertFails(bench.kernel.peek(other.handle).status);
    await bench.client().close();
    assertFails(bench.kernel.peek(other.handle).status);
  });

  test("a client begins in byte read mode, which merges messages", async (bench) => {
    const server = bench.server();
    const client = bench.client("byte");
    assertEquals(server.listen(), Status.ALREADY_CONNECTED);
    await server.send("to");
    await server.send("gether");
    assertEquals(await client.receive(), "together");
    assertEquals(bench.kernel.keepMessages(client.handle), Status.SUCCESS);
    await server.send("a");
    await server.send("part");
    assertEquals(await client.receive(), "a");
    assertEquals(await client.receive(), "part");
  });

  // Quotas

  test("write() within the quota is over though nobody reads", async (bench) => {
    const { server, client } = await bench.pair({ writeBufferSize: FIRST_READ });
    await server.send(bytes(2000));
    await server.send(bytes(2000));
    assertEquals(bench.kernel.transferred(Lane.OUT, server.slot), 2000);
    assertEquals(await client.readEnd(), Status.SUCCESS);
  });

  test("write() over the quota pends, can be read, and ends when the rest fits", async (bench) => {
    const { server, client } = await bench.pair({ writeBufferSize: 4096 });
    await server.send(bytes(3000, 1));
    assertEquals(server.write(bytes(3000, 2)), Status.PENDING);
    assertEquals(server.status(Lane.OUT), Status.PENDING);
    assertEquals(await client.readEnd(), Status.SUCCESS);
    assertEquals(client.taken(), bytes(3000, 1));
    // Unread, but within the quota.
    assertEquals(await server.over(Lane.OUT, Status.PENDING), Status.SUCCESS);
    assertEquals(bench.kernel.transferred(Lane.OUT, server.slot), 3000);
    assertEquals(client.left(), 3000);
    assertEquals(await client.readEnd(), Status.SUCCESS);
    assertEquals(client.taken(), bytes(3000, 2));
  });

  test("the same holds for what clients write, with the other quota", async (bench) => {
    const { server, client } = await bench.pair({ readBufferSize: 4096 });
    await client.send(bytes(3000, 1));
    assertEquals(client.write(bytes(3000, 2)), Status.PENDING);
    await server.send(bytes(5000));
    assertEquals(await server.readEnd(), Status.SUCCESS);
    assertEquals(await client.over(Lane.OUT, Status.PENDING), Status.SUCCESS);
    assertEquals(await server.readEnd(), Status.SUCCESS);
    assertEquals(server.taken(), bytes(3000, 2));
  });

  test("write() with a quota of 0 pends until it is read; an empty one does not", async (bench) => {
    const { server, client } = await bench.pair({ writeBufferSize: 0 });
    await server.send("");
    assertEquals(await client.receive(), "");
    assertEquals(server.write("x"), Status.PENDING);
    assertEquals(client.left(), 1);
    assertEquals(server.status(Lane.OUT), Status.PENDING);
    assertEquals(await client.receive(), "x");
    assertEquals(await server.over(Lane.OUT, Status.PENDING), Status.SUCCESS);
  });

  test("write() to a reader that waits is over whatever the quota", async (bench) => {
    const { server, client } = await bench.pair({ writeBufferSize: 0 });
    assertEquals(client.read(), Status.PENDING);
    await server.send("straight");
    assertEquals(await client.over(Lane.IN, Status.PENDING), Status.SUCCESS);
    assertEquals(client.text(), "straight");
  });

  test("one message may be longer than the quota", async (bench) => {
    const { server, client } = await bench.pair({ readBufferSize: 4096 });
    const message = bytes(1_048_576);
    assertEquals(client.write(message), Status.PENDING);
    assertEquals(await server.readEnd(4096), Status.MORE_DATA);
    const left = server.left();
    assertEquals(left, message.length - 4096);
    assertEquals(server.taken(), message.slice(0, 4096));
    assertEquals(await server.readEnd(left), Status.SUCCESS);
    const rest = server.taken();
    assert(message.subarray(4096).every((byte, i) => byte === rest[i]), "the bytes differ");
    assertEquals(await client.over(Lane.OUT, Status.PENDING), Status.SUCCESS);
    assertEquals(bench.kernel.transferred(Lane.OUT, client.slot), message.length);
  });

  test("write() of what fits into the quota is over at once, and cannot be withdrawn", async (bench) => {
    const message = bytes(1_048_576);
    const { server, client } = await bench.pair({ readBufferSize: message.length });
    const submitted = client.write(message);
    assertEquals(client.cancel(Lane.OUT), Status.NOTHING_TO_CANCEL);
    assertEquals(await client.over(Lane.OUT, submitted), Status.SUCCESS);
    // As one does that believes to have withdrawn it.
    const other = client.write("other");
    assertEquals(await server.readEnd(FIRST_READ), Status.MORE_DATA);
    assertEquals(server.left(), message.length - FIRST_READ);
    assertEquals(await server.readEnd(message.length), Status.SUCCESS);
    assertEquals(server.taken().length, message.length - FIRST_READ);
    assertEquals(await client.over(Lane.OUT, other), Status.SUCCESS);
    assertEquals(await server.receive(), "other");
  });

  for (const waiting of [false, true]) {
    const how = waiting ? "that waits" : "that comes later";
    test(`a read of 0 bytes ${how} takes nothing of a message, but an empty one`, async (bench) => {
      const { server, client } = await bench.pair();
      for (const text of ["message", "", "next"]) {
        const early = waiting ? server.read(0) : undefined;
        assertEquals(early ?? Status.PENDING, Status.PENDING);
        await client.send(text);
        const status = await server.over(Lane.IN, early ?? server.read(0));
        assertEquals(status, text === "" ? Status.SUCCESS : Status.MORE_DATA);
        assertEquals(bench.kernel.transferred(Lane.IN, server.slot), 0);
        assertEquals(server.left(), text.length);
        if (text !== "") assertEquals(await server.receive(text.length), text);
      }
    });
  }

  test("write() has copied its message when it returns", async (bench) => {
    const { server, client } = await bench.pair({ writeBufferSize: 0 });
    const message = encoder.encode("mine");
    assertEquals(server.write(message), Status.PENDING);
    message.fill(0);
    assertEquals(await client.receive(), "mine");
    assertEquals(await server.over(Lane.OUT, Status.PENDING), Status.SUCCESS);
  });

  // Cancelling

  test("cancel() of a read ends it, and loses nothing", async (bench) => {
    const { server, client } = await bench.pair();
    assertEquals(server.read(), Status.PENDING);
    assertEquals(server.cancel(Lane.IN), Status.SUCCESS);
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.CANCELLED);
    assertEquals(server.cancel(Lane.IN), Status.NOTHING_TO_CANCEL);
    await client.send("later");
    assertEquals(await server.receive(), "later");
  });

  test("cancel() of a write ends it, and its message is not there", async (bench) => {
    const { server, client } = await bench.pair({ writeBufferSize: 0 });
    assertEquals(server.write("never"), Status.PENDING);
    assertEquals(client.left(), 5);
    assertEquals(server.cancel(Lane.OUT), Status.SUCCESS);
    assertEquals(await server.over(Lane.OUT, Status.PENDING), Status.CANCELLED);
    assertEquals(server.cancel(Lane.OUT), Status.NOTHING_TO_CANCEL);
    assertEquals(client.left(), 0);
    assertEquals(client.read(), Status.PENDING);
    await server.send("instead");
    assertEquals(await client.over(Lane.IN, Status.PENDING), Status.SUCCESS);
    assertEquals(client.text(), "instead");
  });

  test("cancel() ends one operation and leaves the others", async (bench) => {
    const { server, client } = await bench.pair({ writeBufferSize: 0 });
    assertEquals(server.read(), Status.PENDING);
    assertEquals(server.write("stays"), Status.PENDING);
    assertEquals(server.cancel(Lane.IN), Status.SUCCESS);
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.CANCELLED);
    assertEquals(server.status(Lane.OUT), Status.PENDING);
    assertEquals(await client.receive(), "stays");
    assertEquals(await server.over(Lane.OUT, Status.PENDING), Status.SUCCESS);
  });

  test("cancel() with nothing in flight is NOTHING_TO_CANCEL", async (bench) => {
    const { server, client } = await bench.pair();
    await client.send("x");
    assertEquals(await server.receive(), "x");
    assertEquals(server.cancel(Lane.IN), Status.NOTHING_TO_CANCEL);
    assertEquals(client.cancel(Lane.OUT), Status.NOTHING_TO_CANCEL);
  });

  test("after a part was read, its writer may take the rest back: the glue trap", async (bench) => {
    const { server, client } = await bench.pair({ readBufferSize: 0 });
    assertEquals(client.write(bytes(1000)), Status.PENDING);
    assertEquals(await server.readEnd(100), Status.MORE_DATA);
    assertEquals(server.left(), 900);
    assertEquals(client.cancel(Lane.OUT), Status.SUCCESS);
    assertEquals(await client.over(Lane.OUT, Status.PENDING), Status.CANCELLED);
    assertEquals(server.left(), 0);
    assertEquals(client.write("other"), Status.PENDING);
    // Nothing but the number of bytes left tells that this is another message.
    assertEquals(server.left(), 5);
    assertEquals(await server.receive(), "other");
    assertEquals(await client.over(Lane.OUT, Status.PENDING), Status.SUCCESS);
  });

  test("a message that was half read when its writer died stays incomplete", async (bench) => {
    const { server, client } = await bench.pair({ readBufferSize: 0 });
    assertEquals(client.write(bytes(1000)), Status.PENDING);
    assertEquals(await server.readEnd(100), Status.MORE_DATA);
    await client.close();
    assertEquals(await server.readEnd(), Status.BROKEN);
  });

  // Ends

  test("a client that leaves ends a read that waits with BROKEN", async (bench) => {
    const { server, client } = await bench.pair();
    assertEquals(server.read(), Status.PENDING);
    await client.close();
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.BROKEN);
  });

  test("a client that leaves ends a write that pends with BROKEN", async (bench) => {
    const { server, client } = await bench.pair({ writeBufferSize: 0 });
    assertEquals(server.write("unread"), Status.PENDING);
    await client.close();
    assertEquals(await server.over(Lane.OUT, Status.PENDING), Status.BROKEN);
  });

  test("after the client left, writes are NO_DATA; what it wrote can be read", async (bench) => {
    const { server, client } = await bench.pair();
    await client.send("last words");
    await client.close();
    assertEquals(await server.writeEnd("anybody?"), Status.NO_DATA);
    assertEquals(await server.receive(), "last words");
    assertEquals(await server.readEnd(), Status.BROKEN);
  });

  test("close() leaves what was written to the client, then its end", async (bench) => {
    const { server, client } = await bench.pair();
    await server.send("the reply");
    await server.send("");
    await server.close();
    assertEquals(await client.receive(), "the reply");
    assertEquals(await client.receive(), "");
    assertEquals(await client.readEnd(), Status.BROKEN);
    assertEquals(await client.writeEnd("anybody?"), Status.NO_DATA);
  });

  test("close() ends what the client waits for with BROKEN", async (bench) => {
    const { server, client } = await bench.pair({ readBufferSize: 0 });
    assertEquals(client.read(), Status.PENDING);
    assertEquals(client.write("unread"), Status.PENDING);
    await server.close();
    assertEquals(await client.over(Lane.IN, Status.PENDING), Status.BROKEN);
    assertEquals(await client.over(Lane.OUT, Status.PENDING), Status.BROKEN);
  });

  test("disconnect() is seen by the client at once, and destroys what is unread", async (bench) => {
    const { server, client } = await bench.pair();
    await server.send("unread");
    await client.send("unread too");
    assertEquals(server.disconnect(), Status.SUCCESS);
    assertEquals(await client.readEnd(), Status.DISCONNECTED);
    assertEquals(await client.writeEnd("x"), Status.DISCONNECTED);
    assertEquals(await server.readEnd(), Status.DISCONNECTED);
    assertEquals(await server.writeEnd("x"), Status.DISCONNECTED);
    // A second time.
    assertEquals(server.disconnect(), Status.DISCONNECTED);
  });

  test("disconnect() ends what pends on either end with DISCONNECTED", async (bench) => {
    const { server, client } = await bench.pair({ readBufferSize: 0, writeBufferSize: 0 });
    assertEquals(server.write("unread"), Status.PENDING);
    assertEquals(client.write("unread too"), Status.PENDING);
    assertEquals(server.disconnect(), Status.SUCCESS);
    assertEquals(await server.over(Lane.OUT, Status.PENDING), Status.DISCONNECTED);
    assertEquals(await client.over(Lane.OUT, Status.PENDING), Status.DISCONNECTED);
  });

  test("disconnect() ends reads that wait on either end with DISCONNECTED", async (bench) => {
    const { server, client } = await bench.pair();
    assertEquals(server.read(), Status.PENDING);
    assertEquals(client.read(), Status.PENDING);
    assertEquals(server.disconnect(), Status.SUCCESS);
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.DISCONNECTED);
    assertEquals(await client.over(Lane.IN, Status.PENDING), Status.DISCONNECTED);
  });

  test("an instance serves one client after another, and none sees the other's data", async (bench) => {
    const server = bench.server();
    for (const text of ["first", "second", "third"]) {
      assertEquals(server.listen(), Status.PENDING);
      const client = bench.client();
      assertEquals(await server.over(Lane.IN, Status.PENDING), Status.SUCCESS);
      await client.send(text);
      await client.send("not read by anybody");
      assertEquals(await server.receive(), text);
      await server.send("not read by anybody");
      await client.close();
      assertEquals(server.disconnect(), Status.SUCCESS);
    }
  });

  // Status words

  test("status() stays PENDING after a failure by value", async (bench) => {
    const { server, client } = await bench.pair();
    await client.close();
    assertEquals(await server.readEnd(), Status.BROKEN);
    const submitted = server.read();
    if (submitted !== Status.PENDING) {
      assertEquals(submitted, Status.BROKEN);
      assertEquals(server.status(Lane.IN), Status.PENDING);
      // So only this says that nothing is in flight.
      assertEquals(server.cancel(Lane.IN), Status.NOTHING_TO_CANCEL);
      assertEquals(server.status(Lane.IN), Status.PENDING);
    }
  });

  test("status() tells how a submission ended that was over by value", async (bench) => {
    const { server, client } = await bench.pair();
    await client.send("there");
    if (server.read() === Status.SUCCESS) {
      assertEquals(server.status(Lane.IN), Status.SUCCESS);
      assertEquals(server.cancel(Lane.IN), Status.NOTHING_TO_CANCEL);
    } else {
      assertEquals(await server.over(Lane.IN, Status.PENDING), Status.SUCCESS);
    }
    assertEquals(server.text(), "there");
  });

  test("seemsPending() shows the picture that snapshot() took", async (bench) => {
    const { server, client } = await bench.pair({ writeBufferSize: 0 });
    assertEquals(server.read(), Status.PENDING);
    assertEquals(server.write("out"), Status.PENDING);
    bench.kernel.snapshot(Lane.IN);
    bench.kernel.snapshot(Lane.OUT);
    await client.send("in");
    assertEquals(await client.receive(), "out");
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.SUCCESS);
    assertEquals(await server.over(Lane.OUT, Status.PENDING), Status.SUCCESS);
    assert(bench.kernel.seemsPending(Lane.IN, server.slot), "an old picture does not change");
    bench.kernel.snapshot(Lane.IN);
    assertFalse(bench.kernel.seemsPending(Lane.IN, server.slot));
    assert(bench.kernel.seemsPending(Lane.OUT, server.slot), "a picture is of one lane");
    bench.kernel.snapshot(Lane.OUT);
    assertFalse(bench.kernel.seemsPending(Lane.OUT, server.slot));
  });

  test("release() gives a slot to whoever comes next", async (bench) => {
    const { kernel } = bench;
    const { server, client } = await bench.pair();
    await client.send("old");
    assertEquals(await server.receive(), "old");
    await server.close();
    kernel.release(server.slot);
    const { status, handle } = kernel.create(bench.spec(), false);
    assertEquals(status, Status.SUCCESS);
    const next = new Side(kernel, handle, server.slot);
    assertEquals(next.listen(), Status.PENDING);
    assertEquals(next.status(Lane.IN), Status.PENDING);
    kernel.snapshot(Lane.IN);
    assert(kernel.seemsPending(Lane.IN, next.slot));
    const other = bench.client();
    assertEquals(await next.over(Lane.IN, Status.PENDING), Status.SUCCESS);
    await other.send("new");
    assertEquals(await next.receive(FIRST_READ * 4), "new");
    await next.close();
  });

  test("a slot reads into as much memory as each read asks for", async (bench) => {
    const { server, client } = await bench.pair();
    for (const size of [1, 5000, 100, 60_000, 4096]) {
      await client.send(bytes(size, size));
      assertEquals(await server.readEnd(size), Status.SUCCESS);
      assertEquals(server.taken(), bytes(size, size));
      await server.send(bytes(size, size + 1));
      assertEquals(await client.readEnd(size), Status.SUCCESS);
      assertEquals(client.taken(), bytes(size, size + 1));
    }
  });

  test("200 instances at once", async (bench) => {
    const { kernel } = bench;
    const servers = Array.from({ length: 200 }, () => bench.server());
    for (const server of servers) assertEquals(server.listen(), Status.PENDING);
    const clients = servers.map(() => bench.client());
    for (const server of servers) {
      assertEquals(await server.over(Lane.IN, Status.PENDING), Status.SUCCESS);
      assertEquals(server.read(), Status.PENDING);
    }
    kernel.snapshot(Lane.IN);
    for (const { slot } of servers) assert(kernel.seemsPending(Lane.IN, slot));
    for (const [i, client] of clients.entries()) await client.send(`client ${i}`);
    for (const [i, server] of servers.entries()) {
      assertEquals(await server.over(Lane.IN, Status.PENDING), Status.SUCCESS);
      assertEquals(server.text(), `client ${i}`);
    }
  });

  // Waiting

  test("wait() returns when a read completes while it waits", async (bench) => {
    const { server, client } = await bench.pair();
    assertEquals(server.read(), Status.PENDING);
    bench.kernel.rearm(false);
    const waiting = bench.kernel.wait(false);
    const write = client.write("x");
    assert(await waiting);
    assertEquals(server.status(Lane.IN), Status.SUCCESS);
    assertEquals(await client.over(Lane.OUT, write), Status.SUCCESS);
  });

  test("wait() returns for what completed between rearm() and it", async (bench) => {
    const { server, client } = await bench.pair();
    assertEquals(server.read(), Status.PENDING);
    bench.kernel.rearm(false);
    const write = client.write("x");
    assert(await bench.kernel.wait(false));
    assertEquals(server.status(Lane.IN), Status.SUCCESS);
    assertEquals(await client.over(Lane.OUT, write), Status.SUCCESS);
  });

  test("wait() with `drained` returns when a write completes", async (bench) => {
    const { server, client } = await bench.pair({ writeBufferSize: 0 });
    assertEquals(server.write("x"), Status.PENDING);
    bench.kernel.rearm(true);
    const read = client.read();
    assert(await bench.kernel.wait(true));
    assertEquals(await server.over(Lane.OUT, Status.PENDING), Status.SUCCESS);
    assertEquals(await client.over(Lane.IN, read), Status.SUCCESS);
  });

  test("wake() makes the wait return that is dispatched", async ({ kernel }) => {
    kernel.rearm(true);
    const waiting = kernel.wait(false);
    kernel.wake();
    assert(await waiting);
  });

  test("wake() makes the next wait return, though signals are forgotten between", async ({ kernel }) => {
    kernel.wake();
    kernel.rearm(true);
    assert(await kernel.wait(true));
  });

  test("wait() can be repeated for ever", async ({ kernel }) => {
    for (let i = 0; i < 100; i++) {
      kernel.rearm(false);
      const waiting = kernel.wait(i % 2 === 0);
      kernel.wake();
      assert(await waiting);
    }
    assertEquals(typeof kernel.waitStatus(true), "number");
  });

  test("keepAlive() loses no completion of a wait that is dispatched", async (bench) => {
    const { kernel } = bench;
    const { server, client } = await bench.pair();
    kernel.keepAlive(false);
    const read = server.read();
    kernel.rearm(false);
    const waiting = kernel.wait(false);
    kernel.keepAlive(true);
    const write = client.write("x");
    assert(await waiting);
    assertEquals(await server.over(Lane.IN, read), Status.SUCCESS);
    assertEquals(await client.over(Lane.OUT, write), Status.SUCCESS);
  });

  test("a completion is in the status though another submission erased its signal", async (bench) => {
    const gone = await bench.pair();
    await gone.client.close();
    assertEquals(await gone.server.readEnd(), Status.BROKEN);
    const { server, client } = await bench.pair();
    assertEquals(server.read(), Status.PENDING);
    const write = client.write("x");
    // It is complete, and signalled.
    assert(await bench.kernel.wait(false));
    // A submission that fails by value resets the event that all reads share.
    assertEquals(await gone.server.readEnd(), Status.BROKEN);
    assertEquals(server.status(Lane.IN), Status.SUCCESS);
    assertEquals(server.text(), "x");
    assertEquals(await client.over(Lane.OUT, write), Status.SUCCESS);
  });

  // Time

  test("nextTurn() calls back in a later task, after microtasks", async ({ kernel }) => {
    const order: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    kernel.nextTurn(() => {
      order.push("turn");
      kernel.nextTurn(() => {
        order.push("next turn");
        resolve();
      });
      queueMicrotask(() => order.push("microtask of the turn"));
    });
    order.push("now");
    queueMicrotask(() => order.push("microtask"));
    await promise;
    assertEquals(order, ["now", "microtask", "turn", "microtask of the turn", "next turn"]);
  });

  test("startTimer() calls back once, not before its time; stopTimer() prevents it", async (bench) => {
    const { kernel, subject } = bench;
    const start = kernel.now();
    const { promise, resolve } = Promise.withResolvers<number>();
    let stopped = false;
    const timer = kernel.startTimer(5, () => stopped = true);
    kernel.startTimer(20, () => resolve(kernel.now()));
    kernel.stopTimer(timer);
    await subject.pass?.(25);
    // Timers of the system may be a little early for a clock of finer grain.
    assertGreaterOrEqual((await promise) - start, 18);
    assertFalse(stopped);
    kernel.stopTimer(timer);
    assertGreater(kernel.now() + 1, start);
  });

  test("keepAlive() loses no timer and no turn", async ({ kernel, subject }) => {
    const timer = Promise.withResolvers<void>();
    const turn = Promise.withResolvers<void>();
    kernel.keepAlive(false);
    kernel.startTimer(5, timer.resolve);
    kernel.nextTurnIfRunning(turn.resolve);
    kernel.stopTimer(kernel.startTimer(5, () => timer.reject(new Error("it was stopped"))));
    kernel.keepAlive(true);
    await turn.promise;
    await subject.pass?.(5);
    await timer.promise;
  });

  // Users and access rights

  const SDDL = "D:P(A;;FA;;;WD)";

  test("ownUser() is a SID, and that of the client at the other end", async (bench) => {
    const { kernel } = bench;
    const { status, text } = kernel.ownUser();
    assertEquals(status, Status.SUCCESS);
    assertMatch(text, /^S-1-5-[0-9-]+$/);
    const { server, client } = await bench.pair();
    await client.writeEnd("hello");
    assertEquals(await server.readEnd(), Status.SUCCESS);
    const identified = server.identified();
    assertEquals([identified.status, identified.identity?.sid], [Status.SUCCESS, text]);
    assertEquals(typeof identified.identity?.integrity, "number");
    assertEquals(typeof identified.identity?.elevated, "boolean");
  });

  test("identify() knows a client that came before the server listened", async (bench) => {
    const { kernel } = bench;
    const server = bench.server();
    const client = bench.client();
    assertEquals(server.listen(), Status.ALREADY_CONNECTED);
    await client.writeEnd("hello");
    assertEquals(await server.readEnd(), Status.SUCCESS);
    const { status, identity } = server.identified();
    assertEquals([status, identity?.sid], [Status.SUCCESS, kernel.ownUser().text]);
  });

  test("identify() knows who a token belongs to until it is closed, whatever becomes of the client", async (bench) => {
    const { kernel } = bench;
    const { server, client } = await bench.pair();
    await client.send("hello");
    assertEquals(await server.receive(), "hello");
    const { status, token } = kernel.openToken(server.handle);
    assertEquals(status, Status.SUCCESS);
    await client.close();
    await server.close();
    for (let i = 0; i < 2; i++) {
      assertEquals(kernel.identify(token).identity?.sid, kernel.ownUser().text);
    }
    kernel.closeToken(token);
  });

  test("identify() knows the writer of a message that was longer than the memory for it", async (bench) => {
    const { kernel } = bench;
    const { server, client } = await bench.pair();
    const write = client.write(new Uint8Array(FIRST_READ + 10));
    assertEquals(await server.readEnd(), Status.MORE_DATA);
    assertEquals(await server.readEnd(), Status.SUCCESS);
    assertEquals(server.identified().identity?.sid, kernel.ownUser().text);
    assertEquals(await client.over(Lane.OUT, write), Status.SUCCESS);
  });

  test("both ends of a pipe know its owner and its security descriptor", async (bench) => {
    const { kernel } = bench;
    const own = kernel.ownUser().text;
    const security = `O:${own}${SDDL}`;
    assertEquals(kernel.acceptsSecurity(security), Status.SUCCESS);
    // A second time it is known already.
    assertEquals(kernel.acceptsSecurity(security), Status.SUCCESS);
    const { status, handle } = kernel.create(bench.spec({ security }), true);
    assertEquals(status, Status.SUCCESS);
    const server = bench.side(handle);
    const accepted = server.accept();
    const client = bench.client();
    await accepted;
    for (const end of [server, client]) {
      const owner = kernel.owner(end.handle);
      assertEquals([owner.status, owner.text], [Status.SUCCESS, own]);
      const inForce = kernel.security(end.handle);
      assertEquals(inForce.status, Status.SUCCESS);
      assertEquals(rightsIn(inForce.text, own), security);
    }
  });

  test("the first instance's security descriptor is the name's", (bench) => {
    const { kernel } = bench;
    const own = kernel.ownUser().text;
    const security = `O:${own}${SDDL}`;
    const other = `O:${own}D:P(A;;FA;;;WD)(A;;FA;;;SY)`;
    for (const sddl of [security, other]) kernel.acceptsSecurity(sddl);
    const first = bench.side(kernel.create(bench.spec({ security }), true).handle);
    const second = bench.side(kernel.create(bench.spec({ security: other }), false).handle);
    for (const { handle } of [first, second]) {
      assertEquals(rightsIn(kernel.security(handle).text, own), security);
    }
  });

  test("a security descriptor that is none is not accepted, and leaves nothing", ({ kernel }) => {
    for (const sddl of ["nonsense", "D:P(A;;FA;;;WD"]) {
      assertNotEquals(kernel.acceptsSecurity(sddl), Status.SUCCESS, sddl);
    }
  });

  test("the processes at both ends are told, and a question takes an instance for a moment", async (bench) => {
    const { kernel } = bench;
    const { server } = await bench.pair();
    const process = kernel.clientProcess(server.handle);
    assertGreater(process, 0);
    assertEquals(typeof kernel.clientSession(server.handle), "number");
    // Both ends are ours; but no instance is left to ask.
    assertEquals(kernel.serverProcess(bench.path), undefined);
    const other = bench.server();
    assertEquals(kernel.serverProcess(bench.path), process);
    assertEquals(await other.accept(), Status.NO_DATA);
    assertEquals(kernel.serverProcess(`${bench.path}-none`), undefined);
  });

  test("accountName() knows the own user, and nobody of a SID that nobody has", async ({ kernel }) => {
    const name = await kernel.accountName(kernel.ownUser().text);
    assertMatch(name ?? "", /^[^\\]+\\[^\\]+$/);
    assertEquals(await kernel.accountName("S-1-5-21-1-2-3-999999"), undefined);
    assertEquals(await kernel.accountName("nobody"), undefined);
  });

  testPipeKinds(test);
  testPeers(test, exceptions);

  // The end

  test("dispose() of a kernel that did nothing", () => {});

  test(
    "onUnload() lets the program close everything; abandon() ends the wait",
    async (bench) => {
      const { kernel, subject, path } = bench;
      const { status, handle } = kernel.create(bench.spec(), false);
      assertEquals(status, Status.SUCCESS);
      assertEquals(kernel.listen(handle, 0), Status.PENDING);
      let closed = false;
      kernel.onUnload(() => {
        if (closed) return;
        closed = true;
        kernel.cancel(handle, Lane.IN, 0);
        assertEquals(kernel.close(handle), Status.SUCCESS);
        kernel.abandon();
      });
      kernel.rearm(true);
      const waiting = kernel.wait(true);
      subject.unload?.();
      assert(closed);
      assert(await waiting);
      assertFalse(kernel.exists(path));
      bench.ended();
    },
    exceptions.makeToAbandon,
  );
}
