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
      text: "return truth === Status.PENDING ? status : truth;",
      replacement: "return status;",
    },
    {
      name: "no look after a submission while the loop waits",
      text: "if (!this.#turnQueued && !this.#dead && this.#seesCompletion()) this.#queueTurn();",
      replacement: "",
    },
    {
      name: "no look after a failed submission",
      text: "this.#lookBeforeLong();",
      replacement:
        "if (status === Status.PENDING || status === Status.SUCCESS) this.#lookBeforeLong();",
    },
    {
      name: "no look after a reply while the loop waits",
      text: "this.#lookBeforeLong();",
      replacement:
        'if (operation.lane === Lane.IN || this.#waiting === "nothing") this.#lookBeforeLong();',
    },
    {
      name: "no look before the loop waits",
      text: "if (this.#seesCompletion()) return this.#queueTurn();",
      replacement: "",
    },
    {
      name: "a look overlooks writes",
      text: "for (const lane of [Lane.IN, Lane.OUT] as const) {",
      replacement: "for (const lane of [Lane.IN] as const) {",
    },
    {
      name: "the wait leaves out a write that pends",
      text: "const drained = this.#inFlight[Lane.OUT].length > 0;",
      replacement: "const drained = false;",
    },
    {
      name: "a write that goes pending does not end the wait",
      text: 'if (operation.lane === Lane.OUT && this.#waiting === "arrivals") this.kernel.wake();',
      replacement: "",
    },
    {
      name: "the snapshot is believed",
      text: "if (status === Status.PENDING) continue;",
      replacement: "",
    },
    {
      name: "the lowest place is first in each round",
      text: "const start = this.#rotation % count;",
      replacement: "const start = 0;",
    },
    {
      name: "an operation that moves keeps its old place",
      text: "last.place = operation.place;",
      replacement: "",
    },
    {
      name: "a read is served in the turn in which it was asked for",
      text: 'operation.phase = "asked";\n    this.#putNext(operation);',
      replacement: "this.#begin(operation);\n" +
        '    if (operation.phase !== "due") return;\n' +
        '    operation.phase = "resting";\n' +
        "    operation.completer.completed(operation);",
    },
    {
      name: "a read that was asked for has no turn",
      text: 'operation.phase = "asked";\n    this.#putNext(operation);',
      replacement: 'operation.phase = "asked";\n    this.#next.push(operation);',
    },
    {
      name: "a cancel forgets a read that was asked for",
      text: "// Its place in the round is passed over, unless it is over at once.\n" +
        '    if (operation.phase === "asked") this.#begin(operation);',
      replacement: 'if (operation.phase === "asked") operation.phase = "resting";',
    },
    {
      name: "what was asked for is taken for over when it is submitted",
      text: 'if (operation.phase === "due") {',
      replacement: 'if (operation.phase !== "resting") {',
    },
    {
      name: "turns follow each other without the event loop",
      text: "this.kernel.nextTurn(() => {",
      replacement: "nextMicrotask(() => {",
    },
    {
      name: "the loop uses what the program may have replaced",
      text: "nextMicrotask(() => {",
      replacement: "queueMicrotask(() => {",
    },
    {
      name: "a loop that was abandoned stays that of the isolate",
      text: "this.#onDisposed();\n    for (const user of this.#users) user.abandoned();",
      replacement: "for (const user of this.#users) user.abandoned();",
    },
    {
      name: "a turn goes on however long it has lasted",
      text: "return this.kernel.now() - this.#turnStarted > TURN_LIMIT;",
      replacement: "return false;",
    },
    {
      name: "a round begins before the last one is finished",
      text: "if (looks) this.#beginRound();",
      replacement: "this.#beginRound();",
    },
    {
      name: "the loop never waits",
      text: "if (unfinished || this.#idleTurns < this.#idleLimit)",
      replacement: "if (unfinished || this.#idleTurns >= 0)",
    },
    {
      name: "a cancel settles before the completion",
      text: "this.kernel.cancel(operation.handle, operation.lane, operation.slot);",
      replacement: "this.kernel.cancel(operation.handle, operation.lane, operation.slot);\n" +
        "      this.#unwatch(operation);\n" +
        "      this.finish(operation, Status.CANCELLED);",
    },
    {
      name: "what was cancelled is submitted again after a shortage",
      text: "if (again && !operation.cancelled) {",
      replacement: "if (again) {",
    },
    {
      name: "what was cancelled during a shortage is submitted all the same",
      text: "this.#deferred.delete(operation);",
      replacement: "",
    },
    {
      name: "a timer outlives what it was started for",
      text: "if (this.#deferred.size === 0) this.#stopRetrying();",
      replacement: "",
    },
    {
      name: "a reply that waits for the end of a shortage is the user's memory",
      text: "operation.message = copy;",
      replacement: "operation.message = message;",
    },
    {
      name: "a write is tried only twice in a shortage",
      text: "if (status === Status.NOT_SUBMITTED) " +
        "return this.#defer(operation, Status.OUT_OF_MEMORY);\n    operation.message",
      replacement: "operation.message",
    },
    {
      name: "a write that Windows had no memory for is written again",
      text: "if (status !== Status.NOT_SUBMITTED) return status;",
      replacement: "if (!isShortage(status)) return status;",
    },
    {
      name: "a write that waited for memory of our own is written again when Windows is short",
      text: "if (status === Status.NOT_SUBMITTED) " +
        "return this.#defer(operation, Status.OUT_OF_MEMORY);\n    operation.message",
      replacement: "if (isShortage(status)) " +
        "return this.#defer(operation, status);\n    operation.message",
    },
    {
      name: "a shortage ends a read",
      text: "if (isShortage(status)) return this.#defer(operation, status);\n    operation.status",
      replacement: "operation.status",
    },
    {
      name: "the loop goes away while it waits",
      text: 'if (this.#waiting !== "nothing") return this.kernel.wake();',
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
      text: "const { handle, slot } = operation;\n    return",
      replacement: "const { slot } = operation;\n" +
        "    const handle = this.#inFlight[Lane.IN][0]?.handle ?? operation.handle;\n    return",
    },
    {
      name: "nobody is told that the wait has failed",
      text: "for (const user of this.#users) user.failed(failure);",
      replacement: "",
    },
    {
      name: "an exception in a completion gets out of the loop",
      text: "operation.completer.crashed(error);",
      replacement: "throw error;",
    },
    {
      name: "nothing is closed when the program goes away",
      text: "for (const user of this.#users) user.abandoned();",
      replacement: "",
    },
    {
      name: "the loop waits although nothing is in flight",
      text: "else if (this.operations === 0) this.#stopWaiting();",
      replacement: "",
    },
  ]),
  ...faultsOf("src/loop/deadlines.ts", [
    {
      name: "a second time limit never runs out",
      text: "if (next < this.#next) this.#arm(next);",
      replacement: "",
    },
    {
      name: "a lifted time limit keeps its timer",
      text: "if (this.#running.delete(deadline) && this.#running.size === 0) this.#disarm();",
      replacement: "this.#running.delete(deadline);",
    },
  ]),
];
