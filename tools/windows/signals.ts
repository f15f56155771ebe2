/** Ctrl-C: what the tool is told, and what its exit code says about it. */

export type Interrupt = "SIGINT" | "SIGTERM";

const NUMBERS: Record<Interrupt, number> = { SIGINT: 2, SIGTERM: 15 };

/** STATUS_CONTROL_C_EXIT as Linux shows it: the low byte of 0xC000013A. */
const CONTROL_C_EXIT = 0x3a;

/**
 * One Ctrl-C can arrive more than once: from the terminal, and again from each parent that passes
 * it on (npx, deno task). Those come together, a second key press does not.
 */
const ONE_KEY_PRESS_MS = 300;

/** Decides what to do about each signal: the first asks the program to end, the second ends it. */
export class Interrupts {
  #first: { signal: Interrupt; time: number } | undefined;
  #forced = false;

  /** Takes a signal at the time `now` and returns what to send to the program, if anything. */
  receive(signal: Interrupt, now: number): "INT" | "KILL" | undefined {
    if (this.#first === undefined) {
      this.#first = { signal, time: now };
      // Windows has no SIGTERM: what a program can listen to is Ctrl-C.
      return "INT";
    }
    if (now - this.#first.time < ONE_KEY_PRESS_MS) return undefined;
    this.#forced = true;
    return "KILL";
  }

  /** The tool's exit code for that of the program. */
  exitCode(code: number): number {
    if (this.#first === undefined) return code;
    const unhandled = code === CONTROL_C_EXIT;
    return this.#forced || unhandled ? 128 + NUMBERS[this.#first.signal] : code;
  }
}

/** Waits for `child`, tells `send` of signals meanwhile, and returns the exit code. */
export async function whileForwarding(
  child: Deno.ChildProcess,
  send: (signal: "INT" | "KILL") => void,
): Promise<number> {
  const interrupts = new Interrupts();
  const names: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM"];
  const listeners = names.map((name) => {
    const listener = (): void => {
      const action = interrupts.receive(name === "SIGTERM" ? name : "SIGINT", performance.now());
      if (action !== undefined) send(action);
    };
    Deno.addSignalListener(name, listener);
    return { name, listener };
  });
  try {
    return interrupts.exitCode((await child.status).code);
  } finally {
    for (const { name, listener } of listeners) Deno.removeSignalListener(name, listener);
  }
}
