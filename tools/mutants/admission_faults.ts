/**
 * Faults of what comes before a session: who the client is, and whether it is let in.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const LATE = "if (this.#state !== AUTHORIZING) return;";

/** See the module. */
export const ADMISSION_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/server/admission_states.ts", [
    {
      name: "a client that was refused is served",
      text: 'case "refused":\n      return to(DECIDED, "sessionFinished");',
      replacement: 'case "refused":\n      return to(DECIDED, "admit");',
    },
    {
      name: "nobody is asked about a client whose first request is long",
      text: 'case "partial":\n      return to(AUTHORIZING, "authorize");',
      replacement:
        'case "partial":\n      if (event === "partial") return to(DECIDED, "admit");\n' +
        '      return to(AUTHORIZING, "authorize");',
    },
  ]),
  ...faultsOf("src/server/admission.ts", [
    {
      name: "a client that comes while its listener is closed stays",
      text: "if (closed !== undefined) instance.callbacks.add(() => instance.evict(closed));",
      replacement: "",
    },
    {
      name: "a shutdown does not wait for a decision",
      text: "if (!this.#context.sessions.answers) this.finish();",
      replacement: "this.finish();",
    },
    {
      name: "a listener that is shut down waits for a decision",
      text: "if (!this.#context.sessions.answers) this.finish();",
      replacement: "",
    },
    {
      name: "a decision that comes late is taken all the same",
      text: LATE,
      replacement: "",
    },
    {
      name: "a client is told of before it is admitted",
      text: LATE,
      replacement: `${LATE}\n    this.#context.hooks.connected(this.#connection.client);`,
    },
    {
      name: "a client is shown before it is admitted",
      text: "readonly client = undefined;",
      replacement: "get client() {\n    return this.#connection.client;\n  }",
    },
  ]),
  ...faultsOf("src/server/instance.ts", [
    {
      name: "nobody is asked about a client",
      text: "if (isServedAtOnce(connection)) return serve();",
      replacement: "if (isServedAtOnce(connection) || !connection.excess) return serve();",
    },
    {
      name: "the next client passes for the one that was admitted",
      text: "if (isServedAtOnce(connection)) return serve();",
      replacement: "if (isServedAtOnce(connection) || connection.client.id > 1) return serve();",
    },
    {
      name: "the first message of a client that is admitted is lost",
      text: "      this.inboundCompleted();\n",
      replacement: "",
    },
  ]),
  ...faultsOf("src/server/budgeted_reader.ts", [
    {
      name: "a client is not identified",
      text: "this.#unidentified = !this.#connection.facts.takeToken();",
      replacement: "this.#unidentified = false;",
    },
  ]),
];
