/**
 * A fact that the module relies on, and whether it holds here.
 *
 * @module
 */

import type { Lab } from "./lab.ts";

/** See the module. */
export interface Fact {
  readonly id: string;
  readonly text: string;
  /** What is seen where the fact holds; several: any of them. */
  readonly expected: string | readonly string[];
  /** Tries it. */
  see(lab: Lab): string | Promise<string>;
}

/** What was seen of a fact. */
export interface Finding {
  readonly id: string;
  readonly text: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly seen: string;
}

/** Compares what was seen with what is expected. */
export function finding({ id, text, expected }: Omit<Fact, "see">, seen: string): Finding {
  const all = [expected].flat();
  return { id, text, ok: all.includes(seen), expected: all.join(" or "), seen };
}
