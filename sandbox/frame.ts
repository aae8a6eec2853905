// deno-lint-ignore-file error-law/class -- its text runs in processes that have no classes of ours
/**
 * The messages between the evaluator and the sandbox's process: a header of 32 bytes and a body.
 *
 * | bytes | meaning |
 * | --- | --- |
 * | 0..3 | the letters `KVRP` |
 * | 4 | version of the protocol |
 * | 5 | kind of message |
 * | 6..7 | zero |
 * | 8..11 | sequence number of the question, little endian |
 * | 12..15 | bytes of the body, little endian |
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
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Writes messages and finds them again in a stream of bytes. */
export interface FrameCodec {
  /** Bytes of a header. */
  readonly headerBytes: number;
  /**
   * @param body of the message, or its beginning
   * @param more bytes of it that follow by themselves
   */
  encode(
    kind: number,
    seq: number,
    nonce: Uint8Array,
    body: Uint8Array,
    more?: number,
  ): Uint8Array<ArrayBuffer>;
  /** Writes the header of a body of so many bytes to the beginning of `into`. */
  head(into: Uint8Array, kind: number, seq: number, nonce: Uint8Array, length: number): void;
  /**
   * @param nonce what every message must carry; undefined accepts any
   * @param mostBytes longest body that is accepted
   * @param room memory for a body; absent for memory of its own
   */
  reader(
    nonce: Uint8Array | undefined,
    mostBytes: number,
    room?: (bytes: number) => Uint8Array<ArrayBuffer>,
  ): FrameReader;
}

/** Collects bytes until messages are whole. */
export interface FrameReader {
  /**
   * Takes the next bytes of the stream and returns the messages that they complete.
   * @throws {Error} for bytes that no message can begin with
   */
  push(bytes: Uint8Array): Frame[];
  /** Where the next bytes of a message belong: the rest of its header or of its body. */
  space(): Uint8Array;
  /**
   * Takes as many bytes as were written there, and returns the message that they complete.
   * @throws {Error} for bytes that no message can begin with
   */
  filled(bytes: number): Frame | undefined;
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
 * const bytes = codec.encode(FRAME_KINDS.reply, 3, nonce, Uint8Array.of(1, 2));
 * const reader = codec.reader(nonce, 100);
 * assertEquals(reader.push(bytes.subarray(0, 20)), []);
 * assertEquals(reader.push(bytes.subarray(20)), [{ kind: 3, seq: 3, body: Uint8Array.of(1, 2) }]);
 * assertThrows(() => reader.push(new TextEncoder().encode("TEST_METRICS: ".repeat(3))));
 * ```
 */
export function frameCodec(): FrameCodec {
  const LETTERS = [0x4b, 0x56, 0x52, 0x50];
  const VERSION = 1;
  const HEADER = 32;
  const NONCE = 16;

  function head(
    into: Uint8Array,
    kind: number,
    seq: number,
    nonce: Uint8Array,
    length: number,
  ): void {
    into.fill(0, 0, NONCE);
    into.set(LETTERS);
    into[4] = VERSION;
    into[5] = kind;
    const view = new DataView(into.buffer, into.byteOffset);
    view.setUint32(8, seq, true);
    view.setUint32(12, length, true);
    into.set(nonce, NONCE);
  }

  function encode(
    kind: number,
    seq: number,
    nonce: Uint8Array,
    body: Uint8Array,
    more = 0,
  ): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(HEADER + body.length);
    head(bytes, kind, seq, nonce, body.length + more);
    bytes.set(body, HEADER);
    return bytes;
  }

  function reader(
    nonce: Uint8Array | undefined,
    mostBytes: number,
    room: (bytes: number) => Uint8Array<ArrayBuffer> = (bytes) => new Uint8Array(bytes),
  ): FrameReader {
    const head = new Uint8Array(HEADER);
    /** Bytes of the message that have arrived: of its header, then of its body. */
    let arrived = 0;
    let body: Uint8Array<ArrayBuffer> | undefined;

    /** Length of the message's body; the header is checked as far as it has arrived. */
    function bodyLength(): number | undefined {
      const fixed = [...LETTERS, VERSION];
      if (fixed.some((byte, i) => i < arrived && head[i] !== byte)) {
        // deno-lint-ignore error-law/value -- what a policy's process sends is not repeated
        throw new Error("Bytes that are no message");
      }
      if (arrived < HEADER) return undefined;
      if (nonce !== undefined && nonce.some((byte, i) => head[NONCE + i] !== byte)) {
        // deno-lint-ignore error-law/value -- a nonce is a secret
        throw new Error("A message without the nonce of this run");
      }
      const bytes = new DataView(head.buffer).getUint32(12, true);
      if (bytes > mostBytes) {
        throw new Error(`A message of ${bytes} bytes, where at most ${mostBytes} are allowed`);
      }
      return bytes;
    }

    function space(): Uint8Array {
      return (body ?? head).subarray(arrived);
    }

    function filled(bytes: number): Frame | undefined {
      arrived += bytes;
      if (body === undefined) {
        const length = bodyLength();
        if (length === undefined) return undefined;
        body = room(length);
        arrived = 0;
      }
      if (arrived < body.length) return undefined;
      const seq = new DataView(head.buffer).getUint32(8, true);
      const frame = { kind: head[5]!, seq, body };
      body = undefined;
      arrived = 0;
      return frame;
    }

    function push(bytes: Uint8Array): Frame[] {
      const frames: Frame[] = [];
      for (let at = 0; at < bytes.length;) {
        const into = space();
        const piece = bytes.subarray(at, at + into.length);
        into.set(piece);
        at += piece.length;
        const frame = filled(piece.length);
        if (frame !== undefined) frames.push(frame);
      }
      return frames;
    }

    return { push, space, filled };
  }

  return { headerBytes: HEADER, encode, head, reader };
}
