// deno-lint-ignore-file error-law/class -- its text runs in processes that have no classes of ours
/**
 * The messages between the evaluator and the sandbox's process: a header of 32 bytes and JSON text.
 *
 * | bytes | meaning |
 * | --- | --- |
 * | 0..3 | the letters `KVRP` |
 * | 4 | version of the protocol |
 * | 5 | kind of message |
 * | 6..7 | zero |
 * | 8..11 | sequence number of the question, little endian |
 * | 12..15 | bytes of text that follow, little endian |
 * | 16..31 | the nonce of the run in messages of the sandbox, zero in messages to it |
 *
 * The nonce is told to the sandbox's process in its first message and to nobody else: bytes that a
 * policy might get onto the process's standard output cannot pass for a message.
 *
 * @module
 */

/** Kinds of message, by number. */
export const FRAME_KINDS = {
  /** To the sandbox, first of all: the policy's text, the nonce, the limits. */
  hello: 1,
  /** To the sandbox: a question. */
  ask: 2,
  /** From the sandbox: what the policy's realm replied, unread. */
  reply: 3,
  /** From the sandbox, its last words: the limit that the policy exceeded, or how it broke. */
  end: 4,
} as const;

/** One message. */
export interface Frame {
  readonly kind: number;
  readonly seq: number;
  readonly text: string;
}

/** Writes messages and finds them again in a stream of bytes. */
export interface FrameCodec {
  encode(kind: number, seq: number, nonce: Uint8Array, text: string): Uint8Array;
  /**
   * @param nonce what every message must carry; undefined accepts any
   * @param mostBytes longest text that is accepted
   */
  reader(nonce: Uint8Array | undefined, mostBytes: number): FrameReader;
}

/** Collects bytes until messages are whole. */
export interface FrameReader {
  /**
   * Takes the next bytes of the stream and returns the messages that they complete.
   * @throws {Error} for bytes that no message can begin with
   */
  push(bytes: Uint8Array): Frame[];
}

/**
 * The codec. Refers to nothing outside itself: its text also runs in the sandbox's process.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { FRAME_KINDS, frameCodec } from "./frame.ts";
 *
 * const codec = frameCodec();
 * const nonce = new Uint8Array(16).fill(7);
 * const bytes = codec.encode(FRAME_KINDS.reply, 3, nonce, "{}");
 * const reader = codec.reader(nonce, 100);
 * assertEquals(reader.push(bytes.subarray(0, 20)), []);
 * assertEquals(reader.push(bytes.subarray(20)), [{ kind: 3, seq: 3, text: "{}" }]);
 * assertThrows(() => reader.push(new TextEncoder().encode("TEST_METRICS: ".repeat(3))));
 * ```
 */
export function frameCodec(): FrameCodec {
  const LETTERS = [0x4b, 0x56, 0x52, 0x50];
  const VERSION = 1;
  const HEADER = 32;
  const NONCE = 16;
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true });

  function encode(kind: number, seq: number, nonce: Uint8Array, text: string): Uint8Array {
    const body = encoder.encode(text);
    const bytes = new Uint8Array(HEADER + body.length);
    bytes.set(LETTERS);
    bytes[4] = VERSION;
    bytes[5] = kind;
    const view = new DataView(bytes.buffer);
    view.setUint32(8, seq, true);
    view.setUint32(12, body.length, true);
    bytes.set(nonce, NONCE);
    bytes.set(body, HEADER);
    return bytes;
  }

  function reader(nonce: Uint8Array | undefined, mostBytes: number): FrameReader {
    let held = new Uint8Array(4096);
    let length = 0;

    function take(bytes: Uint8Array) {
      if (length + bytes.length > held.length) {
        const larger = new Uint8Array(Math.max(2 * held.length, length + bytes.length));
        larger.set(held.subarray(0, length));
        held = larger;
      }
      held.set(bytes, length);
      length += bytes.length;
    }

    /** Length of the first message's text; the header is checked as far as it has arrived. */
    function bodyLength(): number | undefined {
      const head = held.subarray(0, Math.min(length, HEADER));
      const fixed = [...LETTERS, VERSION];
      if (fixed.some((byte, i) => i < head.length && head[i] !== byte)) {
        // deno-lint-ignore error-law/value -- what a policy's process sends is not repeated
        throw new Error("Bytes that are no message");
      }
      if (head.length < HEADER) return undefined;
      if (nonce !== undefined && nonce.some((byte, i) => head[NONCE + i] !== byte)) {
        // deno-lint-ignore error-law/value -- a nonce is a secret
        throw new Error("A message without the nonce of this run");
      }
      const bytes = new DataView(held.buffer).getUint32(12, true);
      if (bytes > mostBytes) {
        throw new Error(`A message of ${bytes} bytes, where at most ${mostBytes} are allowed`);
      }
      return bytes;
    }

    function push(bytes: Uint8Array): Frame[] {
      take(bytes);
      const frames: Frame[] = [];
      for (;;) {
        const size = bodyLength();
        if (size === undefined || length < HEADER + size) return frames;
        frames.push({
          kind: held[5]!,
          seq: new DataView(held.buffer).getUint32(8, true),
          text: decoder.decode(held.subarray(HEADER, HEADER + size)),
        });
        held.copyWithin(0, HEADER + size, length);
        length -= HEADER + size;
        if (length === 0) return frames;
      }
    }

    return { push };
  }

  return { encode, reader };
}
