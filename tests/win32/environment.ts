/**
 * Where the tests run, and which of them cannot run there.
 *
 * Under Wine some of what Windows promises cannot be shown. Such a test is registered by
 * {@linkcode windowsTest.notUnderWine} and listed with its reason in
 * `tests/windows/skipped_under_wine.json`; `tests/windows/skips_test.ts` keeps the two together.
 *
 * @module
 */

import skipped from "../windows/skipped_under_wine.json" with { type: "json" };

let wine: boolean | undefined;

/** Whether this is Wine: its ntdll exports `wine_get_version`, Windows' does not. */
export function isWine(): boolean {
  wine ??= Deno.build.os === "windows" && ntdllExports("wine_get_version");
  return wine;
}

/** Whether ntdll has a function of this name. */
export function ntdllExports(name: string): boolean {
  try {
    const declaration = { [name]: { parameters: [], result: "void" } } as const;
    Deno.dlopen("C:\\Windows\\System32\\ntdll.dll", declaration).close();
    return true;
  } catch (error) {
    // A missing function is a plain Error; a missing permission says nothing about it.
    if (error instanceof Deno.errors.NotCapable) throw error;
    return false;
  }
}

/** A test on Windows. */
export type TestFunction = (context: Deno.TestContext) => void | Promise<void>;

/** Further options of a test. */
export type TestOptions = Omit<Deno.TestDefinition, "fn" | "name" | "ignore" | "only">;

function register(
  name: string,
  optionsOrFn: TestOptions | TestFunction,
  fn: TestFunction | undefined,
  ignore: boolean,
): void {
  const sanitizers = { sanitizeOps: true, sanitizeResources: true };
  if (typeof optionsOrFn === "function") {
    Deno.test({ ...sanitizers, name, fn: optionsOrFn, ignore });
  } else if (fn !== undefined) {
    Deno.test({ ...sanitizers, ...optionsOrFn, name, fn, ignore });
  } else {
    throw new TypeError(`The test "${name}" has no function`);
  }
}

/**
 * Registers a test of the Windows build: `Deno.test`, with the sanitizers on.
 *
 * The name is a plain string literal, so that the list of skips can be compared with the sources.
 */
export function windowsTest(name: string, fn: TestFunction): void;
export function windowsTest(name: string, options: TestOptions, fn: TestFunction): void;
export function windowsTest(
  name: string,
  optionsOrFn: TestOptions | TestFunction,
  fn?: TestFunction,
): void {
  register(name, optionsOrFn, fn, false);
}

function notUnderWine(name: string, fn: TestFunction): void;
function notUnderWine(name: string, options: TestOptions, fn: TestFunction): void;
function notUnderWine(
  name: string,
  optionsOrFn: TestOptions | TestFunction,
  fn?: TestFunction,
): void {
  const reasons: Record<string, string | undefined> = skipped;
  if (!Object.hasOwn(reasons, name) || !reasons[name]?.trim()) {
    throw new Error(
      `The test "${name}" has no reason in tests/windows/skipped_under_wine.json`,
    );
  }
  register(name, optionsOrFn, fn, isWine());
}

/** Registers a test that is skipped under Wine, for the reason in the list. */
windowsTest.notUnderWine = notUnderWine;
