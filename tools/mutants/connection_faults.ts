/**
 * Faults of a server's connection: who its client is, why it ends, and the messages on their way.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const PUSH = "this.#outbox.push(message);";

/** See the module. */
export const CONNECTION_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/server/connection.ts", [
    {
      name: "a client that came before the listen is not told to try again",
      text: "this.early = early;",
      replacement: "this.early = false;",
    },
    {
      name: "the connections of a process are never counted down",
      text: "if (this.#process !== undefined) context.processes.release(this.#process);",
      replacement: "",
    },
    {
      name: "the end of a connection is not told",
      text: "this.instance.callbacks.add(() => context.hooks.disconnected(client, reason, error));",
      replacement: "",
    },
    {
      name: "the last reason for an end is the one that counts",
      text: "if (this.#reason !== undefined) return;",
      replacement: "",
    },
    {
      name: "to close a client that has left ends the next one",
      text: 'if (this.instance.connection === this) this.instance.finish("self");',
      replacement: 'this.instance.finish("self");',
    },
    {
      name: "a shutdown does not report the messages that were given up",
      text: "for (let i = 0; i < messages; i++) this.context.tally.dropped();",
      replacement: "",
    },
  ]),
  ...faultsOf("src/server/client_facts.ts", [
    {
      name: "a shortage costs a client its identity",
      text: "if (isShortage(status)) return false;",
      replacement: "",
    },
    {
      name: "a shortage while a token is read costs a client its identity",
      text: "if (isShortage(this.#identified.status)) return false;",
      replacement: "",
    },
    {
      name: "a token that nobody has asked for is never closed",
      text: "this.#ended = true;\n    this.#closeToken();",
      replacement: "this.#ended = true;",
    },
  ]),
  ...faultsOf("src/server/client_facts.ts", [
    {
      name: "an exchange that goes on after the end of its connection is too late to ask",
      text: "if (this.#exchanges > 0) this.show();",
      replacement: "",
    },
    {
      name: "a token that was short of resources is not tried again at the end",
      text: "if (this.#shown) this.#readToken();",
      replacement: "",
    },
    {
      name: "the process of a client is asked for at the first question, and may be the next one's",
      text: "if (this.#asked || this.#ended) return;",
      replacement: "if (this.#asked) return;",
    },
    {
      name: "everybody's token is read",
      text: "return !this.#shown || this.#readToken();",
      replacement: "return this.#readToken();",
    },
  ], ["tests/client_facts_test.ts"]),
  ...faultsOf("src/server/instance.ts", [
    {
      name: "a client is asked about when it is disconnected already",
      text: "        this.#connection?.facts.end();\n        this.#loop.kernel.disconnect",
      replacement: "        this.#loop.kernel.disconnect",
    },
    {
      name: "a client is asked about when its handle is closed already",
      text: "this.#connection?.facts.end();\n    this.end.abandon();",
      replacement: "this.end.abandon();",
    },
  ], ["tests/client_facts_test.ts"]),
  ...faultsOf("src/exchange/exchange.ts", [
    {
      name: "an exchange is not counted before its connection can end",
      text: "this.#session.facts.exchangeBegan();\n    this.#session.progressed(this);",
      replacement: "this.#session.progressed(this);\n    this.#session.facts.exchangeBegan();",
    },
  ], ["tests/client_facts_test.ts"]),
  ...faultsOf("src/server/message_to_client.ts", [
    {
      name: "a reply that waits for another is the user's memory",
      text: "queue.empty || own ? message : message.slice()",
      replacement: "message",
    },
  ]),
  ...faultsOf("src/pipe/write_queue.ts", [
    {
      name: "the order of replies is lost",
      text: PUSH,
      replacement: `const later = this.#outbox.takeUnsent();\n    ${PUSH}\n` +
        "    for (const other of later) this.#outbox.push(other);",
    },
    {
      name: "two messages are written at once",
      text: "if (head === undefined || this.writing) return;",
      replacement: "if (head === undefined) return;",
    },
    {
      name: "a promise settles while its message is being written",
      text: "if (status === Status.PENDING) {",
      replacement: "if (status === Status.PENDING) {\n      head.end();",
    },
    {
      name: "messages that wait are forgotten",
      text: "this.#wait(head, head.length - sent);\n    this.write();",
      replacement:
        "this.#wait(head, head.length - sent);\n    if (sent === 0) this.#owner.written();",
    },
    {
      name: "what was written still counts as waiting",
      text: "this.#unqueue(message);\n      message.end();",
      replacement: "message.end();",
    },
    {
      name: "what Windows has taken counts as waiting for the client",
      text: "if (unseen) this.#accepted();",
      replacement: "",
    },
    {
      name: "a client has half the time to read",
      text: "this.#timeout = timeout;",
      replacement: "this.#timeout = timeout / 2;",
    },
    {
      name: "a message may stay unread for ever",
      text: "else this.#owner.stillUnread();",
      replacement: "",
    },
    {
      name: "aborting a message that was taken closes the connection",
      text: "if (status === Status.CANCELLED) return this.#withdraw(aborted);",
      replacement: "return this.#withdraw(aborted);",
    },
    {
      name: "a message that is partly sent leaves the connection open",
      text: "if (this.#partly) return this.#owner.aborted();",
      replacement: "",
    },
  ]),
  ...faultsOf("src/exchange/exchange_session.ts", [
    {
      name: "a reply is sent twice",
      text: "if (this.#connection.enqueue(reply)) {",
      replacement: `this.#connection.enqueue(new MessageToClient(reply.bytes, last));
    if (this.#connection.enqueue(reply)) {`,
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
];
