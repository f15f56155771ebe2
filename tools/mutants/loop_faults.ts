/**
 * Faults of the wait loop and its time limits.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const IS_DEFINITE = "if (definite.has(status)) return status;";

/** See the module. */
export const LOOP_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/loop/wait_loop.ts", [
    {
      name: "code 0 after FALSE is taken as success",
      text: IS_DEFINITE,
      replacement: `if (status === Status.UNKNOWN) return Status.SUCCESS;\n    ${IS_DEFINITE}`,
    },
    {
      name: "every last error is taken as definite",
      text: IS_DEFINITE,
      replacement: "if (status !== Status.PENDING) return status;",
    },
    {
      name: "what is over is not asked for its own status",
      text: "return actual === Status.PENDING ? status : actual;",
      replacement: "return status;",
    },
    {
      name: "no look after a failed submission",
      text: "this.#turns.lookSoon();",
      replacement:
        "if (status === Status.PENDING || status === Status.SUCCESS) this.#turns.lookSoon();",
    },
    {
      name: "no look after a reply while the loop waits",
      text: "this.#turns.lookSoon();",
      replacement:
        "if (operation.lane === Lane.IN || this.operations === 0) this.#turns.lookSoon();",
    },
    {
      name: "a read is served in the turn in which it was requested",
      text: 'operation.phase = "requested";\n    this.#turns.add(operation);',
      replacement: "this.#submitIn(operation);\n" +
        '    if (operation.phase !== "completed") return;\n' +
        '    operation.phase = "idle";\n' +
        "    operation.handler.completed(operation);",
    },
    {
      name: "a cancel forgets a read that was requested",
      text: "// Its entry in the round is skipped, unless it completes at once.\n" +
        '    if (operation.phase === "requested") this.#submitIn(operation);',
      replacement: 'if (operation.phase === "requested") operation.phase = "idle";',
    },
    {
      name: "a loop that was abandoned stays that of the isolate",
      text: "this.#stop();\n    for (const user of this.#users) user.abandoned();",
      replacement:
        "this.#turns.stop();\n    this.#shortages.stop();\n    this.deadlines.clear();\n" +
        "    for (const user of this.#users) user.abandoned();",
    },
    {
      name: "a cancel completes before the completion",
      text: "this.kernel.cancel(operation.handle, operation.lane, operation.slot);",
      replacement: "this.kernel.cancel(operation.handle, operation.lane, operation.slot);\n" +
        "      this.#inFlight.remove(operation);\n" +
        "      this.complete(operation, Status.CANCELLED);",
    },
    {
      name: "a reply that waits for the end of a shortage is the user's memory",
      text: "operation.message = copy;",
      replacement: "operation.message = message;",
    },
    {
      name: "a write is tried only twice in a shortage",
      text: "if (status === Status.NOT_SUBMITTED) {\n" +
        "      return this.#shortages.defer(operation, Status.OUT_OF_MEMORY);\n    }",
      replacement: "",
    },
    {
      name: "a write that Windows had no memory for is written again",
      text: "if (status !== Status.NOT_SUBMITTED) return status;",
      replacement: "if (!isShortage(status)) return status;",
    },
    {
      name: "a write that waited for memory of our own is written again when Windows is short",
      text: "if (status === Status.NOT_SUBMITTED) {\n" +
        "      return this.#shortages.defer(operation, Status.OUT_OF_MEMORY);\n    }",
      replacement: "if (isShortage(status)) return this.#shortages.defer(operation, status);",
    },
    {
      name: "a shortage ends a read",
      text: "if (isShortage(status)) return this.#shortages.defer(operation, status);",
      replacement: "",
    },
    {
      name: "a buffer is given away while it is in flight",
      text: "this.#slots[slot] = true;",
      replacement: "this.#slots[slot] = false;",
    },
    {
      name: "a buffer leaks with each connection",
      text: "this.kernel.release(slot);",
      replacement: "",
    },
    {
      name: "a reply goes to another instance",
      text: "const { handle, slot } = operation;\n    const status = this.kernel.write(",
      replacement: "const { slot } = operation;\n" +
        "    const handle = this.#inFlight.in(Lane.IN)[0]?.handle ?? operation.handle;\n" +
        "    const status = this.kernel.write(",
    },
    {
      name: "who has let go of the program never keeps it again",
      text: "this.#holders.add(holder);\n    this.#keepAlive();",
      replacement: "this.#holders.add(holder);",
    },
    {
      name: "a server that was unref'd keeps the program",
      text: "this.#holders.delete(holder);",
      replacement: "",
    },
    {
      name: "a loop that keeps nothing running waits for nothing",
      text: "this.#holders.delete(holder);\n    this.#keepAlive();",
      replacement: "this.#holders.delete(holder);\n    this.#keepAlive();\n" +
        "    if (this.#holders.size === 0) this.#turns.stop();",
    },
    {
      name: "nobody is told that the wait has failed",
      text: "for (const user of this.#users) user.failed(failure);",
      replacement: "",
    },
    {
      name: "nothing is closed when the program exits",
      text: "for (const user of this.#users) user.abandoned();",
      replacement: "",
    },
  ]),
  ...faultsOf("src/loop/turns.ts", [
    {
      name: "a callback that throws stops the loop",
      text: "this.#queue();\n      throw error;",
      replacement: "throw error;",
      tests: ["tests/wait_loop_test.ts"],
    },
    {
      name: "a callback that throws loses the others",
      text: "} finally {\n      this.#callbacks = callbacks.slice(called)",
      replacement:
        "} catch (error) {\n      throw error;\n    }\n    {\n      this.#callbacks = callbacks.slice(called)",
      tests: ["tests/wait_loop_test.ts"],
    },
    {
      name: "a wait that was let go of does not keep the program again",
      text: "this.#kernel.keepAlive(on);",
      replacement: "if (!on) this.#kernel.keepAlive(on);",
    },
    {
      name: "no look after a submission while the loop waits",
      text:
        "if (!this.#queued && !this.#stopped && this.#inFlight.seesCompletion()) this.#queue();",
      replacement: "",
    },
    {
      name: "no look before the loop waits",
      text: "if (this.#inFlight.seesCompletion()) return this.#queue();",
      replacement: "",
    },
    {
      name: "the wait leaves out a pending write",
      text: "const drained = this.#inFlight.in(Lane.OUT).length > 0;",
      replacement: "const drained = false;",
    },
    {
      name: "a write that becomes pending does not end the wait",
      text: 'if (operation.lane === Lane.OUT && this.#waiting === "arrivals") this.#kernel.wake();',
      replacement: "",
    },
    {
      name: "a requested read has no turn",
      text: "this.#next.push(operation);\n    this.#queue();",
      replacement: "this.#next.push(operation);\n" +
        '    if (operation.phase !== "requested") this.#queue();',
    },
    {
      name: "a requested read is taken as completed when it is submitted",
      text: 'if (operation.phase === "completed") {',
      replacement: 'if (operation.phase !== "idle") {',
    },
    {
      name: "turns follow each other without the event loop",
      text: "this.#kernel.nextTurn(() => this.#begin());",
      replacement: "nextMicrotask(() => this.#begin());",
    },
    {
      name: "the loop uses what the program may have replaced",
      text: "nextMicrotask(() => {",
      replacement: "queueMicrotask(() => {",
    },
    {
      name: "a turn goes on however long it has lasted",
      text: "return this.#kernel.now() - this.#started > TURN_LIMIT;",
      replacement: "return false;",
    },
    {
      name: "a round begins before the last one is finished",
      text: "if (looks) this.#beginRound();",
      replacement: "this.#beginRound();",
    },
    {
      name: "the loop never waits",
      text: "if (unfinished || !this.#spinLimit.reached)",
      replacement: "if (unfinished || this.#position >= 0)",
    },
    {
      name: "the loop ends while it waits",
      text: 'if (this.#waiting !== "nothing") return this.#kernel.wake();',
      replacement: "",
    },
    {
      name: "an exception in a completion gets out of the loop",
      text: "operation.handler.crashed(error);",
      replacement: "throw error;",
    },
    {
      name: "the loop waits although nothing is in flight",
      text: "else if (this.#inFlight.count === 0) this.#stopWaiting();",
      replacement: "",
    },
  ]),
  ...faultsOf("src/loop/in_flight.ts", [
    {
      name: "a look overlooks writes",
      text: "for (const lane of [Lane.IN, Lane.OUT] as const) {",
      replacement: "for (const lane of [Lane.IN] as const) {",
    },
    {
      name: "the snapshot is believed",
      text: "if (status === Status.PENDING) continue;",
      replacement: "",
    },
    {
      name: "the lowest index is first in each round",
      text: "const start = this.#rotation % count;",
      replacement: "const start = 0;",
    },
    {
      name: "an operation that moves keeps its old index",
      text: "last.index = operation.index;",
      replacement: "",
    },
    {
      name: "what was cancelled is submitted again after a shortage",
      text: "if (short && !operation.cancelled) {",
      replacement: "if (short) {",
    },
  ]),
  ...faultsOf("src/loop/shortages.ts", [
    {
      name: "what was cancelled during a shortage is submitted all the same",
      text: "this.#deferred.delete(operation);",
      replacement: "",
    },
    {
      name: "a timer outlives what it was started for",
      text: "if (this.#deferred.size === 0) this.stop();",
      replacement: "",
    },
  ]),
  ...faultsOf("src/loop/deadlines.ts", [
    {
      name: "a second time limit never expires",
      text: "if (next < this.#next) this.#arm(next);",
      replacement: "",
    },
    {
      name: "a time limit that throws stops all others",
      text: "} finally {\n      // If one has thrown, the others are next.",
      replacement: "} catch (error) {\n      throw error;\n    }\n    {",
      tests: ["tests/deadlines_test.ts"],
    },
    {
      name: "a lifted time limit keeps its timer",
      text: "if (this.#running.size === 0) this.#disarm();",
      replacement: "",
    },
  ]),
];
