/**
 * Faults of a pipe instance: its state machine, what drives it, and the pool it belongs to.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const FINISHED = 'return to(CLOSING, "cancelIn", "limitWrite", "awaitQuiet");';
const EVICTED = '    "cancelOut",\n    "disconnect",\n    "cancelIn",\n';
const UNHEARD = 'return to(CLOSING, "cancelIn", "awaitQuiet");';
const SOUGHT = 'return draining ? to(DRAINING, "findClient") : to(CLOSED, "close");';
const CLOSING = "this.#pool.closing();";
const WANTED = "this.#lacking &&\n      this.#count < maxInstances";

/** See the module. */
export const LIFECYCLE_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/server/lifecycle.ts", [
    {
      name: "an instance is closed with an operation in flight",
      text: FINISHED,
      replacement: 'return to(CLOSED, "cancelIn", "limitWrite", "close");',
    },
    {
      name: "an instance is closed while it listens",
      text: `case "stop":\n      ${UNHEARD}`,
      replacement: 'case "stop":\n      return to(CLOSED, "cancelIn", "close");',
    },
    {
      name: "a client that connected before its listen could be cancelled is dropped",
      text: 'return draining ? to(DRAINING, "findClient") : to(OPEN, "beginSession");',
      replacement: 'return draining ? to(CLOSED, "close") : to(OPEN, "beginSession");',
    },
    {
      name: "a client that connected after its listen was cancelled is dropped",
      text: SOUGHT,
      replacement: 'return to(CLOSED, "close");',
    },
    {
      name: "a normal end disconnects",
      text: FINISHED,
      replacement: 'return to(CLOSING, "cancelIn", "disconnect", "limitWrite", "awaitQuiet");',
    },
    {
      name: "an instance that ends a connection listens again",
      text: FINISHED,
      replacement: 'return to(REUSING, "cancelIn", "limitWrite", "awaitQuiet");',
    },
    {
      name: "the last write of an instance that closes has no time limit",
      text: FINISHED,
      replacement: 'return to(CLOSING, "cancelIn", "awaitQuiet");',
    },
    {
      name: "a write outlives the client that was thrown out",
      text: EVICTED,
      replacement: '    "disconnect",\n    "cancelIn",\n',
    },
    {
      name: "a client is thrown out before its write is cancelled",
      text: EVICTED,
      replacement: '    "disconnect",\n    "cancelOut",\n    "cancelIn",\n',
    },
    {
      name: "a write outlives the client that left during the answer",
      text: 'return to(REUSING, "dropUnsent", "cancelOut", "limitWrite", "awaitQuiet");',
      replacement: 'return to(REUSING, "dropUnsent", "limitWrite", "awaitQuiet");',
    },
    {
      name: "who crashed waits for what will not complete",
      text: 'case "sessionEvicted":\n    case "crashed":\n      return evict();',
      replacement: 'case "sessionEvicted":\n      return evict();\n    case "crashed":\n' +
        '      return to(CLOSING, "dropUnsent", "cancelOut", "disconnect", "cancelIn");',
    },
    {
      name: "an instance that waits for its last write cannot be evicted",
      text: 'case "evict":\n    case "crashed":\n      return evict();\n    case "quiet":',
      replacement: 'case "evict":\n      return to(state);\n    case "crashed":\n' +
        '      return evict();\n    case "quiet":',
    },
    {
      name: "a write that failed does not end the connection",
      text: 'case "evict":\n    case "writeFailed":\n      return to(OPEN, "evictSession");',
      replacement: 'case "writeFailed":\n      return to(OPEN);\n    case "evict":\n' +
        '      return to(OPEN, "evictSession");',
    },
  ]),
  ...faultsOf("src/server/instance.ts", [
    {
      name: "535 is taken as a failure",
      text: "case Status.ALREADY_CONNECTED:\n" +
        '        return this.raise("connected", EARLY);\n',
      replacement: "",
    },
    {
      name: "232 of a listen is taken as a failure",
      text: "case Status.NO_DATA:\n" +
        '        return this.raise("connected", { early: true, disconnected: true });\n',
      replacement: "",
    },
    {
      name: "an instance does not listen again",
      text: 'this.raise(usable ? "listen" : "finish");',
      replacement: 'if (!usable) this.raise("finish");',
    },
    {
      name: "an instance listens again with its last client in it",
      text: "this.#loop.kernel.disconnect(this.end.handle) === Status.SUCCESS &&",
      replacement: "",
    },
    {
      name: "an instance that could not be disconnected listens again",
      text: "this.#loop.kernel.disconnect(this.end.handle) === Status.SUCCESS &&",
      replacement: "this.#loop.kernel.disconnect(this.end.handle) !== Status.PENDING &&",
    },
    {
      name: "the name vanishes between clients",
      text: CLOSING,
      replacement: "this.callbacks.add(() => this.#pool.closing());",
    },
    {
      name: "what was written is destroyed at the end",
      text: CLOSING,
      replacement: `this.#loop.kernel.disconnect(this.end.handle);\n    ${CLOSING}`,
    },
    {
      name: "a session goes on when its instance is abandoned",
      text: 'this.#endConnection("error");\n    this.callbacks.leave();',
      replacement: "this.callbacks.leave();",
    },
    {
      name: "what waits for a settled state waits for ever after a crash",
      text: "this.callbacks.reset();",
      replacement: "",
    },
    {
      name: "a session is not told that its connection is over",
      text: "this.#session?.end();\n    this.#connection?.end();",
      replacement: "this.#connection?.end();",
    },
  ]),
  ...faultsOf("src/server/callbacks.ts", [
    {
      name: "user code runs in the midst of a step",
      text: "if (--this.#depth > 0) return;",
      replacement: "this.#depth--;",
    },
    {
      name: "what waits behind a callback that throws is lost",
      text: "if (called < callbacks.length)",
      replacement: "if (called < 0)",
      tests: ["tests/callbacks_test.ts"],
    },
  ]),
  ...faultsOf("src/server/pool.ts", [
    {
      name: "fewer instances listen than are wanted",
      text: WANTED,
      replacement: "this.#listening < 1 && this.#count < maxInstances",
    },
    {
      name: "there are more instances than are allowed",
      text: WANTED,
      replacement: "this.#lacking && maxInstances > 0",
    },
    {
      name: "every instance that was ever needed keeps listening",
      text: "this.#listening + backlog < SPARE * instances",
      replacement: "backlog < SPARE * instances",
    },
    {
      name: "an instance counts although it is gone",
      text: "this.#count--;",
      replacement: "",
    },
    {
      name: "an instance listens in the turn after its creation",
      text: 'instance.raise("listen");',
      replacement: 'this.#loop.atNextTurn(() => instance.raise("listen"));',
    },
    {
      name: "an instance that could not be created is not tried again",
      text: "else this.#retryLater();",
      replacement: "",
    },
    {
      name: "a server that ends tries on to create instances",
      text: "if (this.#retry !== undefined) this.#loop.kernel.stopTimer(this.#retry);",
      replacement: "",
    },
  ]),
];
