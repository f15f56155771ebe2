/**
 * The security descriptor of a server's pipe, checked by Windows before anything is created.
 *
 * @module
 */

import { descriptor } from "../options/access.ts";
import { systemError, WindowsError } from "../kernel/errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { isShortage, Status } from "../kernel/status.ts";
import type { ServerSettings } from "../options/server_settings.ts";

const CONVERT = "ConvertStringSecurityDescriptorToSecurityDescriptorW";

/**
 * The security descriptor for `access`, in SDDL; undefined: the default of Windows.
 *
 * @throws {TypeError} If Windows does not accept the user's own descriptor.
 * @throws {Error} If Windows does not report the current user.
 */
export function securityDescriptor(
  kernel: Kernel,
  { access, path }: ServerSettings,
): string | undefined {
  if (access === "system-default") return undefined;
  const { status, call, text } = kernel.ownUser();
  if (status !== Status.SUCCESS) {
    throw systemError("Cannot determine the current user for", call, path, status);
  }
  const sddl = descriptor(access, text);
  if (sddl === undefined) return undefined;
  const accepted = kernel.acceptsSecurity(sddl);
  if (accepted === Status.SUCCESS) return sddl;
  if (isShortage(accepted)) throw systemError("Cannot listen on", CONVERT, path, accepted);
  throw new TypeError(`Cannot use "access.sddl" "${sddl}": Windows does not understand it`, {
    cause: new WindowsError("Cannot listen on", {
      code: Math.max(0, accepted),
      call: CONVERT,
      path,
    }),
  });
}
