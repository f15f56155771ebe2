/**
 * `call`: one request, and its answer.
 *
 * @module
 */

import { inHex, inJson, inLine } from "./bytes.ts";
import { type Command, FRAMING } from "./command.ts";

/** The longest time that can be waited, in milliseconds. */
export const MAX_TIME = 0x7fff_ffff;

/** See the module. */
export const call: Command = {
  summary: "Sends one message, and prints the answer",
  usage: "PATH MESSAGE",
  count: [2, 2],
  options: {
    framing: FRAMING,
    hex: { type: "boolean", help: "print the answer in hexadecimal" },
    timeout: { type: "string", value: "MS", help: "how long to wait for the answer" },
    wait: { type: "boolean", help: "wait up to 5 s for the pipe, if there is none" },
  },
  async run(args, { pipes, print, stopped }) {
    const timeout = args.integer("timeout", 1, MAX_TIME, undefined);
    await using conn = await pipes.connect({
      path: args.at(0),
      missing: args.flag("wait") ? "wait" : "fail",
      framing: args.framing(),
      signal: stopped,
    });
    const late = new AbortController();
    const timer = timeout && setTimeout(() => {
      late.abort(new Deno.errors.TimedOut(`There was no answer within ${timeout} ms`));
    }, timeout);
    const signal = AbortSignal.any([stopped, late.signal]);
    const reply = await conn.request(args.at(1), { signal }).finally(() => clearTimeout(timer));
    if (args.flag("json")) print(`${JSON.stringify(inJson("reply", reply))}\n`);
    else print(args.flag("hex") ? inHex(reply) : inLine(reply));
    return 0;
  },
};
