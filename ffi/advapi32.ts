/**
 * The functions of advapi32.dll that this module calls: users, tokens and security descriptors.
 *
 * The types of parameters follow the rules of kernel32.ts.
 *
 * @module
 */

import { KERNEL32 } from "./kernel32.ts";
import { Library, SYSTEM32 } from "./library.ts";

/** The name of the library's file. */
export const ADVAPI32 = "advapi32.dll";

/** The usual path of the library's file. */
export const ADVAPI32_PATH: string = SYSTEM32 + ADVAPI32;

/** The files that a program needs to ask about users and access rights. */
export const BOTH_LIBRARIES: readonly string[] = [KERNEL32, ADVAPI32];

/** The functions, for {@linkcode Deno.dlopen}. */
export const SYMBOLS = {
  /** @see {@link https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-openprocesstoken} */
  OpenProcessToken: {
    parameters: [
      "usize", // HANDLE ProcessHandle
      "u32", // DWORD DesiredAccess
      "buffer", // PHANDLE TokenHandle
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-openthreadtoken} */
  OpenThreadToken: {
    parameters: [
      "usize", // HANDLE ThreadHandle
      "u32", // DWORD DesiredAccess
      "i32", // BOOL OpenAsSelf
      "buffer", // PHANDLE TokenHandle
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/securitybaseapi/nf-securitybaseapi-gettokeninformation} */
  GetTokenInformation: {
    parameters: [
      "usize", // HANDLE TokenHandle
      "i32", // TOKEN_INFORMATION_CLASS TokenInformationClass
      "usize", // LPVOID TokenInformation
      "u32", // DWORD TokenInformationLength
      "buffer", // PDWORD ReturnLength
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-impersonatenamedpipeclient} */
  ImpersonateNamedPipeClient: {
    parameters: [
      "usize", // HANDLE hNamedPipe
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/securitybaseapi/nf-securitybaseapi-reverttoself} */
  RevertToSelf: { parameters: [], result: "i32" },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/sddl/nf-sddl-convertstringsecuritydescriptortosecuritydescriptorw} */
  ConvertStringSecurityDescriptorToSecurityDescriptorW: {
    parameters: [
      "buffer", // LPCWSTR StringSecurityDescriptor
      "u32", // DWORD StringSDRevision
      "buffer", // PSECURITY_DESCRIPTOR *SecurityDescriptor
      "usize", // PULONG SecurityDescriptorSize
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/sddl/nf-sddl-convertsecuritydescriptortostringsecuritydescriptorw} */
  ConvertSecurityDescriptorToStringSecurityDescriptorW: {
    parameters: [
      "usize", // PSECURITY_DESCRIPTOR SecurityDescriptor
      "u32", // DWORD RequestedStringSDRevision
      "u32", // SECURITY_INFORMATION SecurityInformation
      "buffer", // LPWSTR *StringSecurityDescriptor
      "buffer", // PULONG StringSecurityDescriptorLen
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/securitybaseapi/nf-securitybaseapi-getkernelobjectsecurity} */
  GetKernelObjectSecurity: {
    parameters: [
      "usize", // HANDLE Handle
      "u32", // SECURITY_INFORMATION RequestedInformation
      "usize", // PSECURITY_DESCRIPTOR pSecurityDescriptor
      "u32", // DWORD nLength
      "buffer", // LPDWORD lpnLengthNeeded
    ],
    result: "i32",
  },

  /**
   * Runs on a thread of Deno's pool, since it may ask other machines. Its last error stays there.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-lookupaccountsidw}
   */
  LookupAccountSidW: {
    nonblocking: true,
    parameters: [
      "usize", // LPCWSTR lpSystemName
      "buffer", // PSID Sid
      "buffer", // LPWSTR Name
      "buffer", // LPDWORD cchName
      "buffer", // LPWSTR ReferencedDomainName
      "buffer", // LPDWORD cchReferencedDomainName
      "buffer", // PSID_NAME_USE peUse
    ],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The opened library. */
export type Advapi32 = Deno.DynamicLibrary<typeof SYMBOLS>;

const library = new Library(ADVAPI32, SYMBOLS);

/**
 * Opens advapi32.dll.
 *
 * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
 */
export function openAdvapi32(): Advapi32 {
  return library.open(BOTH_LIBRARIES);
}
