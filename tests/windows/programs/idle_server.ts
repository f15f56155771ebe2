/**
 * A server that measures its own process: to `times` it answers how many milliseconds of processor
 * time the process has used, to `spin` it uses some more.
 */

import { serve } from "../../../mod.ts";
import { processTimes } from "../../win32/raw.ts";

const [path = ""] = Deno.args;

function used(): number {
  const { kernel, user } = processTimes();
  return kernel + user;
}

/** Works until that shows, if it shows at all; on a busy machine that takes a while. */
function spin(): void {
  const enough = used() + 50;
  const end = performance.now() + 5_000;
  while (used() < enough && performance.now() < end);
}

serve({ path }, (_, exchange) => {
  if (exchange.text() === "spin") spin();
  return `${used()}`;
});
console.log("listening");
