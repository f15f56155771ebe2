/**
 * Faults of a session: who its client is, whether it is let in, and how its requests are answered.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const DRAINED = "return to(state, ...(first ? [] : CANCEL_READ));";
const LEAVES = "this.#connection.instance.raise(event);";

/** See the module. */
export const SESSION_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/exchange/exchange_machine.ts", [
    {
      name: "the first piece of a request passes for all of it",
      text: "return rest ? undefined : readRest(first, disconnected, last);",
      replacement: "return deliver(disconnected);",
    },
    {
      name: "a read-ahead request is read over",
      text: 'return to(state, ...commands, "redeliver");',
      replacement: 'return to(state, ...commands, "read");',
    },
    {
      name: "what a client wrote that came and left is thrown away",
      text: "return to(reading(true, false, disconnected), ...commands);",
      replacement: 'if (disconnected) return to(OVER, "abort", "clientDisconnected");\n' +
        "  return to(reading(true, false, disconnected), ...commands);",
    },
    {
      name: "an exchange of a client that has left is open",
      text: '? to(answering("none", "disconnected"), "deliver", "abort")',
      replacement: '? to(answering("none", "disconnected"), "deliver")',
    },
    {
      name: "a shutdown forgets the reply that is being worked on",
      text: "return to(withAhead(ahead), ...(reads ? CANCEL_READ : []));",
      replacement: 'return abandon(ahead, "sessionFinished");',
    },
    {
      name: "a shutdown waits for who says nothing",
      text: DRAINED,
      replacement: "return to(state);",
    },
    {
      name: "a shutdown does not wait for the first request of a client",
      text: DRAINED,
      replacement: "return to(state, ...CANCEL_READ);",
    },
    {
      name: "a shutdown waits for another request of a client that was served",
      text: "const state = reading(false, false, disconnected);",
      replacement: "const state = reading(true, false, disconnected);",
    },
    {
      name: "the first piece of a long message is forgotten",
      text: 'return to(reading(first, true, disconnected), "readRest", ' +
        "...(cancels ? CANCEL_READ : []));",
      replacement: 'return to(reading(first && cancels, false, disconnected), "read");',
    },
    {
      name: "a client that leaves while it is answered is not noticed",
      text: 'return last ? to(answering("none", out)) : to(answering("reading", out), "read");',
      replacement: 'return to(answering("none", out));',
    },
    {
      name: "the request of a client that left is not served",
      text:
        'return writes ? to(OVER, "abort", "withdraw", "clientDisconnected") : to(ABORTED, "abort");',
      replacement: 'return to(OVER, "abort", "withdraw", "clientDisconnected");',
    },
    {
      name: "nobody is told that the client cannot be answered any more",
      text: ': to(answering(ahead, "disconnected"), "abort");',
      replacement: ': to(answering(ahead, "disconnected"));',
    },
    {
      name: "a read that is cancelled for nobody counts as a request",
      text: 'return to(OVER, "dropRequest");\n    case "ended":\n    case "cancelled":',
      replacement: 'case "ended":\n    case "cancelled":\n      return to(OVER, "dropRequest");',
    },
  ]),
  ...faultsOf("src/exchange/exchange_session.ts", [
    {
      name: "the end of a session is told twice",
      text: LEAVES,
      replacement: `${LEAVES}\n    ${LEAVES}`,
    },
    {
      name: "the end of a session is not told",
      text: LEAVES,
      replacement: "",
    },
    {
      name: "a session goes on after its end",
      text: "this.#state = FINAL;\n    this.#abort();",
      replacement: "this.#abort();",
    },
    {
      name: "a reply takes up what requests share",
      text: "return reply.promise();",
      replacement:
        "const { length } = message;\n    const era = this.#context.budget.hold(length);\n" +
        "    const promise = reply.promise();\n" +
        "    const free = () => this.#context.budget.free(length, era);\n" +
        "    promise.then(free, free);\n    return promise;",
    },
    {
      name: "the idle time does not begin anew with a request",
      text: "const idling = awaitsRequest(this.#state) && !this.#requests.waiting;",
      replacement: 'const idling = awaitsRequest(this.#state) || this.#state.name === "answering";',
    },
    {
      name: "the idle time of a client outlives it",
      text: "this.#requests.close();\n    this.#watchTime();",
      replacement: "this.#requests.close();",
    },
  ]),
  ...faultsOf("src/exchange/current_exchange.ts", [
    {
      name: "a lost exchange never makes way",
      text: 'if (exchange.done) this.#raise("done");\n' +
        '    else if (exchange.taken) this.#raise("taken");',
      replacement: "",
    },
  ]),
  ...faultsOf("src/server/budgeted_reader.ts", [
    {
      name: "what is read when a session is over is looked at all the same",
      text: "this.#reader.discard();",
      replacement: "",
    },
    {
      name: "a shutdown waits for a client that waits for room",
      text: "this.#reader.completeCancelled();",
      replacement: "",
    },
    {
      name: "the bytes of a request are never given back to the budget",
      text: "this.#context.budget.free(this.#bytes, this.#era);",
      replacement: "",
    },
  ]),
];
