/** A server in a program that is reloaded, and servers in Workers. */

import { assertEquals, assertLess } from "@std/assert";
import { type Client, startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { Code } from "../win32/raw.ts";
import { Program, testProgram } from "./program.ts";
import { newPath, rejectsWith, within } from "./support.ts";

const client = await startClient();

/** Asks message by message, and waits for a free instance. */
const OPEN = { messageMode: true, wait: 10_000 };

async function ask(path: string, message: string): Promise<string> {
  await using pipe = await client.open(path, OPEN);
  return await pipe.ask(message);
}

// deno run --watch

/** Says of which process and generation it is; one request is never answered. */
function watched(path: string, generation: number): string {
  const module = new URL("../../mod.ts", import.meta.url).href;
  return `
    import { serve } from ${JSON.stringify(module)};
    serve({ path: ${JSON.stringify(path)} }, (_, exchange) => {
      if (exchange.text() === "hold") return new Promise(() => {});
      return \`\${Deno.pid} ${generation}\`;
    });
    console.log("generation ${generation} listens");
  `;
}

windowsTest(
  "after each reload of deno run --watch one server answers, and no handle is left",
  async () => {
    const RELOADS = 12;
    // More than always listen, so that an instance of an older generation would take some.
    const CLIENTS = 6;
    const path = newPath();
    const folder = await Deno.makeTempDir();
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => Deno.remove(folder, { recursive: true }));
    const file = `${folder}/server.ts`;
    await Deno.writeTextFile(file, watched(path, 0));
    const processes = new Set<string | undefined>();
    const handles: number[] = [];
    {
      await using program = new Program([
        ...["run", "--watch", "--no-clear-screen", "--quiet", "--no-check", "--no-config"],
        ...["--no-lock", "--cached-only", "--allow-ffi", file],
      ], { limit: 120_000 });
      for (let generation = 0; generation <= RELOADS; generation++) {
        await program.printed(`generation ${generation} listens`);
        const pipes = await Promise.all(
          Array.from({ length: CLIENTS }, () => client.open(path, OPEN)),
        );
        const replies = await Promise.all(pipes.map((pipe) => pipe.ask("who")));
        for (const text of replies) {
          const [process, answered] = text.split(" ");
          processes.add(process);
          assertEquals(answered, `${generation}`);
        }
        handles.push(handlesOf(Number(replies[0]?.split(" ")[0])));
        await Promise.all(pipes.slice(1).map((pipe) => pipe.close()));
        // One who waits for an answer learns that it will not come.
        await pipes[0]?.write("hold");
        await Deno.writeTextFile(file, watched(path, generation + 1));
        await rejectsWith([Code.BROKEN_PIPE, Code.PIPE_NOT_CONNECTED], read(pipes[0]));
        await pipes[0]?.close();
      }
    }
    assertEquals(processes.size, 1);
    // Threads of Deno's pool come and go, with their handles; one handle a reload would be more.
    assertLess((handles.at(-1) ?? Infinity) - (handles[0] ?? 0), RELOADS, `${handles}`);
  },
);

async function read(pipe: Awaited<ReturnType<Client["open"]>> | undefined): Promise<void> {
  await pipe?.read({ timeout: 30_000 });
}

function handlesOf(processId: number): number {
  const process = raw.openProcess(processId);
  try {
    return raw.processHandleCount(process);
  } finally {
    raw.closeHandle(process);
  }
}

// Workers

/** A server in a Worker of this process. */
class WorkerServer {
  readonly path: string = newPath();
  readonly #worker = new Worker(new URL("programs/worker_server.ts", import.meta.url), {
    type: "module",
  });

  /** Lets it listen. */
  async start(): Promise<this> {
    assertEquals(await this.#tell(this.path), "listening");
    return this;
  }

  /** Shuts it down, and says what that came to. */
  stop(): Promise<unknown> {
    return this.#tell("stop");
  }

  #tell(message: string): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.onerror = ({ message }) => reject(new Error(message));
    this.#worker.postMessage(message);
    return within(`the answer to "${message}"`, promise, 30_000);
  }
}

const NOTHING_LOST = { exchanges: 0, evicted: 0, dropped: 0 };

windowsTest("two servers in two Workers of one process do not touch each other", async () => {
  const [one, two] = await Promise.all([
    new WorkerServer().start(),
    new WorkerServer().start(),
  ]);
  const load = await client.startLoad({ path: two.path, clients: 4, echo: false });
  for (let i = 0; i < 20; i++) {
    assertEquals(await ask(one.path, `${i}`), `${one.path}: ${i}`);
    assertEquals(await ask(two.path, `${i}`), `${two.path}: ${i}`);
  }
  assertEquals(await one.stop(), NOTHING_LOST);
  assertEquals(await ask(two.path, "alone"), `${two.path}: alone`);
  assertEquals((await load.stop()).errors, []);
  assertEquals(await two.stop(), NOTHING_LOST);
  await rejectsWith(Code.FILE_NOT_FOUND, client.open(two.path));
});

windowsTest("a server in a Worker does not mind what fills the pool of the program", async () => {
  const server = await new WorkerServer().start();
  const never = raw.createEvent();
  // Far more than there are threads.
  const blocked = Array.from({ length: 200 }, () => raw.waitForLater(never, 20));
  const pipe = raw.openPipe(server.path, { messageMode: true });
  raw.write(pipe, new TextEncoder().encode("now"));
  const { bytes } = raw.read(pipe, 1_000);
  assertEquals(new TextDecoder().decode(bytes), `${server.path}: now`);
  raw.closeHandle(pipe);
  await Promise.all(blocked);
  raw.closeHandle(never);
  assertEquals(await server.stop(), NOTHING_LOST);
});

windowsTest(
  "what a terminated Worker served takes clients, answers none, and ends with the process",
  async () => {
    const own = newPath();
    const workers = newPath();
    await using program = new Program(
      [...testProgram("terminates_worker", "--allow-ffi", "--allow-read"), own, workers],
    );
    await program.printed("terminated");
    const pipe = await client.open(workers, { messageMode: true });
    await pipe.write("anybody there?");
    await rejectsWith(Code.WAIT_TIMEOUT, pipe.read({ timeout: 200 }));
    // The rest of the process goes on, and ends by itself.
    assertEquals(await ask(own, "hello"), "hello");
    assertEquals(await ask(own, "stop"), "stop");
    const { code, stderr } = await program.ended;
    assertEquals([code, stderr], [0, ""]);
    await rejectsWith(Code.BROKEN_PIPE, pipe.read());
    await pipe.close();
    await rejectsWith(Code.FILE_NOT_FOUND, client.open(workers));
  },
);
