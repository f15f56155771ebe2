/**
 * The program's timers and its clock, as they were when this module was imported: a test that
 * replaces them with its own, to drive time by hand, must not stop the loop or change its time.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** `queueMicrotask` */
export const nextMicrotask: typeof queueMicrotask = queueMicrotask;

/** `setImmediate` of Node.js: a task of its own, after timers and I/O. */
export const nextTask: (callback: () => void) => void = setImmediate;

/** `setTimeout` */
export const startTimer: typeof setTimeout = setTimeout;

/** `clearTimeout` */
export const stopTimer: typeof clearTimeout = clearTimeout;

/** `Deno.refTimer` */
export const refTimer: typeof Deno.refTimer = Deno.refTimer;

/** `Deno.unrefTimer` */
export const unrefTimer: typeof Deno.unrefTimer = Deno.unrefTimer;

/** `performance.now` */
export const now: () => number = performance.now.bind(performance);
