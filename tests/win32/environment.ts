/**
 * Where the tests run, and which of them cannot run there.
 *
 * Under Wine some of what Windows promises cannot be shown. Such a test is registered by
 * {@linkcode windowsTest.notUnderWine} and listed with its reason in
 * `tests/windows/skipped_under_wine.json`; `tests/windows/skips_test.ts` keeps the two together.
 *
 * @module
 */

let wine: boolean | undefined;

/** Whether this is Wine: its ntdll exports `wine_get_version`, Windows' does not. */
export function isWine(): boolean {
  wine ??= Deno.build.os === "windows" && hasWineVersion();
  return wine;
}

function hasWineVersion(): boolean {
  try {
    Deno.dlopen("C:\\Windows\\System32\\ntdll.dll", {
      wine_get_version: { parameters: [], result: "void" },
    }).close();
    return true;
  } catch (error) {
    // A missing function is a plain Error; a missing permission says nothing about it.
    if (error instanceof Deno.errors.NotCapable) throw error;
    return false;
  }
}

type TestFunction = () => void | Promise<void>;

function register(name: string, fn: TestFunction, ignore: boolean): void {
  Deno.test({ name, fn, ignore, sanitizeOps: true, sanitizeResources: true });
}

/** Registers a test of the Windows build: `Deno.test`, with the sanitizers on. */
export function windowsTest(name: string, fn: TestFunction): void {
  register(name, fn, false);
}

/** Registers a test that is skipped under Wine, for the reason in the list: its name is a literal. */
windowsTest.notUnderWine = (name: string, fn: TestFunction): void => register(name, fn, isWine());

/** Registers a test of what Deno itself can do since this version: it is skipped by older ones. */
windowsTest.since = (version: string, name: string, fn: TestFunction): void =>
  register(name, fn, compare(Deno.version.deno, version) < 0);

/** Compares versions, such as 2.7.14, number by number. */
function compare(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number.parseFloat));
  const differences = right?.map((number, i) => (left?.[i] ?? 0) - number);
  return differences?.find((difference) => difference !== 0) ?? 0;
}
