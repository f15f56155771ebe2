/**
 * The part of the seam with which a process asks about others: who they are, what they run, and who
 * may do what.
 *
 * @module
 */

import type { Handle, Identified, OpenedToken, Told } from "../../kernel/kernel.ts";
import { Status } from "../../kernel/status.ts";
import { ownerOf } from "./access.ts";
import { Contract } from "./contract.ts";
import { type Decisions, type Failing, plain } from "./decisions.ts";
import { Handles } from "./handles.ts";
import { ServerEnd } from "./server_end.ts";
import type { System } from "./system.ts";

/** As much of the grammar of security descriptors as is needed to tell one from nonsense. */
const SDDL = /^(?:[OG]:(?:S-[\d-]+|[A-Z]{2}))*D:[A-Z_]*(?:\([^()]*\))*(?:S:.*)?$/;

/** See the module, and {@linkcode Kernel} for the calls. */
export abstract class ProcessQueries {
  /** The pipes, which other processes share. */
  readonly system: System;
  /** The process that it belongs to. */
  readonly process: number;
  /** The choices of the system; may be replaced at any time. */
  readonly decisions: Decisions;
  protected readonly contract: Contract = new Contract();
  protected readonly handles: Handles = new Handles(this.contract);
  readonly #accepted = new Set<string>();
  /** The process of each token that is open. */
  protected readonly tokens: Map<Handle, number> = new Map();

  constructor(system: System, process: number, decisions: Partial<Decisions>) {
    this.system = system;
    this.process = process;
    this.decisions = { ...plain(), ...decisions };
  }

  clientProcess(handle: Handle): number | undefined {
    const { end } = this.handles.use(handle);
    if (this.fails("clientProcess", handle) !== undefined) return undefined;
    return end instanceof ServerEnd ? end.process : undefined;
  }

  clientSession(handle: Handle): number | undefined {
    const { end } = this.handles.use(handle);
    if (this.fails("clientSession", handle) !== undefined) return undefined;
    const process = end instanceof ServerEnd ? end.process : undefined;
    return process === undefined ? undefined : this.system.processes.sessionOf(process);
  }

  hostProcess(handle: Handle): number | undefined {
    const { end } = this.handles.use(handle);
    return this.fails("hostProcess", handle) === undefined ? end.host : undefined;
  }

  hostSession(handle: Handle): number | undefined {
    const { end } = this.handles.use(handle);
    if (this.fails("hostSession", handle) !== undefined) return undefined;
    return this.system.processes.sessionOf(end.host);
  }

  executable(process: number, since: number = Infinity): string | undefined {
    this.contract.running();
    if (this.fails("executable") !== undefined) return undefined;
    const program = this.system.processes.programOf(process);
    return program === undefined || program.began > since ? undefined : program.path;
  }

  serverProcess(path: string): number | undefined {
    this.contract.running();
    if (this.fails("serverProcess") !== undefined) return undefined;
    const { end } = this.system.open(path, { process: this.process, direction: "none" });
    end?.close();
    return end?.host;
  }

  ownUser(): Told {
    this.contract.running();
    const status = this.fails("ownUser");
    if (status !== undefined) return { status, call: "OpenProcessToken", text: "" };
    const text = this.system.processes.identityOf(this.process).sid;
    return { status: Status.SUCCESS, call: "GetTokenInformation", text };
  }

  acceptsSecurity(sddl: string): number {
    this.contract.running();
    const failure = this.fails("acceptsSecurity");
    if (failure !== undefined) return failure;
    if (!SDDL.test(sddl)) return Status.INVALID_PARAMETER;
    this.#accepted.add(sddl);
    return Status.SUCCESS;
  }

  /** An instance may be created with what was accepted only. */
  protected checkAccepted(sddl: string | undefined): void {
    if (sddl === undefined || this.#accepted.has(sddl)) return;
    this.contract.fail("a security descriptor that was not accepted");
  }

  security(handle: Handle): Told {
    const { end } = this.handles.use(handle);
    const status = this.fails("security", handle) ?? Status.SUCCESS;
    return { status, call: "GetKernelObjectSecurity", text: end.terms.security ?? "" };
  }

  owner(handle: Handle): Told {
    const { end } = this.handles.use(handle);
    const status = this.fails("owner", handle) ?? Status.SUCCESS;
    const { security, process = 0 } = end.terms;
    const text = ownerOf(security, this.system.processes.identityOf(process));
    return { status, call: "GetKernelObjectSecurity", text };
  }

  openToken(handle: Handle): OpenedToken {
    const { end, identifiable } = this.handles.use(handle);
    const call = "ImpersonateNamedPipeClient";
    const failure = this.fails("openToken", handle);
    if (failure !== undefined) return { status: failure, call, token: 0n };
    // It is that of the last message read, and nobody knows which after the next read.
    if (!identifiable) {
      this.contract.fail("a client is identified without a message just read");
    }
    const { status, process } = end instanceof ServerEnd
      ? end.writer
      : { status: Status.SUCCESS, process: 0 };
    if (status !== Status.SUCCESS) {
      const failed = status === Status.ANONYMOUS ? "OpenThreadToken" : call;
      return { status, call: failed, token: 0n };
    }
    const token = this.handles.next();
    this.tokens.set(token, process);
    return { status, call, token };
  }

  identify(token: Handle): Identified {
    const process = this.#processOf(token);
    const call = "GetTokenInformation";
    const status = this.fails("identify") ?? Status.SUCCESS;
    const identity = status === Status.SUCCESS
      ? this.system.processes.identityOf(process)
      : undefined;
    return { status, call, identity };
  }

  closeToken(token: Handle): void {
    this.#processOf(token);
    this.tokens.delete(token);
  }

  #processOf(token: Handle): number {
    this.contract.living();
    return this.tokens.get(token) ?? this.contract.fail(`token ${token} is not open`);
  }

  accountName(sid: string): Promise<string | undefined> {
    this.contract.running();
    return Promise.resolve(this.system.processes.accountOf(sid));
  }

  /** See {@linkcode Decisions.fails}. */
  protected fails(call: Failing, handle?: Handle): number | undefined {
    return this.decisions.fails(call, handle);
  }
}
