/** Cannot return to its own identity: the function for that fails, whatever comes. */

import { openAdvapi32 } from "../../../ffi/advapi32.ts";
import { WindowsKernel } from "../../../ffi/windows_kernel.ts";
import { serveOn } from "../../../src/exchange/serve.ts";
import { WaitLoop } from "../../../src/loop/wait_loop.ts";

const [path = ""] = Deno.args;
const advapi32 = openAdvapi32();
const kernel = new WindowsKernel({
  security: true,
  advapi32: {
    symbols: { ...advapi32.symbols, RevertToSelf: () => 0 },
    close: () => advapi32.close(),
  },
});
const loop = new WaitLoop(kernel);
addEventListener("unload", () => console.log("unload"));
serveOn(() => loop, { path, onDisconnect: () => console.log("disconnected") }, () => {
  console.log("served");
  return "yes";
});
console.log("listening");
