/**
 * Faults of the state machine of an instance, and of what drives it.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const PUSH = "this.#outgoing.push(outgoing);";
const RETIRING = "this.#host.retiring(this);";

/** See the module. */
export const INSTANCE_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/instance.ts", [
    {
      name: "an instance is closed with an operation in flight",
      text: "if (reads || writes) return to(closing(reads, writes, reuse), ...commands);",
      replacement: "if (writes) return to(closing(reads, writes, reuse), ...commands);",
    },
    {
      name: "a normal end disconnects",
      text: "return close(reads, writes, false, ...commands, ...(reads ? CANCEL_IN : []));",
      replacement: "return close(\n    reads,\n    writes,\n    false,\n    ...commands,\n" +
        '    ...(reads ? CANCEL_IN : []),\n    "disconnect",\n  );',
    },
    {
      name: "a read-ahead request is read over",
      text: 'return to(reading(false, gone), ...commands, "unhold");',
      replacement: 'return to(reading(false, gone), ...commands, "read");',
    },
    {
      name: "what a client wrote that came and left is thrown away",
      text: 'return to(reading(false, true), "welcome", "lose", "read");',
      replacement: 'return close(false, false, true, "welcome", "lose");',
    },
    {
      name: "a shutdown forgets the reply that is being worked on",
      text: "return to(answering(ahead, out), ...(reads ? CANCEL_IN : []));",
      replacement: 'return finish(reads, writes, "lose");',
    },
    {
      name: "a shutdown waits for who says nothing",
      text: 'return to(state, "cancelIn");',
      replacement: "return to(state);",
    },
    {
      name: "the first piece of a long message is forgotten",
      text: 'return to(reading(true, gone), "readRest", ...(last ? CANCEL_IN : []));',
      replacement: 'return to(reading(false, gone), "read");',
    },
    {
      name: "a write outlives the client that was thrown out",
      text: '...(writes ? CANCEL_OUT : []), "disconnect");',
      replacement: '"disconnect");',
    },
    {
      name: "a client is thrown out before its write is cancelled",
      text: '...(writes ? CANCEL_OUT : []), "disconnect");',
      replacement: '"disconnect", ...(writes ? CANCEL_OUT : []));',
    },
    {
      name: "a write outlives the client that left during the answer",
      text: 'close(false, true, true, "lose", "cancelOut") : to(ENDED, "lose");',
      replacement: 'close(false, true, true, "lose") : to(ENDED, "lose");',
    },
    {
      name: "a client that leaves while it is answered is not noticed",
      text: 'if (ahead !== "none" || last) return to(answering(ahead, out));',
      replacement: "if (out !== undefined) return to(answering(ahead, out));",
    },
    {
      name: "two writes at once",
      text:
        'return out === "free" ? to(answering(ahead, "busy"), "write") : to(answering(ahead, out));',
      replacement: 'return to(answering(ahead, "busy"), "write");',
    },
    {
      name: "nobody is told that the client cannot be answered any more",
      text: 'return writes ? to(answering(ahead, "gone"), "lose") : undefined;',
      replacement: 'return writes ? to(answering(ahead, "gone")) : undefined;',
    },
  ]),
  ...faultsOf("src/driver.ts", [
    {
      name: "who crashed waits for what will not complete",
      text: 'if (name === "closing" && reads && !this.#in.expected) this.#raise("cancelled");',
      replacement: "",
    },
    {
      name: "the request of a client that left is not served",
      text: 'if (exchange?.taken === false && this.#state.name !== "ended")',
      replacement: "if (exchange?.taken === false)",
    },
    {
      name: "535 is taken as a failure",
      text: "if (status === Status.SUCCESS || status === Status.ALREADY_CONNECTED) {",
      replacement: "if (status === Status.SUCCESS) {",
    },
    {
      name: "232 of a listen is taken as a failure",
      text: "} else if (status === Status.NO_DATA) {",
      replacement: "} else if (status === Status.PENDING) {",
    },
    {
      name: "a reply is sent twice",
      text: PUSH,
      replacement: "this.#outgoing.push(outgoing, new Outgoing(bytes, last));",
    },
    {
      name: "the order of replies is lost",
      text: PUSH,
      replacement: "this.#outgoing.splice(1, 0, outgoing);",
    },
    {
      name: "a reply that waits for another is the user's memory",
      text: "this.#outgoing.length === 0 || own ? message : message.slice();",
      replacement: "message;",
    },
    {
      name: "a promise settles while its message is being written",
      text: "if (status === Status.PENDING) {",
      replacement: "if (status === Status.PENDING) {\n      head.end();",
    },
    {
      name: "messages that wait are forgotten",
      text: "if (this.#outgoing.length > 0) this.#write();",
      replacement: "if (this.#outgoing.length > 1) this.#write();",
    },
    {
      name: "an instance does not listen again",
      text: "if (status === Status.SUCCESS) this.#host.recycled(this);",
      replacement: "if (status === Status.SUCCESS) return;",
    },
    {
      name: "an instance listens again with its last client in it",
      text: "const status = this.#loop.kernel.disconnect(this.#handle);",
      replacement: "const status: number = Status.SUCCESS;",
    },
    {
      name: "an instance that could not be disconnected listens again",
      text: "if (status === Status.SUCCESS) this.#host.recycled(this);",
      replacement: "if (status !== Status.PENDING) this.#host.recycled(this);",
    },
    {
      name: "the name vanishes between clients",
      text: RETIRING,
      replacement: "this.#notices.push(() => this.#host.retiring(this));",
    },
    {
      name: "what was written is destroyed at the end",
      text: RETIRING,
      replacement: `this.#loop.kernel.disconnect(this.#handle);\n    ${RETIRING}`,
    },
    {
      name: "a slot leaks with each instance",
      text: "this.#loop.freeSlot(this.#slot);",
      replacement: "",
    },
    {
      name: "a handle leaks with each instance",
      text: "this.#loop.kernel.close(this.#handle);\n    this.#loop.freeSlot",
      replacement: "this.#loop.freeSlot",
    },
    {
      name: "a lost exchange never makes way",
      text: 'this.#raise("settled");',
      replacement: "",
    },
    {
      name: "an exchange of a client that has left is open",
      text: "if (this.#clientGone) exchange.lose(this.#goneError());",
      replacement: "",
    },
    {
      name: "the bytes of a request are never given back to the budget",
      text: "this.#host.budget.free(this.#requestBytes, this.#requestEra);",
      replacement: "",
    },
    {
      name: "a reply takes up what requests share",
      text: "return outgoing.promise();\n  }\n\n  /** See {@linkcode Answerer}. */\n  settle",
      replacement: "const { budget } = this.#host;\n    const era = budget.hold(outgoing.size);\n" +
        "    const promise = outgoing.promise();\n" +
        "    const free = () => budget.free(outgoing.size, era);\n" +
        "    promise.then(free, free);\n    return promise;\n  }\n\n" +
        "  /** See {@linkcode Answerer}. */\n  settle",
    },
    {
      name: "what waits for a client has no bound",
      text: "if (queued > this.#host.settings.maxQueued) this.evict",
      replacement: "if (queued > Infinity) this.evict",
    },
    {
      name: "what was written still counts as waiting",
      text: "this.#unqueue(head);\n      head?.end();",
      replacement: "",
    },
    {
      name: "the connections of a process are never counted down",
      text: "if (this.#process !== undefined) this.#host.discount(this.#process);",
      replacement: "",
    },
    {
      name: "the end of a connection is not told",
      text: "this.#notices.push(() => this.#host.disconnected(client, ended, error));",
      replacement: "",
    },
    {
      name: "the last reason for an end is the one that counts",
      text: "if (this.#reason !== undefined) return;",
      replacement: "",
    },
    {
      name: "the idle time does not begin anew with a request",
      text: 'const idling = state.name === "reading" && this.#postponed === undefined;',
      replacement: 'const idling = state.name === "reading" || state.name === "answering";',
    },
    {
      name: "a client has half the time to read",
      text: "const { replyTimeout } = this.#host.settings;",
      replacement: "const replyTimeout = this.#host.settings.replyTimeout / 2;",
    },
    {
      name: "a message may stay unread for ever",
      text: 'else this.#timeOut("replyTimeout");',
      replacement: "",
    },
  ]),
];
