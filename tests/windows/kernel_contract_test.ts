import { openKernel32 } from "../../ffi/kernel32.ts";
import { WindowsKernel } from "../../ffi/windows_kernel.ts";
import { testKernelContract } from "../kernel_contract.ts";
import { isWine } from "../win32/environment.ts";

// An abandoned kernel keeps its library, which must then not be one that a test has opened.
const kernel32 = openKernel32();

testKernelContract("WindowsKernel", () => ({ kernel: new WindowsKernel({ security: true }) }), {
  ignoresFirst: isWine(),
  ignoresLevels: isWine(),
  makeToAbandon: () => ({
    kernel: new WindowsKernel({ kernel32 }),
    unload: () => globalThis.dispatchEvent(new Event("unload")),
  }),
});
