/** Servers that share a name, each with a loop and a kernel of its own, as in several processes. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { serveOn, type ServeOptions } from "../src/exchange/serve.ts";
import { WindowsError } from "../src/kernel/errors.ts";
import { Status } from "../src/kernel/status.ts";
import { WaitLoop } from "../src/loop/wait_loop.ts";
import { failing, fate, inWorld, NAME, nextTask, PATH, type World } from "./fixture.ts";
import { MemoryKernel, NOTHING_LEFT, USER } from "./memory_kernel.ts";

/** Another process, with a server that answers with its name. */
class Neighbour {
  readonly kernel: MemoryKernel;
  readonly loop: WaitLoop;

  constructor(world: World) {
    this.kernel = new MemoryKernel(world.system);
    this.loop = new WaitLoop(this.kernel);
  }

  serve(name: string, options: Partial<ServeOptions> = {}) {
    return serveOn(() => this.loop, { path: NAME, join: true, ...options }, () => name);
  }

  /** Until nothing is to be done but to wait. */
  async idle(): Promise<void> {
    do await nextTask(); while (
      this.kernel.waitState === "over" || this.kernel.leftovers().turns > 0
    );
  }
}

/** Who answers so many clients that come one after another and stay. */
async function answers(world: World, count: number): Promise<string[]> {
  const texts: string[] = [];
  for (let i = 0; i < count; i++) {
    const client = world.connect();
    client.write("who?");
    texts.push(await client.receiveText() ?? "nobody");
  }
  return texts.sort();
}

inWorld("two servers of two loops serve one name, until the last has ended", async (world) => {
  const [one, other] = [new Neighbour(world), new Neighbour(world)];
  const first = one.serve("one", { instances: 2 });
  const second = other.serve("other", { instances: 2 });
  assertEquals([first.security?.firstInstance, second.security?.firstInstance], [true, false]);
  assertEquals(await answers(world, 4), ["one", "one", "other", "other"]);
  await Promise.all([one.idle(), other.idle()]);
  // Both have replaced the instances that are taken.
  assertEquals(world.system.count(PATH), { servers: 8, listening: 4 });
  world.system.closeRawEnds();
  await first.shutdown();
  assertEquals(one.kernel.leftovers(), NOTHING_LEFT);
  assertEquals(await answers(world, 3), ["other", "other", "other"]);
  world.system.closeRawEnds();
  await second.shutdown();
  assertEquals(other.kernel.leftovers(), NOTHING_LEFT);
});

inWorld("a server that joined begins the name anew when it is the only one left", async (world) => {
  const neighbour = new Neighbour(world);
  const raw = world.system.serve(PATH);
  const server = neighbour.serve("neighbour", { instances: 1 });
  const listening = failing(neighbour.kernel, "listen", 1117);
  raw.close();
  const lost = world.connect();
  lost.write("?");
  await lost.receive();
  lost.close();
  await neighbour.idle();
  await neighbour.idle();
  assertFalse(world.system.exists(PATH));
  listening.on = false;
  await neighbour.kernel.advance(1_000);
  assertEquals(await answers(world, 2), ["neighbour", "neighbour"]);
  world.system.closeRawEnds();
  await server.shutdown();
});

inWorld("a server that is the first although it meant to join has its own rights", (world) => {
  // The name is given up between the question and the creation.
  world.kernel.exists = () => true;
  const { security } = world.serve(() => {}, { join: true });
  const sddl = `O:${USER.sid}D:P(A;;FA;;;${USER.sid})(A;;FA;;;SY)`;
  assertEquals(security, { sddl, firstInstance: false, remote: false });
});

inWorld("a server that is not the first although it meant to be joins", (world) => {
  const raw = world.system.serve(PATH);
  const { exists } = world.kernel;
  world.kernel.exists = () => false;
  assertEquals(world.serve(() => {}, { join: true }).security?.firstInstance, false);
  world.kernel.exists = exists;
  raw.close();
});

inWorld("without join, a name that a server with join has is taken", async (world) => {
  const neighbour = new Neighbour(world);
  const server = neighbour.serve("neighbour");
  const error = assertThrows(() => world.serve(() => {}), Deno.errors.AddrInUse);
  assertEquals(
    error.message,
    `Cannot listen on "${PATH}": process ${neighbour.kernel.process} has the name ` +
      "(CreateNamedPipeW, error 5)",
  );
  await server.shutdown();
});

inWorld("a name of another type is not joined", async (world) => {
  const raw = world.system.serve(PATH, { messages: false });
  const error = assertThrows(() => world.serve(() => {}, { join: true }), Deno.errors.AddrInUse);
  assertEquals(error.message, `Cannot listen on "${PATH}": it is already served as a byte pipe`);
  await assertRejects(
    () => world.exchanges({ join: true }).next(),
    Deno.errors.AddrInUse,
    "as a byte pipe",
  );
  assertEquals(world.system.count(PATH), { servers: 1, listening: 1 });
  raw.close();
});

inWorld("a name whose type the system does not tell is joined", (world) => {
  const raw = world.system.serve(PATH);
  world.kernel.failNext("type", Status.ACCESS_DENIED);
  assert(world.serve(() => {}, { join: true }).security !== undefined);
  raw.close();
});

const REFUSALS = [
  [
    { direction: "read" },
    5,
    "serves it in another direction, or allows no other user to serve it",
  ],
  [{ most: 1 }, 231, "has the name, with as many instances as it allows"],
] as const;

for (const [terms, code, why] of REFUSALS) {
  inWorld(`a name that cannot be joined is in use (${code})`, (world) => {
    const process = world.system.newProcess();
    const raw = world.system.serve(PATH, { ...terms, process });
    const error = assertThrows(
      () => world.serve(() => {}, { join: true }),
      Deno.errors.AddrInUse,
    );
    assertEquals(
      error.message,
      `Cannot listen on "${PATH}": process ${process} ${why} (CreateNamedPipeW, error ${code})`,
    );
    assertInstanceOf(error.cause, WindowsError);
    assertEquals(error.cause.code, code);
    raw.close();
  });
}

inWorld("a server gives up a name that has become one of another type", async (world) => {
  const neighbour = new Neighbour(world);
  const server = neighbour.serve("neighbour", { instances: 1 });
  const finished = fate(server.finished);
  const listening = failing(neighbour.kernel, "listen", 1117);
  world.connect().close();
  await neighbour.idle();
  await neighbour.idle();
  assertFalse(world.system.exists(PATH));
  const raw = world.system.serve(PATH, { messages: false });
  listening.on = false;
  await neighbour.kernel.advance(1_000);
  await neighbour.idle();
  assertInstanceOf(finished.error, Deno.errors.AddrInUse);
  assertEquals(
    finished.error.message,
    `Cannot listen on "${PATH}": it is already served as a byte pipe`,
  );
  raw.close();
});
