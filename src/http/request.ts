/**
 * Makes a `Request` of what `node:http` has received.
 *
 * @module
 */

import type { IncomingMessage } from "node:http";

/** A host with or without a port, and nothing that would become another part of a URL. */
const HOST = /^(?:[\w.~!$&'()*+,;=%-]+|\[[\da-fA-F:.]+\])(?::\d*)?$/;

/** Methods that no `Request` can have. */
const FORBIDDEN: readonly string[] = ["CONNECT", "TRACE", "TRACK"];

/** Why a request cannot be given to a handler. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/** What a handler may be asked. */
export interface Target {
  readonly url: string;
  /** The bytes of the body that follows the head; undefined if it comes in chunks. */
  readonly length: number | undefined;
}

/** Checks what `node:http` leaves unchecked, and finds the URL. */
export function targetOf(incoming: IncomingMessage, maxBodySize: number): Target | Refusal {
  const { headers, httpVersion, method = "GET" } = incoming;
  if (FORBIDDEN.includes(method)) return refusal(405, "the method is not allowed");
  const encoding = headers["transfer-encoding"];
  if (encoding !== undefined) {
    if (encoding.toLowerCase() !== "chunked") return refusal(501, "unknown Transfer-Encoding");
    if (httpVersion === "1.0") return refusal(400, "Transfer-Encoding in HTTP/1.0");
  }
  const url = urlOf(incoming);
  if (url === undefined) return refusal(400, "bad host or path");
  const length = Number(headers["content-length"] ?? 0);
  if (length > maxBodySize) return refusal(413, `longer than ${maxBodySize} bytes`);
  return { url, length: encoding === undefined ? length : undefined };
}

/** The headers as they came, in a form that `Headers` and `Request` take. */
export function headersOf({ rawHeaders }: IncomingMessage): [name: string, value: string][] {
  const headers: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.push([rawHeaders[i] ?? "", rawHeaders[i + 1] ?? ""]);
  }
  return headers;
}

function refusal(status: number, reason: string): Refusal {
  return { status, reason };
}

function urlOf({ url = "", httpVersion, rawHeaders }: IncomingMessage): string | undefined {
  const hosts = rawHeaders.filter((_, i) => i % 2 === 1 && isHost(rawHeaders[i - 1]));
  if (hosts.length > 1 || hosts.length === 0 && httpVersion !== "1.0") return undefined;
  const [host = ""] = hosts;
  if (host !== "" && !HOST.test(host)) return undefined;
  // A request to a proxy names the whole URL.
  if (/^http:\/\//i.test(url)) return checked(url);
  if (url.startsWith("/")) return checked(`http://${host || "localhost"}${url}`);
  return undefined;
}

function isHost(name = ""): boolean {
  return name.length === 4 && name.toLowerCase() === "host";
}

function checked(text: string): string | undefined {
  const url = URL.parse(text);
  return url === null || url.username !== "" || url.password !== "" ? undefined : url.href;
}
