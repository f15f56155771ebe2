/** The tests of examples/notes.ts, as docs/testing.md shows them. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { memoryPipes } from "@overlapped/named-pipe/testing";
import { readNote, serveNotes, writeNote } from "../../examples/notes.ts";

Deno.test("a note is kept", async () => {
  await using pipes = memoryPipes();
  await using _server = serveNotes(pipes);
  await writeNote(pipes, "Buy milk");
  assertEquals(await readNote(pipes), "Buy milk");
});

Deno.test("a client says when nobody serves the notes", async () => {
  await using pipes = memoryPipes();
  await assertRejects(() => readNote(pipes), Deno.errors.NotFound);
});

Deno.test("a client that says nothing for a minute is disconnected", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  await using _server = serveNotes(pipes);
  using client = await pipes.rawClient("notes");
  await pipes.advance(59_999);
  await client.write("read");
  assertEquals(await client.read(), new Uint8Array());
  await pipes.advance(60_000);
  assertEquals(await client.read(), null);
});

Deno.test("a client that vanishes before its answer disturbs nobody", async () => {
  await using pipes = memoryPipes();
  await using _server = serveNotes(pipes);
  const client = await pipes.rawClient("notes");
  await client.write("read");
  client.close();
  assertEquals(await readNote(pipes), "");
});

Deno.test("a client that never reads disturbs nobody", async () => {
  await using pipes = memoryPipes();
  await using _server = serveNotes(pipes);
  await writeNote(pipes, "x".repeat(50_000));
  using client = await pipes.rawClient("notes");
  // Two answers are more than its pipe holds.
  await client.write("read");
  await client.write("read");
  assertEquals((await readNote(pipes)).length, 50_000);
});

Deno.test("each user has a note of its own", async () => {
  await using pipes = memoryPipes();
  await using _server = serveNotes(pipes);
  const ada = pipes.as({ sid: "S-1-5-21-1-2-3-1002" });
  await writeNote(pipes, "Buy milk");
  await writeNote(ada, "Call Charles");
  assertEquals(await readNote(pipes), "Buy milk");
  assertEquals(await readNote(ada), "Call Charles");
});

Deno.test("a sandboxed program is refused", async () => {
  await using pipes = memoryPipes();
  await using _server = serveNotes(pipes);
  const sandboxed = pipes.as({ integrity: "low" });
  await assertRejects(() => readNote(sandboxed), Deno.errors.BrokenPipe);
});

Deno.test("a name that another program has is told", async () => {
  await using pipes = memoryPipes();
  using _other = pipes.rawServer("notes");
  assertThrows(() => serveNotes(pipes), Deno.errors.AddrInUse);
});

Deno.test("a shortage of memory only takes time", async () => {
  let shortages = 3;
  await using pipes = memoryPipes({
    time: "manual",
    fault: ({ call }) => call === "ReadFile" && shortages-- > 0 ? 1450 : undefined,
  });
  await using _server = serveNotes(pipes);
  const note = readNote(pipes);
  await pipes.advance(1_000);
  assertEquals(await note, "");
});
