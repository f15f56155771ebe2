/**
 * `list`: the pipes of this machine.
 *
 * @module
 */

import type { Command } from "./command.ts";

/** See the module. */
export const list: Command = {
  summary: "Lists the pipes of this machine, with the number of their instances",
  usage: "[TEXT]",
  count: [0, 1],
  options: {},
  run(args, { pipes, print }) {
    const text = args.at(0).toLowerCase();
    const found = pipes.listPipes()
      .filter(({ name }) => name.toLowerCase().includes(text))
      .toSorted((one, other) => one.name < other.name ? -1 : 1);
    if (args.flag("json")) {
      print(`${JSON.stringify(found)}\n`);
    } else {
      for (const { name, instances = "?" } of found) {
        print(`${`${instances}`.padStart(5)}  ${name}\n`);
      }
    }
    return 0;
  },
};
