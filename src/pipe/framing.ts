/** Placeholder until merged. @module */
export interface FrameDecoder {
  push(chunk: Uint8Array): Uint8Array<ArrayBuffer>[];
  end(): Uint8Array<ArrayBuffer>[];
}
export interface Framing {
  encode(message: Uint8Array): Uint8Array;
  decoder(max: number): FrameDecoder;
}
export class FrameTooLong extends Deno.errors.InvalidData {}
