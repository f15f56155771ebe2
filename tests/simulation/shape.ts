/**
 * What the pipe of a history is like, for connections.
 *
 * @module
 */

import type { Framing } from "../../src/options/framing.ts";
import { contentLength } from "../../src/pipe/framing/content_length.ts";
import { lengthPrefixed } from "../../src/pipe/framing/length_prefixed.ts";
import { lines } from "../../src/pipe/framing/lines.ts";
import type { Random } from "./random.ts";

/** See the module. */
export interface Shape {
  readonly type: "message" | "byte";
  /** What the server does. */
  readonly direction: "both" | "read" | "write";
  readonly framing: Framing | undefined;
  /** Whether messages must not have line feeds. */
  readonly isLines: boolean;
  readonly halfClose: "none" | "empty-message";
}

export function someShape(random: Random): Shape {
  const type = random.chance(0.5) ? "message" : "byte";
  const kind = random.pick([...NONE, "lines", "lengthPrefixed", "contentLength"]);
  return {
    type,
    direction: random.pick(["both", "both", "both", "both", "both", "both", "read", "write"]),
    framing: FRAMINGS[kind]?.(random),
    isLines: kind === "lines",
    halfClose: type === "message" && random.chance(0.4) ? "empty-message" : "none",
  };
}

const NONE = ["none", "none", "none"] as const;

const FRAMINGS: Readonly<Record<string, (random: Random) => Framing>> = {
  lines: () => lines(),
  lengthPrefixed: (random) =>
    lengthPrefixed({ bytes: random.pick([4, 8]), littleEndian: random.chance(0.5) }),
  contentLength: () => contentLength(),
};

/** Whether the ends can have messages, and not only bytes. */
export function hasMessages({ type, framing }: Shape): boolean {
  return type === "message" || framing !== undefined;
}
