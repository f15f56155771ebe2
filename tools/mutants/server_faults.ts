/**
 * Faults of a server, and of the ways in which a program answers.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

/** See the module. */
export const SERVER_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/server.ts", [
    {
      name: "fewer instances listen than are wanted",
      text: "this.#listening < instances && this.#count < maxInstances",
      replacement: "this.#listening < 1 && this.#count < maxInstances",
    },
    {
      name: "there are more instances than are allowed",
      text: "this.#listening < instances && this.#count < maxInstances",
      replacement: "this.#listening < instances && maxInstances > 0",
    },
    {
      name: "an instance counts although it is gone",
      text: "this.#count--;",
      replacement: "",
    },
    {
      name: "a stop throws everybody out",
      text: 'instance.finish("server", false);\n    this.#beginDraining();',
      replacement: 'instance.evict("server");\n    this.#beginDraining();',
    },
    {
      name: "a server ends before its instances",
      text: "if (this.#instances.size === 0 && idle) this.#end();",
      replacement: "if (idle) this.#end();",
    },
    {
      name: "a shutdown does not wait for responders",
      text: "if (this.#instances.size === 0 && idle) this.#end();",
      replacement: "if (this.#instances.size === 0) this.#end();",
    },
    {
      name: "the timer of a shutdown outlives it",
      text: "this.#loop.deadlines.lift(this.#deadline);",
      replacement: "",
    },
    {
      name: "the end of a client is told before its last request is handed out",
      text: "this.#loop.atNextTurn(() => this.#tellEnd());",
      replacement: "this.#tellEnd();",
    },
    {
      name: "a server ends before all ends are told",
      text: "if (this.#untold.length > 0) return;",
      replacement: "",
    },
    {
      name: "instances stay when not all could be created",
      text: "this.stop();\n      throw error;",
      replacement: "throw error;",
    },
    {
      name: "an instance listens in the turn after its creation",
      text: "this.#listen(instance);\n    this.#ids[id] = true;",
      replacement:
        "this.#loop.atNextTurn(() => this.#listen(instance));\n    this.#ids[id] = true;",
    },
  ]),
  ...faultsOf("src/server/budget.ts", [
    {
      name: "what fits waits behind what does not",
      text: "if (this.#fits(bytes) && (this.#first === undefined || this.#passes(bytes))) {",
      replacement: "if (this.#first === undefined && this.#fits(bytes)) {",
    },
    {
      name: "those who need little pass one who needs much for ever",
      text: "return !this.#due || this.#heldSince + bytes <= this.#limit / 4;",
      replacement: "return true;",
    },
    {
      name: "nobody passes one who is due",
      text: "return !this.#due || this.#heldSince + bytes <= this.#limit / 4;",
      replacement: "return !this.#due;",
    },
    {
      name: "what was held before counts as what has passed",
      text: "if (era === this.#era) this.#heldSince -= bytes;",
      replacement: "this.#heldSince -= bytes;",
    },
    {
      name: "who waits for bytes waits for ever",
      text: "if (bytes > 0) this.#resume();",
      replacement: "",
    },
  ]),
  ...faultsOf("src/exchange.ts", [
    {
      name: "an exchange is not told that a shutdown has begun",
      text: "for (const signal of signals) signal.abort(reason);",
      replacement: "",
    },
    {
      name: "a late reply goes to the next client: the serial number is unchecked",
      text: "if (this.#lost !== undefined) return rejected(this.#lost);",
      replacement: "",
    },
    {
      name: "an answered exchange takes another answer",
      text: "if (!this.#answered) return;",
      replacement: "if (!this.#answered || this.#lost === undefined) return;",
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
      name: "a queue is emptied in one turn, however long that takes",
      text: "if (this.#loop?.turnSpent) this.#resumeNextTurn();\n    else this.#resume();",
      replacement: "this.#resume();",
    },
  ]),
  ...faultsOf("src/pipe/message.ts", [
    {
      name: "what an array says of itself is believed",
      text: "new Uint8Array(buffer, byteOffsetOf(message), byteLengthOf(message))",
      replacement: "(message as Uint8Array<ArrayBuffer>)",
    },
  ]),
  ...faultsOf("src/exchange/serve.ts", [
    {
      name: "an option is read again later",
      text: "new Server(loop, settings, responders)",
      replacement: `new Server(loop, {
    ...settings,
    get onDisconnect() {
      return options.onDisconnect;
    },
  }, responders)`,
    },
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
      name: "a generator is asked for more before its message is taken",
      text: "await sent;",
      replacement: "sent.catch(() => {});",
    },
    {
      name: "a responder that throws leaves its client waiting",
      text: "exchange.client.close();",
      replacement: "",
    },
  ]),
];
