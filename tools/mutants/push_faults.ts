/**
 * Faults of servers that speak first: what they send, to whom, and when their hooks are called.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

/** See the module. */
export const PUSH_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/pipe/outbox.ts", [
    {
      name: "a pushed message overtakes a reply",
      text: "this.#messages.push(message);",
      replacement: "this.#messages.splice(message.last ? Infinity : this.#inFlight(), 0, message);",
    },
  ]),
  ...faultsOf("src/server/message_to_client.ts", [
    {
      name: "nobody learns that a pushed message was written",
      text: "super.end(error);",
      replacement: "",
    },
  ]),
  ...faultsOf("src/server/connection.ts", [
    {
      name: "what waits for a client has no bound",
      text: "if (waiting <= maxQueued) return true;",
      replacement: "if (waiting <= Infinity) return true;",
    },
  ]),
  ...faultsOf("src/exchange/exchange_session.ts", [
    {
      name: "a message is pushed into the next client's connection",
      text: "if (!isConnected(this.#state)) return rejected(this.#connection.abortError());",
      replacement: "",
    },
    {
      name: "a client is told of after its first request",
      text: "this.#context.hooks.connected(this.#connection.client);",
      replacement: "const { client } = this.#connection;\n" +
        "    this.#loop.atNextTurn(() => this.#context.hooks.connected(client));",
    },
    {
      name: "a pushed message is not written before the next one",
      text: "if (this.#connection.enqueue(push)) this.#queue.write();",
      replacement: "this.#connection.enqueue(push);",
    },
  ]),
];
