/**
 * What a history must not report: rejections and exceptions that nobody handles, and errors on the
 * console that were not planted.
 *
 * @module
 */

/** Whoever judges what is reported. */
export interface Judge {
  /** Whether an error is one that is meant to be. */
  expected(error: unknown): boolean;
  violate(what: string): void;
}

/** Catches all reports. Returns what ends that. */
export function catchReports(judge: Judge): () => void {
  const { error: original } = console;
  const rejected = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    judge.violate(`unhandled rejection: ${event.reason?.stack ?? event.reason}`);
  };
  const thrown = (event: ErrorEvent) => {
    event.preventDefault();
    judge.violate(`thrown: ${event.error?.stack ?? event.message}`);
  };
  console.error = (...what: unknown[]) => {
    if (!judge.expected(what.at(-1))) judge.violate(`reported: ${what.at(-1)}`);
  };
  globalThis.addEventListener("unhandledrejection", rejected);
  globalThis.addEventListener("error", thrown);
  return () => {
    globalThis.removeEventListener("error", thrown);
    globalThis.removeEventListener("unhandledrejection", rejected);
    console.error = original;
  };
}
