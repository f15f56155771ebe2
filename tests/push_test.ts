/** Servers that speak first: `onConnect`, `client.send` and `clients()`. */

import { mock } from "node:test";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { lines } from "../mod.ts";
import { Status } from "../src/kernel/status.ts";
import type { PipeClient } from "../src/server/client.ts";
import { fate, inWorld } from "./fixture.ts";

/** The only client that is connected. */
function only(clients: readonly PipeClient[]): PipeClient {
  const [client] = clients;
  assert(client !== undefined && clients.length === 1);
  return client;
}

// onConnect

inWorld("onConnect is called when a client is there, before its first request", async (world) => {
  const told: string[] = [];
  world.serve((_request, exchange) => void told.push(exchange.text()), {
    onConnect: ({ id }) => void told.push(`connected ${id}`),
    onDisconnect: ({ id }) => void told.push(`disconnected ${id}`),
  });
  const client = await world.arrived();
  assertEquals(told, ["connected 1"]);
  await world.write(client, "request");
  client.close();
  await world.idle();
  assertEquals(told, ["connected 1", "request", "disconnected 1"]);
  // Its request is there when it connects.
  const hasty = world.connect();
  hasty.write("at once");
  hasty.close();
  await world.idle();
  assertEquals(told.slice(3), ["connected 2", "at once", "disconnected 2"]);
});

inWorld("onConnect is called when authorize has admitted the client", async (world) => {
  const told: string[] = [];
  const decision = Promise.withResolvers<boolean>();
  world.serve((_request, exchange) => void told.push(exchange.text()), {
    authorize: () => decision.promise,
    onConnect: (client) => void told.push(client.user().sid),
  });
  await world.asking("request");
  assertEquals(told, []);
  decision.resolve(true);
  await world.idle();
  assertEquals(told, [world.kernel.ownUser().text, "request"]);
});

inWorld("clients that are refused are told to onDisconnect only", async (world) => {
  const onConnect = mock.fn();
  world.serve(() => {}, { onConnect, authorize: () => false });
  await world.asking("request");
  assertEquals(onConnect.mock.callCount(), 0);
  assertEquals(world.reasons, ["unauthorized"]);
});

inWorld("clients that a limit refuses are told to onDisconnect only", async (world) => {
  const onConnect = mock.fn();
  world.serve(() => {}, { onConnect, maxPerProcess: 1 });
  await world.arrived(7);
  await world.arrived(7);
  assertEquals(world.reasons, ["maxPerProcess"]);
  assertEquals(onConnect.mock.callCount(), 1);
});

inWorld("a client that onConnect closes is served no request", async (world) => {
  for (const authorize of [undefined, () => true]) {
    const responder = mock.fn(() => {});
    const onConnect = (client: PipeClient) => client.close();
    const server = world.serve(responder, { onConnect, authorize });
    await world.asking("request");
    assertEquals(responder.mock.callCount(), 0);
    assertEquals(world.ends.pop()?.reason, "self");
    await server.shutdown();
  }
});

inWorld("what onConnect throws, at once or later, is reported and harms nothing", async (world) => {
  const errors = [new Error("test: at once"), new Error("test: later")];
  let calls = 0;
  world.serve((request) => request, {
    onConnect() {
      const error = errors[calls++];
      if (calls === 1) throw error;
      return Promise.reject(error);
    },
  });
  await world.assertServed();
  await world.assertServed();
  assertEquals(world.reports.splice(0), errors);
});

// client.send

inWorld("a message is sent while nothing was asked", async (world) => {
  world.serve((request) => request, { onConnect: (client) => void client.send("welcome") });
  const client = await world.arrived();
  assertEquals(await world.received(client), ["welcome"]);
  client.write("hello");
  assertEquals(await world.received(client), ["hello"]);
  assertEquals(world.reasons, []);
});

inWorld("messages come in the order in which they were sent, among the replies", async (world) => {
  const { client, exchange } = await world.asked();
  exchange.client.send("1");
  exchange.send("2");
  exchange.client.send("3");
  exchange.reply("4");
  exchange.client.send("5");
  assertEquals(await world.received(client), ["1", "2", "3", "4", "5"]);
});

inWorld("messages wait for those before them, also when they pend", async (world) => {
  const { questions, client, exchange } = await world.asked("first", { writeBufferSize: 0 });
  const fates = [
    fate(exchange.client.send("1")),
    fate(exchange.send("2")),
    fate(exchange.client.send("3")),
    fate(exchange.reply("4")),
    fate(exchange.client.send("5")),
  ];
  await world.write(client, "second");
  assertEquals(questions.texts, ["first"]);
  for (let i = 0; i < fates.length; i++) {
    assertEquals(fates.map(({ state }) => state === "resolved"), fates.map((_, k) => k < i));
    assertEquals(client.readText(), `${i + 1}`);
    await world.idle();
  }
  assertEquals(questions.texts, ["first", "second"]);
});

inWorld("an exchange begins and ends while a message pends", async (world) => {
  const { questions, client, exchange } = await world.asked("first", { writeBufferSize: 0 });
  exchange.reply();
  await world.idle();
  exchange.client.send("pushed");
  await world.write(client, "second");
  questions.at().reply();
  await world.write(client, "third");
  questions.at().reply("reply");
  await world.idle();
  assertEquals(questions.texts, ["first", "second", "third"]);
  assertEquals(await world.received(client), ["pushed", "reply"]);
});

inWorld("members of a client work when they are taken off it", async (world) => {
  const server = world.serve(() => {});
  const client = await world.arrived();
  const { send, close } = only(server.clients());
  await send("taken");
  close();
  assertEquals(await world.received(client), ["taken"]);
  assertEquals(world.reasons, ["self"]);
});

inWorld("memory that is changed after send() does not change the message", async (world) => {
  const server = world.serve(() => {}, { writeBufferSize: 0 });
  const client = await world.arrived();
  const bytes = new TextEncoder().encode("same");
  only(server.clients()).send(bytes);
  only(server.clients()).send(bytes);
  bytes.fill(0);
  assertEquals(await world.received(client), ["same", "same"]);
});

inWorld("messages are framed, and throw if they cannot be", async (world) => {
  const server = world.serve(() => {}, { framing: lines() });
  const client = await world.arrived();
  const { send } = only(server.clients());
  send("one");
  assertThrows(() => send("two\nlines"), TypeError);
  assertEquals(await world.received(client), ["one\n"]);
});

inWorld("a message of a wrong type throws", async (world) => {
  const server = world.serve(() => {});
  await world.arrived();
  const { send } = only(server.clients());
  for (const message of [undefined, null, 5, {}, [1]]) {
    assertThrows(() => Reflect.apply(send, undefined, [message]), TypeError, "Cannot send");
  }
});

inWorld("nothing is sent to a client before it is admitted", async (world) => {
  const decision = Promise.withResolvers<boolean>();
  let asked: PipeClient | undefined;
  const server = world.serve(() => {}, {
    authorize(client) {
      asked = client;
      assertThrows(
        () => client.send("early"),
        TypeError,
        'Cannot send to a client of "\\\\.\\pipe\\test": it is not admitted yet',
      );
      return decision.promise;
    },
  });
  const client = await world.asking("request");
  assertEquals(server.clients(), []);
  decision.resolve(true);
  await world.idle();
  assertStrictEquals(only(server.clients()), asked);
  asked?.send("in time");
  assertEquals(await world.received(client), ["in time"]);
});

inWorld("a client that was refused gets nothing", async (world) => {
  let asked: PipeClient | undefined;
  world.serve(() => {}, {
    authorize(client) {
      asked = client;
      return false;
    },
  });
  const client = await world.asking("request");
  const sent = fate(asked?.send("late") ?? Promise.resolve());
  assertEquals(await world.received(client), []);
  assertInstanceOf(sent.error, Deno.errors.PermissionDenied);
});

// The end

inWorld("a message to a client that has left rejects, and reaches no other", async (world) => {
  const server = world.serve(() => {}, { instances: 1, maxInstances: 1 });
  const first = await world.arrived();
  const left = only(server.clients());
  first.close();
  const second = await world.arrived();
  const sent = fate(left.send("for the first"));
  assertEquals(await world.received(second), []);
  assertInstanceOf(sent.error, Deno.errors.BrokenPipe);
  assertInstanceOf(left.signal.reason, Deno.errors.BrokenPipe);
  assertEquals(left.queued, 0);
});

inWorld(
  "a write finds that the client has left, although requests wait to be read",
  async (world) => {
    const questions = world.ask({ maxBuffered: 1 });
    const blocker = await world.asking("blocker");
    const client = await world.arrived();
    const pushed = questions.generator.clients()[1];
    assert(pushed !== undefined);
    client.write("request");
    client.close();
    await world.idle();
    assertEquals(pushed.signal.aborted, false);
    const sent = fate(pushed.send("late"));
    await world.idle();
    assertInstanceOf(sent.error, Deno.errors.BrokenPipe);
    assertEquals(pushed.signal.aborted, true);
    assertEquals(questions.generator.clients().length, 1);
    // Its request is served all the same.
    questions.at().reply();
    await world.idle();
    assertEquals(questions.texts, ["blocker", "request"]);
    assertEquals(questions.at().signal.aborted, true);
    blocker.close();
  },
);

inWorld("a client that leaves while a message pends aborts it", async (world) => {
  for (const open of [false, true]) {
    const { questions, client, exchange } = await world.asked("question", { writeBufferSize: 0 });
    if (!open) exchange.reply();
    await world.idle();
    const sent = fate(exchange.client.send("unread"));
    await world.idle();
    client.close();
    await world.idle();
    assertEquals(sent.state === "pending", false);
    assertEquals(exchange.client.signal.aborted, true);
    assertEquals(world.ends.pop()?.reason, "peer");
    await questions.end();
  }
});

inWorld("close() lets the client read what was sent", async (world) => {
  const server = world.serve(() => {}, { writeBufferSize: 0 });
  const client = await world.arrived();
  const { send, close } = only(server.clients());
  const sent = [fate(send("one")), fate(send("two"))];
  close();
  assertEquals(server.clients(), []);
  const late = fate(send("three"));
  assertEquals(await world.received(client), ["one", "two"]);
  assertEquals(sent.map(({ state }) => state), ["resolved", "resolved"]);
  assertInstanceOf(late.error, Deno.errors.Interrupted);
  assertEquals(world.reasons, ["self"]);
});

inWorld("a shutdown writes what was sent", async (world) => {
  const server = world.serve(() => {}, { writeBufferSize: 0 });
  const client = await world.arrived();
  only(server.clients()).send("one");
  const report = fate(server.shutdown());
  assertEquals(await world.received(client), ["one"]);
  // It might still send its first request.
  client.close();
  await world.idle();
  assertEquals(report.value, { exchanges: 0, evicted: 0, dropped: 0 });
});

inWorld("a message that cannot be written ends the connection", async (world) => {
  const server = world.serve(() => {});
  await world.arrived();
  world.kernel.failNext("write", Status.NO_SYSTEM_RESOURCES);
  const sent = fate(only(server.clients()).send("message"));
  await world.idle();
  assertEquals(sent.state, "rejected");
  assertEquals(world.reasons, ["error"]);
});

// Limits

inWorld("maxQueued ends a client that does not read", async (world) => {
  const server = world.serve(() => {}, { writeBufferSize: 0, maxQueued: 10 });
  await world.arrived();
  const pushed = only(server.clients());
  const sent = [fate(pushed.send("12345")), fate(pushed.send("6789012345"))];
  assertEquals(pushed.queued, 15);
  sent.push(fate(pushed.send("x")));
  await world.idle();
  assertEquals(world.reasons, ["maxQueued"]);
  assertEquals(sent.map(({ state }) => state), ["rejected", "rejected", "rejected"]);
  assertInstanceOf(sent[2]?.error, Deno.errors.Busy);
  assertEquals(pushed.queued, 0);
});

inWorld("writeTimeout ends a client that does not read", async (world) => {
  const server = world.serve(() => {}, { writeBufferSize: 0, writeTimeout: 100 });
  await world.arrived();
  const sent = fate(only(server.clients()).send("unread"));
  await world.pass(100);
  assertEquals(world.reasons, ["writeTimeout"]);
  assertInstanceOf(sent.error, Deno.errors.TimedOut);
});

inWorld(
  "a message that was taken restarts idleTimeout, and one that was not does not",
  async (world) => {
    const server = world.serve(() => {}, { idleTimeout: 100, writeBufferSize: 0 });
    const client = await world.arrived();
    const { send } = only(server.clients());
    send("one");
    await world.pass(60);
    assertEquals(client.readText(), "one");
    await world.pass(60);
    assertEquals(world.reasons, []);
    send("two");
    await world.pass(40);
    assertEquals(server.clients(), []);
    assertEquals(await world.received(client), ["two"]);
    assertEquals(world.reasons, ["idleTimeout"]);
  },
);

// clients()

inWorld("clients() are those connected now, in the order in which they came", async (world) => {
  const server = world.serve(() => {}, { instances: 2 });
  assertEquals(server.clients(), []);
  const clients = [await world.arrived(), await world.arrived(), await world.arrived()];
  const ids = () => server.clients().map(({ id }) => id);
  assertEquals(ids(), [1, 2, 3]);
  clients[0]?.close();
  await world.idle();
  assertEquals(ids(), [2, 3]);
  clients.push(await world.arrived());
  assertEquals(ids(), [2, 3, 4]);
  for (const client of clients.slice(1)) client.close();
  await server.shutdown();
  assertEquals(server.clients(), []);
});

inWorld("an exchange and clients() have the same object for a client", async (world) => {
  const { questions, exchange } = await world.asked();
  assertStrictEquals(only(questions.generator.clients()), exchange.client);
});
