/**
 * Checks and defaults: what a user typed becomes one frozen, normalised record, or an error that
 * says what is wrong, before anything is created.
 *
 * @module
 */

import type { PipeAccess } from "./access.ts";

const PREFIX = "\\\\.\\pipe\\";
/** Other spellings of it; with slashes, as Node.js and Docker write it, the name has them too. */
const LOCAL_PREFIX = /^\\\\[.?]\\pipe\\/i;
const SLASHED_PREFIX = /^(?:npipe:\/\/)?\/\/[.?]\/pipe\//i;
/** Windows takes names of up to 256 characters, prefix included. */
const LONGEST_PATH = 256;
const MAX_DWORD = 0xffff_ffff;
/** The longest time that timers take, in milliseconds: nearly 25 days. */
const MAX_TIMEOUT = 0x7fff_ffff;
const MIB = 1024 * 1024;

/** The longest message that can be sent: WriteFile takes a 32-bit length. */
export const LONGEST_MESSAGE = 0x7fff_ffff;

/** How long a write may stay pending once its connection is to end, if there is no other limit. */
export const LAST_WRITE_TIMEOUT = 10_000;

/** How long {@linkcode shutdownTimeout} waits by default, in milliseconds. */
const SHUTDOWN_TIMEOUT = 10_000;

/** Options of a server, before they are checked. */
export interface RawServerOptions {
  readonly path: string;
  readonly instances?: number | undefined;
  readonly maxInstances?: number | undefined;
  readonly readBufferSize?: number | undefined;
  readonly writeBufferSize?: number | undefined;
  readonly waitTimeout?: number | undefined;
  readonly maxRequest?: number | undefined;
  readonly maxBuffered?: number | undefined;
  readonly maxQueued?: number | undefined;
  readonly maxPerProcess?: number | undefined;
  readonly idleTimeout?: number | undefined;
  readonly replyTimeout?: number | undefined;
  readonly responderTimeout?: number | undefined;
  readonly access?: PipeAccess | undefined;
  readonly remote?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The functions among a server's options, whatever their types. */
export interface Hooks<Authorize, OnListen, OnDisconnect> {
  readonly authorize?: Authorize | undefined;
  readonly onListen?: OnListen | undefined;
  readonly onDisconnect?: OnDisconnect | undefined;
}

/** Options of a server, checked and complete. */
export interface ServerSettings {
  readonly path: string;
  readonly instances: number;
  readonly maxInstances: number;
  readonly readBufferSize: number;
  readonly writeBufferSize: number;
  readonly waitTimeout: number;
  readonly maxRequest: number;
  readonly maxBuffered: number;
  readonly maxQueued: number;
  readonly maxPerProcess: number;
  readonly idleTimeout: number;
  readonly replyTimeout: number;
  readonly responderTimeout: number;
  readonly access: PipeAccess;
  readonly remote: boolean;
  readonly signal: AbortSignal | undefined;
  /** Whether the server asks Windows about users, its own and its clients'. */
  readonly identifies: boolean;
}

/** Options of one call, before they are checked. */
export interface RawCallOptions {
  readonly timeout?: number | undefined;
  readonly missing?: "wait" | "fail" | undefined;
  readonly maxMessage?: number | undefined;
  readonly server?: "current-user" | { readonly sid: string } | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of a client, before they are checked. */
export interface RawClientOptions extends RawCallOptions {
  readonly path: string;
}

/** Options of a client, checked and complete. */
export interface ClientSettings {
  readonly path: string;
  readonly timeout: number;
  readonly missing: "wait" | "fail";
  readonly maxMessage: number;
  /** Who must own the pipe: this process's user, or the user with this SID; undefined: anybody. */
  readonly server: "current-user" | { readonly sid: string } | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Reads a server's options, each once, checks them and fills in the defaults. */
export function serverSettings<A, L, D>(
  options: RawServerOptions & Hooks<A, L, D>,
): Readonly<ServerSettings & Hooks<A, L, D>> {
  requireObject("options", options);
  const instances = integer("instances", options.instances, 1, 65_000, 4);
  const access = accessOf(options.access);
  const authorize = optionalFunction("authorize", options.authorize);
  return Object.freeze({
    path: serverPath(options.path),
    instances,
    maxInstances: maxInstancesOf(options.maxInstances, instances),
    readBufferSize: integer("readBufferSize", options.readBufferSize, 0, MAX_DWORD, 65_536),
    writeBufferSize: integer("writeBufferSize", options.writeBufferSize, 0, MAX_DWORD, 65_536),
    waitTimeout: integer("waitTimeout", options.waitTimeout, 1, MAX_DWORD - 1, 5_000),
    maxRequest: integer("maxRequest", options.maxRequest, 0, LONGEST_MESSAGE, 16 * MIB),
    maxBuffered: limit("maxBuffered", options.maxBuffered, 1, 256 * MIB),
    maxQueued: limit("maxQueued", options.maxQueued, 1, 16 * MIB),
    maxPerProcess: limit("maxPerProcess", options.maxPerProcess, 1),
    idleTimeout: limit("idleTimeout", options.idleTimeout, 1),
    replyTimeout: limit("replyTimeout", options.replyTimeout, 1, 30_000),
    responderTimeout: limit("responderTimeout", options.responderTimeout, 1),
    access,
    remote: remoteOf(options.remote, access),
    signal: abortSignal(options.signal),
    authorize,
    onListen: optionalFunction("onListen", options.onListen),
    onDisconnect: optionalFunction("onDisconnect", options.onDisconnect),
    identifies: access !== "system-default" || authorize !== undefined,
  });
}

/** Reads a client's options, each once, checks them and fills in the defaults. */
export function clientSettings(options: RawClientOptions): Readonly<ClientSettings> {
  requireObject("options", options);
  return callSettings(options.path, options);
}

/** {@linkcode clientSettings} where the name is not among the options. */
export function callSettings(path: string, options: RawCallOptions): Readonly<ClientSettings> {
  requireObject("options", options);
  const { missing = "wait" } = options;
  if (missing !== "wait" && missing !== "fail") {
    throw new TypeError(`Cannot use "missing": must be "wait" or "fail", was ${show(missing)}`);
  }
  return Object.freeze({
    path: clientPath(path),
    timeout: milliseconds("timeout", options.timeout, 5_000),
    missing,
    maxMessage: integer("maxMessage", options.maxMessage, 0, LONGEST_MESSAGE, 16 * MIB),
    server: ownerOf(options.server),
    signal: abortSignal(options.signal),
  });
}

function accessOf(access: unknown = "current-user"): PipeAccess {
  if (access === "current-user" || access === "local-users" || access === "system-default") {
    return access;
  }
  if (typeof access === "object" && access !== null && "sddl" in access) {
    const { sddl } = access;
    if (typeof sddl === "string" && sddl !== "" && !sddl.includes("\0")) {
      return Object.freeze({ sddl });
    }
    throw new TypeError(
      `Cannot use "access.sddl": must be a security descriptor, was ${show(sddl)}`,
    );
  }
  throw new TypeError(
    'Cannot use "access": must be "current-user", "local-users", "system-default" or { sddl }, ' +
      `was ${show(access)}`,
  );
}

function maxInstancesOf(value: number | undefined, instances: number): number {
  const most = limit("maxInstances", value, 1);
  if (most >= instances) return most;
  throw new RangeError(
    `Cannot use "maxInstances": must be at least "instances", which is ${instances}, was ${most}`,
  );
}

function remoteOf(remote: unknown, access: PipeAccess): boolean {
  if (remote === undefined || remote === false) return false;
  if (remote !== true) {
    throw new TypeError(`Cannot use "remote": must be a boolean, was ${show(remote)}`);
  }
  if (access === "local-users") {
    throw new TypeError(
      'Cannot use "remote": access "local-users" refuses clients of other machines',
    );
  }
  return true;
}

/** The shape of a SID; what Windows knows of it is another matter. */
const SID = /^S-1-(?:0x[0-9a-f]{12}|\d{1,10})(?:-\d{1,10}){1,15}$/i;

function ownerOf(server: unknown): ClientSettings["server"] {
  if (server === undefined || server === "current-user") return server;
  if (typeof server === "object" && server !== null && "sid" in server) {
    const { sid } = server;
    if (typeof sid === "string" && SID.test(sid)) {
      return Object.freeze({ sid: `S${sid.slice(1).toLowerCase()}` });
    }
    throw new TypeError(`Cannot use "server.sid": must be a SID, "S-1-…", was ${show(sid)}`);
  }
  throw new TypeError(
    `Cannot use "server": must be "current-user" or { sid }, was ${show(server)}`,
  );
}

/** Checks how many responders may work at once. */
export function concurrencyLimit(concurrency: number | undefined): number {
  return limit("concurrency", concurrency, 1);
}

/** Checks how long a shutdown waits, in milliseconds. */
export function shutdownTimeout(timeout: number | undefined): number {
  return milliseconds("timeout", timeout, SHUTDOWN_TIMEOUT);
}

/** Checks an abort signal. */
export function abortSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw new TypeError(`Cannot use "signal": must be an AbortSignal, was ${show(signal)}`);
}

/** Checks a function that a user hands over. */
export function requireFunction(name: string, value: unknown): void {
  if (typeof value === "function") return;
  throw new TypeError(`Cannot use "${name}": must be a function, was ${show(value)}`);
}

/** Checks a function that a user may hand over. */
export function optionalFunction<T>(name: string, value: T | undefined): T | undefined {
  if (value !== undefined) requireFunction(name, value);
  return value;
}

function requireObject(name: string, value: unknown): void {
  if (typeof value === "object" && value !== null) return;
  throw new TypeError(`Cannot use "${name}": must be an object, was ${show(value)}`);
}

function milliseconds(name: string, value: number | undefined, fallback: number): number {
  if (value === Infinity) return MAX_TIMEOUT;
  return Math.min(integer(name, value, 0, Number.MAX_SAFE_INTEGER, fallback), MAX_TIMEOUT);
}

/** An integer, or Infinity for no limit. */
function limit(
  name: string,
  value: number | undefined,
  min: number,
  fallback: number = Infinity,
): number {
  if (value === Infinity) return Infinity;
  return integer(name, value, min, Number.MAX_SAFE_INTEGER, fallback);
}

function integer(
  name: string,
  value: unknown,
  min: number,
  max: number,
  fallback?: number,
): number {
  if (value === undefined && fallback !== undefined) return fallback;
  if (typeof value !== "number") {
    throw new TypeError(`Cannot use "${name}": must be a number, was ${show(value)}`);
  }
  if (!Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
    throw new RangeError(`Cannot use "${name}": must be an integer ${range}, was ${value}`);
  }
  return value;
}

/** The full name of a pipe that a server can have: always one of this machine. */
function serverPath(path: unknown): string {
  const full = fullPath(path);
  if (full.startsWith(PREFIX)) return full;
  throw refusedPath(path, "a server can only listen on this machine");
}

/** The full name of a pipe that a client can open, on this machine or another. */
function clientPath(path: unknown): string {
  return fullPath(path);
}

function fullPath(path: unknown): string {
  if (typeof path !== "string") {
    throw new TypeError(`Cannot use "path": must be a string, was ${show(path)}`);
  }
  const [prefix, name] = splitPath(path);
  if (name === "") throw refusedPath(path, "the name is empty");
  if (name.includes("/")) throw refusedPath(path, "a name cannot contain a slash");
  if (name.includes("\0")) throw refusedPath(path, "a name cannot contain a NUL character");
  if (name.startsWith("\\")) throw refusedPath(path, "a name cannot start with a backslash");
  // Windows leaves these out, and ".." with what stands before it: even with "pipe", so that the
  // name would be that of a file, or of another machine.
  if (/[. ](\\|$)/.test(name)) {
    throw refusedPath(path, "no part of a name can end with a dot or a space");
  }
  const full = prefix + name;
  if (full.length > LONGEST_PATH) {
    throw refusedPath(path, `it is longer than ${LONGEST_PATH} characters`);
  }
  return full;
}

function splitPath(path: string): [prefix: string, name: string] {
  const [local] = LOCAL_PREFIX.exec(path) ?? [];
  if (local !== undefined) return [PREFIX, path.slice(local.length)];
  const [slashed] = SLASHED_PREFIX.exec(path) ?? [];
  if (slashed !== undefined) return [PREFIX, path.slice(slashed.length).replaceAll("/", "\\")];
  const [remote] = /^\\\\[^\\/.?][^\\/]*\\pipe\\/i.exec(path) ?? [];
  if (remote !== undefined) return [remote, path.slice(remote.length)];
  if (/^[\\/]/.test(path)) {
    throw refusedPath(path, `it must be a name, or start with ${PREFIX}`);
  }
  return [PREFIX, path];
}

function refusedPath(path: unknown, reason: string): TypeError {
  return new TypeError(`Cannot use "path" ${show(path)}: ${reason}`);
}

/** What was given instead of what was asked for, as text that never throws. */
export function show(value: unknown): string {
  if (typeof value === "string") return `"${value}"`;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (value === null || typeof value !== "object") return String(value);
  try {
    return Array.isArray(value) ? "an array" : "an object";
  } catch {
    // A proxy that was revoked.
    return "an object";
  }
}
