/**
 * A planted fault: one small change to one file of the module.
 *
 * @module
 */

/** See the module. */
export interface Mutant {
  /** What is wrong with the module when it has this fault. */
  readonly name: string;
  /** The file, as a path below the module's folder. */
  readonly file: string;
  /** What is replaced; the file has it exactly once. */
  readonly text: string;
  readonly replacement: string;
  /**
   * The files of tests of which one has to fail, for what the simulation does not reach; otherwise
   * the simulation has to find it.
   */
  readonly tests?: readonly string[] | undefined;
}

/** A mutant that cannot be tried: its text does not fit the file, or the result is no program. */
export class Unusable extends Error {}

/**
 * The file's source with the fault in it.
 *
 * @throws {Unusable} If the text does not occur exactly once, or nothing would change.
 */
export function mutate(source: string, { text, replacement }: Mutant): string {
  const times = text === "" ? 0 : source.split(text).length - 1;
  if (times !== 1) throw new Unusable(`its text occurs ${times} times: ${JSON.stringify(text)}`);
  if (text === replacement) throw new Unusable("its replacement changes nothing");
  return source.replace(text, () => replacement);
}

/** Faults of one file, and the tests that have to find them if the simulation does not. */
export function faultsOf(
  file: string,
  faults: readonly Omit<Mutant, "file">[],
  tests?: readonly string[],
): readonly Mutant[] {
  return faults.map((fault) => ({ tests, ...fault, file }));
}
