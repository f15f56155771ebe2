/**
 * Hostile clients of the soak: raw calls of processes that are killed now and then.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { type Client, ClientGone, type ClientPipe, startClient } from "../../tests/win32/client.ts";
import { Code, Win32Error } from "../../tests/win32/raw.ts";
import { LIMITS } from "./limits.ts";
import type { Random } from "./random.ts";

/** What a hostile client does with its connection, until it leaves or is sent away. */
type Deed = (pipe: ClientPipe, random: Random) => Promise<unknown>;

const ACTORS = 5;

/** Longer than any limit that ends a connection. */
const LONG = 2 * Math.max(LIMITS.idleTimeout, LIMITS.writeTimeout, LIMITS.responderTimeout);

/** Reads until the connection has ended. */
async function readOn(pipe: ClientPipe): Promise<void> {
  while (true) await pipe.read({ timeout: LONG, size: 1_000_000 });
}

const DEEDS: readonly [Deed, ...Deed[]] = [
  // A request that is too long.
  async (pipe, random) => {
    const length = LIMITS.maxMessage + random.between(1, 1_000_000);
    await pipe.write({ length, seed: 1 });
    await readOn(pipe);
  },
  // Silence.
  (pipe) => readOn(pipe),
  // A reply that nobody reads.
  async (pipe, random) => {
    await pipe.write(`reply ${random.between(70_000, 400_000)}`);
    await pause(LIMITS.writeTimeout + random.between(0, 500));
    await readOn(pipe);
  },
  // Many messages that nobody reads.
  async (pipe, random) => {
    await pipe.write(`stream ${random.between(1, 100)}`);
    await pause(random.between(0, LIMITS.writeTimeout));
  },
  // A request that is never answered.
  async (pipe, random) => {
    await pipe.write("work");
    if (random.chance(0.5)) await pipe.write("and one more");
    await (random.chance(0.5) ? readOn(pipe) : pause(random.between(0, 1_000)));
  },
  // Requests without end, and no reply read.
  async (pipe, random) => {
    await pipe.write("reply 1000", {
      count: random.between(10, 300),
      timeout: LIMITS.writeTimeout,
    });
  },
  // A request that is withdrawn, and another in its place.
  async (pipe, random) => {
    const write = await pipe.startWrite({ length: random.between(5_000, 900_000), seed: 2 });
    await write.cancel();
    await pipe.write("glue");
    await pause(random.between(0, 100));
  },
  // Leaves in the middle of everything.
  async (pipe, random) => {
    await pipe.startWrite({ length: random.between(1, 900_000), seed: 3 });
    await pipe.startRead();
    await pause(random.between(0, 20));
  },
  // Leaves at once.
  () => Promise.resolve(),
];

/** A process of hostile clients. */
export class Hostile implements AsyncDisposable {
  readonly #path: string;
  readonly #random: Random;
  #client: Client;
  #going = false;
  #actors: Promise<unknown> = Promise.resolve();
  /** How often all instances were busy. */
  busy = 0;
  /** How often the process was killed. */
  killed = 0;
  /** Why else it could not connect: the name never vanishes. */
  readonly surprises: string[] = [];

  private constructor(path: string, random: Random, client: Client) {
    this.#path = path;
    this.#random = random;
    this.#client = client;
  }

  /** Starts the process. */
  static async start(path: string, random: Random): Promise<Hostile> {
    return new Hostile(path, random, await startClient());
  }

  /** Begins. */
  go(): void {
    this.#going = true;
    const actors = Array.from({ length: ACTORS }, () => this.#act(this.#random.fork()));
    this.#actors = Promise.all([...actors, this.#crowd(this.#random.fork())]);
  }

  /** Comes to an end, and closes everything. */
  async rest(): Promise<void> {
    this.#going = false;
    await this.#actors;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  async #open(): Promise<ClientPipe | undefined> {
    try {
      return await this.#client.open(this.#path);
    } catch (error) {
      if (!(error instanceof Win32Error)) throw error;
      if (error.code === Code.PIPE_BUSY) this.busy++;
      else this.surprises.push(error.message);
      return undefined;
    }
  }

  /** Whatever Windows says is fine; anything else is not. */
  async #tolerate(deed: () => Promise<unknown>): Promise<void> {
    try {
      await deed();
    } catch (error) {
      if (!(error instanceof Win32Error || error instanceof ClientGone)) throw error;
    }
  }

  async #act(random: Random): Promise<void> {
    while (this.#going) {
      await this.#tolerate(async () => {
        const pipe = await this.#open();
        if (pipe === undefined) return await pause(random.between(20, 200));
        await this.#tolerate(() => random.pick(DEEDS)(pipe, random));
        await pipe.close();
      });
      await pause(random.between(0, 50));
    }
  }

  /** More connections than one process may have; and now and then the end of the process. */
  async #crowd(random: Random): Promise<void> {
    while (this.#going) {
      await pause(random.between(500, 3_000));
      await this.#tolerate(async () => {
        const pipes: ClientPipe[] = [];
        for (let i = 0; i < LIMITS.maxPerProcess + 4; i++) {
          const pipe = await this.#open();
          if (pipe !== undefined) pipes.push(pipe);
        }
        await pause(random.between(0, 300));
        if (random.chance(0.2)) await this.#kill();
        else for (const pipe of pipes) await pipe.close();
      });
    }
  }

  async #kill(): Promise<void> {
    const old = this.#client;
    this.#client = await startClient();
    this.killed++;
    await old.kill();
  }
}
