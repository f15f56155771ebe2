/**
 * What every kernel does with byte pipes, with pipes of one direction, with names that several
 * servers share, and with what is asked about the other end. See `kernel_contract.ts`.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { type Direction, type Impersonation, Lane } from "../src/kernel/kernel.ts";
import { isEnd, Status } from "../src/kernel/status.ts";
import type { Bench, Exceptions, Side, TestOfKernel } from "./kernel_bench.ts";

/** Ten years, in milliseconds: longer than any process has run. */
const LONG_AGO = 10 * 365 * 24 * 3_600_000;

const LEVELS: readonly Impersonation[] = [
  "anonymous",
  "identification",
  "impersonation",
  "delegation",
];

/** Types, directions, and names that are joined. */
export function testPipeKinds(test: TestOfKernel): void {
  // Byte pipes

  test("type() tells which one it is at either end, a client's in any direction", async (bench) => {
    for (const type of ["message", "byte"] as const) {
      for (const direction of ["both", "read", "write"] as const) {
        const { server, client } = await bench.pair({ type }, { direction });
        assertEquals(bench.kernel.type(server.handle), type);
        assertEquals(bench.kernel.type(client.handle), type, direction);
        await server.close();
        await client.close();
      }
    }
  });

  test("type() tells it at a server's end of any direction", async (bench) => {
    for (const type of ["message", "byte"] as const) {
      for (const direction of ["read", "write"] as const) {
        const server = bench.server({ type, direction });
        assertEquals(bench.kernel.type(server.handle), type, direction);
        await server.close();
      }
    }
  });

  test("a byte pipe knows no borders of what was written, and no empty writes", async (bench) => {
    const { server, client } = await bench.pair({ type: "byte" });
    for (const [from, to] of [[client, server], [server, client]] as const) {
      for (const text of ["be", "", "fore ", "after"]) await from.send(text);
      assertEquals(await to.receive(4), "befo");
      assertEquals(to.left(), 0);
      assertEquals(await to.receive(4), "re a");
      assertEquals(await to.receive(), "fter");
      assertEquals(to.read(), Status.PENDING);
      await from.send("");
      assertEquals(to.status(Lane.IN), Status.PENDING);
      await from.send("now");
      assertEquals(await to.over(Lane.IN, Status.PENDING), Status.SUCCESS);
      assertEquals(to.text(), "now");
    }
  });

  test("keepMessages() of a byte pipe is INVALID_PARAMETER", async (bench) => {
    const { client } = await bench.pair({ type: "byte" });
    assertEquals(bench.kernel.keepMessages(client.handle), Status.INVALID_PARAMETER);
  });

  test("the end of a byte pipe comes after what was written", async (bench) => {
    const { server, client } = await bench.pair({ type: "byte" });
    await client.send("last words");
    await client.close();
    assertEquals(await server.receive(4), "last");
    assertEquals(await server.receive(), " words");
    assertEquals(await server.readEnd(), Status.BROKEN);
    assertEquals(await server.writeEnd("anybody?"), Status.NO_DATA);
  });

  test("a write over the quota of a byte pipe pends, and is read in parts", async (bench) => {
    const { server, client } = await bench.pair({ type: "byte", readBufferSize: 10 });
    assertEquals(client.write("0123456789abcdef"), Status.PENDING);
    assertEquals(await server.receive(5), "01234");
    assertEquals(client.status(Lane.OUT), Status.PENDING);
    assertEquals(await server.receive(5), "56789");
    assertEquals(await client.over(Lane.OUT, Status.PENDING), Status.SUCCESS);
    assertEquals(await server.receive(), "abcdef");
  });

  // Directions

  const can = (direction: Direction, use: "read" | "write") =>
    direction === "both" || direction === use;

  /** What an end can do succeeds, and what it cannot is ACCESS_DENIED by value. */
  async function assertDirection(from: Side, to: Side, writes: boolean, reads: boolean) {
    if (!writes) {
      assertEquals(from.write("x"), Status.ACCESS_DENIED);
      assertEquals(from.cancel(Lane.OUT), Status.NOTHING_TO_CANCEL);
    } else if (!reads) {
      assertEquals(to.read(), Status.ACCESS_DENIED);
      assertEquals(to.cancel(Lane.IN), Status.NOTHING_TO_CANCEL);
      assertEquals(to.peek(), Status.ACCESS_DENIED);
    } else {
      await from.send("one");
      await from.send("two");
      assertEquals([await to.receive(), await to.receive()], ["one", "two"]);
    }
  }

  for (const direction of ["both", "read", "write"] as const) {
    test(`a server's end that can ${direction}: who can open it, and what the ends do`, async (bench) => {
      for (const client of ["both", "read", "write"] as const) {
        const server = bench.server({ direction });
        const listen = server.listen();
        assertEquals(listen, Status.PENDING);
        const allowed = direction === "both" || client !== "both" && client !== direction;
        if (allowed) {
          const end = bench.client("message", { direction: client });
          assertEquals(await server.over(Lane.IN, listen), Status.SUCCESS);
          await assertDirection(server, end, can(direction, "write"), can(client, "read"));
          await assertDirection(end, server, can(client, "write"), can(direction, "read"));
          await end.close();
        } else {
          assertEquals(bench.open({ direction: client }).status, Status.ACCESS_DENIED);
          assertEquals(server.status(Lane.IN), Status.PENDING);
        }
        await server.close();
      }
    });

    test(`an instance of another direction than ${direction} is ACCESS_DENIED`, (bench) => {
      bench.server({ direction });
      for (const other of ["both", "read", "write"] as const) {
        const { status, handle } = bench.kernel.create(bench.spec({ direction: other }), false);
        if (other === direction) bench.side(handle);
        assertEquals(status, other === direction ? Status.SUCCESS : Status.ACCESS_DENIED);
      }
    });
  }

  test("a client that can only read begins in byte read mode, and can keep messages", async (bench) => {
    const server = bench.server({ direction: "write" });
    const client = bench.client("byte", { direction: "read" });
    assertEquals(server.listen(), Status.ALREADY_CONNECTED);
    await server.send("to");
    await server.send("gether");
    assertEquals(await client.receive(), "together");
    assertEquals(bench.kernel.keepMessages(client.handle), Status.SUCCESS);
    await server.send("a");
    await server.send("part");
    assertEquals([await client.receive(), await client.receive()], ["a", "part"]);
  });

  // Names that several servers share

  test("an instance that joins a name of the other type gets the name's type", (bench) => {
    bench.server({ type: "byte" });
    const joined = bench.server({ type: "message" });
    assertEquals(bench.kernel.type(joined.handle), "byte");
  });

  test("the security descriptor of a first instance counts, whether it must be the first or not", (bench) => {
    const { kernel } = bench;
    const security = `O:${kernel.ownUser().text}D:P(A;;FA;;;WD)`;
    assertEquals(kernel.acceptsSecurity(security), Status.SUCCESS);
    const first = bench.server({ security });
    assertMatch(kernel.security(first.handle).text, /D:P\(A;;(FA|0x1f01ff);;;WD\)/);
  });

  // What a peek tells of an instance whose listen was cancelled

  async function cancelled(bench: Bench): Promise<Side> {
    const server = bench.server();
    assertEquals(server.listen(), Status.PENDING);
    assertEquals(server.cancel(Lane.IN), Status.SUCCESS);
    assertEquals(await server.over(Lane.IN, Status.PENDING), Status.CANCELLED);
    return server;
  }

  test("after a cancelled listen, peek() tells that no client came", async (bench) => {
    const server = await cancelled(bench);
    const status = server.peek();
    assert(status === Status.BAD_PIPE || status === Status.LISTENING, `status ${status}`);
  });

  test("after a cancelled listen, peek() tells that a client is there", async (bench) => {
    const server = await cancelled(bench);
    const client = bench.client();
    assertEquals(server.peek(), Status.SUCCESS);
    assertEquals(server.left(), 0);
    await client.send("hello");
    assertEquals(server.left(), 5);
    assertEquals(await server.receive(), "hello");
    await server.send("served");
    assertEquals(await client.receive(), "served");
  });

  test("after a cancelled listen, peek() tells that a client came and left", async (bench) => {
    const server = await cancelled(bench);
    await bench.client().close();
    assert(isEnd(server.peek()), `status ${server.peek()}`);
  });

  test("after a cancelled listen, peek() tells what a client wrote that came and left", async (bench) => {
    const server = await cancelled(bench);
    const client = bench.client();
    await client.send("fire and forget");
    await client.close();
    assertEquals(server.peek(), Status.SUCCESS);
    assertEquals(await server.receive(), "fire and forget");
    assert(isEnd(server.peek()), `status ${server.peek()}`);
  });
}

/** What is asked about the other end. */
export function testPeers(test: TestOfKernel, exceptions: Exceptions): void {
  test("a client's end knows the process and the session that serve it", async (bench) => {
    const { kernel } = bench;
    const { server, client } = await bench.pair();
    const process = kernel.hostProcess(client.handle);
    assertGreater(process, 0);
    assertEquals(process, kernel.clientProcess(server.handle));
    assertEquals(typeof kernel.hostSession(client.handle), "number");
    assertEquals(kernel.hostSession(client.handle), kernel.clientSession(server.handle));
  });

  test("executable() is the path of the program that a process runs", async (bench) => {
    const { kernel } = bench;
    const { server } = await bench.pair();
    const process = kernel.clientProcess(server.handle) ?? 0;
    const path = kernel.executable(process);
    assertMatch(path ?? "", /^[A-Z]:\\.+\.exe$/);
    assertEquals(kernel.executable(process, kernel.now()), path);
    assertEquals(kernel.executable(process, kernel.now() - LONG_AGO), undefined, "it is younger");
    // No process has this number.
    assertEquals(kernel.executable(0x7fff_fffc), undefined);
  });

  for (const impersonation of LEVELS) {
    test(`open() with the level ${impersonation}: what the server may know`, async (bench) => {
      const { kernel } = bench;
      const { server, client } = await bench.pair({}, { impersonation });
      await client.send("hello");
      assertEquals(await server.receive(), "hello");
      const { status, identity } = server.identified();
      if (impersonation === "anonymous" && !exceptions.ignoresLevels) {
        assertEquals([status, identity], [Status.ANONYMOUS, undefined]);
      } else {
        assertEquals([status, identity?.sid], [Status.SUCCESS, kernel.ownUser().text]);
      }
    });
  }
}
