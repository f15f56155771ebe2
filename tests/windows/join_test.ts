/** Servers of two processes that share a name. */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { connect, type PipeConn, serve } from "../../mod.ts";
import { windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { Program, testProgram } from "./program.ts";
import { newPath } from "./support.ts";

/** How many instances of each process listen. */
const LISTENING = 4;

/** More than that of both. */
const CLIENTS = 24;

const OWN = `${Deno.pid}`;

/** Who answers so many clients that are there at once, and how many of them. */
async function answers(path: string): Promise<Map<string, number>> {
  const conns: PipeConn[] = [];
  try {
    for (let i = 0; i < CLIENTS; i++) conns.push(await connect({ path, missing: "fail" }));
    const counts = new Map<string, number>();
    for (const conn of conns) {
      const who = new TextDecoder().decode(await conn.request("who?"));
      counts.set(who, (counts.get(who) ?? 0) + 1);
    }
    return counts;
  } finally {
    for (const conn of conns) conn.close();
  }
}

windowsTest("two processes serve one name, and either can leave", async () => {
  const path = newPath();
  const own = serve({ path, join: true }, () => OWN);
  assertEquals(own.security?.firstInstance, true);
  await using program = new Program([...testProgram("joined_server", "--allow-ffi"), path]);
  await program.printed("joined");
  const both = await answers(path);
  assertEquals(both.size, 2, `${[...both]}`);
  // Those that listened first are taken first.
  assert([...both.values()].every((count) => count >= LISTENING), `${[...both]}`);
  await own.shutdown();
  const other = await answers(path);
  assertEquals([other.size, other.has(OWN)], [1, false]);
  await using again = serve({ path, join: true }, () => OWN);
  assertEquals(again.security?.firstInstance, false);
  program.kill();
  await program.ended;
  assertEquals([...await answers(path)], [[OWN, CLIENTS]]);
});

windowsTest("a server that joins has the rights that the name has", async () => {
  const path = newPath();
  await using first = serve({ path, access: "local-users", join: true }, () => {});
  await using second = serve({ path, join: true }, () => {});
  assertEquals(second.security?.sddl, first.security?.sddl);
});

windowsTest("a name that goes in another direction cannot be joined", () => {
  const path = newPath();
  const owner = raw.createPipe(path, { access: "inbound" });
  const error = assertThrows(() => serve({ path, join: true }, () => {}));
  assertInstanceOf(error, Deno.errors.AddrInUse);
  assertEquals(
    error.message,
    `Cannot listen on "${path}": process ${OWN} serves it in another direction, or allows no ` +
      "other user to serve it (CreateNamedPipeW, error 5)",
  );
  raw.closeHandle(owner);
});
