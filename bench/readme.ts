/**
 * The part of the README that is written by the benchmark.
 *
 * @module
 */

const BEGIN = "<!-- bench -->";
const END = "<!-- /bench -->";

/** Replaces what is between the marks. */
export function withPart(readme: string, part: string): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`The README has no ${BEGIN} with its end`);
  return `${readme.slice(0, begin)}${BEGIN}\n\n${part}\n\n${readme.slice(end)}`;
}
