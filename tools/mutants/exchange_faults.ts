/**
 * Faults of exchanges, and of the ways in which a program answers them.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

/** See the module. */
export const EXCHANGE_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/exchange/exchange.ts", [
    {
      name: "a late reply goes to a session that has ended",
      text: "if (this.#aborted !== undefined) return rejected(this.#aborted);",
      replacement: "",
    },
    {
      name: "an answered exchange takes another answer",
      text: "if (!this.#answered) return;",
      replacement: "if (!this.#answered || this.#aborted === undefined) return;",
    },
  ]),
  ...faultsOf("src/exchange/exchanges.ts", [
    {
      name: "a loop that waits is not told of the end",
      text: "for (const waiter of this.#waiters) waiter.resolve({ done: true, value: undefined });",
      replacement: "",
    },
    {
      name: "nobody knows that an exchange was taken",
      text: "exchange.take();",
      replacement: "",
    },
    {
      name: "a loop keeps the place of an exchange whose client has disconnected",
      text: "exchange.markDone();",
      replacement: "",
    },
    {
      name: "a queue is emptied in one turn, however long that takes",
      text:
        "if (this.#queue.length > 0 && this.#loop?.turnSpent) this.#resumeNextTurn();\n    else this.#resume();",
      replacement: "this.#resume();",
    },
  ]),
  ...faultsOf("src/exchange/serve.ts", [
    {
      name: "an option is read again later",
      text: "new Server(loop, settings, exchangeSessions(responders))",
      replacement: `new Server(loop, {
    ...settings,
    get onDisconnect() {
      return options.onDisconnect;
    },
  }, exchangeSessions(responders))`,
    },
  ]),
  ...faultsOf("src/exchange/responders.ts", [
    {
      name: "more responders work at once than are allowed",
      text: "const free = this.#working < this.#limit && this.#waiting.length === 0;",
      replacement: "const free = this.#waiting.length === 0;",
    },
    {
      name: "a responder that is done keeps its place",
      text: "this.#working--;",
      replacement: "",
    },
    {
      name: "a reply that throws when it is looked at gets away",
      text: "return this.#failed(exchange, error);",
      replacement: "throw error;",
    },
    {
      name: "a stopped server begins what has waited",
      text: "remove(this.#waiting, exchange);",
      replacement: "",
    },
    {
      name: "a responder that throws leaves its client waiting",
      text: "exchange.client.close();",
      replacement: "",
    },
  ]),
  ...faultsOf("src/exchange/generator.ts", [
    {
      name: "a generator is asked for more before its message is taken",
      text: "await sent;",
      replacement: "sent.catch(() => {});",
    },
  ]),
];
