/**
 * Faults of a server: its phases, its end, and what it asks and tells its user.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const ALL_DONE =
  'if (this.#pool.empty && (this.#phase === "stopped" || atWork === 0)) return this.#end();';

/** See the module. */
export const SERVER_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/server/server.ts", [
    {
      name: "a stop throws everybody out",
      text: 'instance.stop("stopped");',
      replacement: 'instance.evict("stopped");',
    },
    {
      name: "unref() ends the program's server",
      text: 'if (this.#phase === "listening") this.#loop.release(this);',
      replacement: "this.stop();",
    },
    {
      name: "unref() makes a server take no new clients",
      text: 'if (this.#phase === "listening") this.#loop.release(this);',
      replacement: "this.#loop.release(this);\n    this.#pool.close();",
    },
    {
      name: "the program may go while its server ends",
      text: "this.#loop.hold(this);\n    this.#context.draining = true;",
      replacement: "this.#context.draining = true;",
    },
    {
      name: "a server ends before its instances",
      text: ALL_DONE,
      replacement: 'if (this.#phase === "stopped" || atWork === 0) return this.#end();',
    },
    {
      name: "a shutdown does not wait for responders",
      text: ALL_DONE,
      replacement: "if (this.#pool.empty) return this.#end();",
    },
    {
      name: "the timer of a shutdown outlives it",
      text: "this.#loop.deadlines.lift(this.#deadline);",
      replacement: "",
    },
    {
      name: "a server ends before all ends are told",
      text: "if (!this.#context.draining || this.#hooks.busy) return;",
      replacement: "if (!this.#context.draining) return;",
    },
    {
      name: "instances stay when not all could be created",
      text: "this.stop();\n      throw error;",
      replacement: "throw error;",
    },
    {
      name: "what a shutdown's time has run out for may take for ever",
      text: "if (!again) this.#loop.deadlines.set(this.#deadline, GRACE);",
      replacement: "",
    },
  ]),
  ...faultsOf("src/server/hooks.ts", [
    {
      name: "the end of a client is told before its last request is handed out",
      text: "this.#loop.atNextTurn(() => this.#callNext());",
      replacement: "this.#callNext();",
    },
  ]),
  ...faultsOf("src/server/draining.ts", [
    {
      name: "an exchange is not told that a shutdown has begun",
      text: "for (const signal of signals) signal.abort(aborted);",
      replacement: "",
    },
  ]),
  ...faultsOf("src/server/tally.ts", [
    {
      name: "a shutdown reports the exchanges that were before it",
      text: "this.#exchanges = 0;\n    this.#dropped = 0;",
      replacement: "this.#dropped = 0;",
    },
  ]),
  ...faultsOf("src/server/user_code.ts", [
    {
      name: "whatever is not no is yes",
      text: 'if (typeof answer === "boolean") return answered(answer);',
      replacement: "if (answer !== false) return answered(true);",
    },
    {
      name: "a decision that fails is a yes",
      text: "answered(false, error);",
      replacement: "answered(true, error);",
    },
  ]),
  ...faultsOf("src/server/stats.ts", [
    {
      name: "stats() does not count why connections end",
      text: "this.#ended[reason]++;",
      replacement: "this.#ended.peer++;",
    },
  ]),
  ...faultsOf("src/exchange/exchange_session.ts", [
    {
      name: "stats() does not count clients",
      text: "    this.#context.counters.accepted++;\n",
      replacement: "",
    },
  ]),
  ...faultsOf("src/exchange/current_exchange.ts", [
    {
      name: "stats() does not count requests",
      text: "      context.counters.requests++;\n",
      replacement: "",
    },
  ]),
  ...faultsOf("src/pipe/write_queue.ts", [
    {
      name: "stats() does not count messages that are written",
      text: "      this.#messagesWritten++;\n",
      replacement: "",
    },
  ]),
];
