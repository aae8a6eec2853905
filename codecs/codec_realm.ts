// deno-lint-ignore-file error-law/class -- its text runs where there are no classes of ours
/**
 * What runs in the same realm as a codec: it cuts questions into calls, and what they return into
 * replies. Nothing here is trusted by the evaluator.
 *
 * A question is its text in ASCII, or four bytes of which the first says whether the realm is made
 * afresh, four of the length of a JSON text, that text, filled up to a multiple of four, and the
 * tensors or bytes that the text speaks of. A reply is text, or four zero bytes and what was asked for.
 *
 * @module
 */
import type { fieldForMethod, methodsOf } from "../policies/methods.ts";
import type { exportProblem, policyOf } from "../sandbox/default_export.ts";
import type { describeThrown, sealRealm } from "../sandbox/realm_seal.ts";
import type { encodeValue } from "../sandbox/reply_value.ts";
import type { RealmGuest } from "../sandbox/worker_main.ts";
import type { KvKind } from "../quant/family.ts";
import type { Codec, CodecModel, CodecSamples } from "./codec.ts";

/** What the realm's code is given; all of it comes as text from this project. */
export interface CodecRealmParts {
  readonly seal: typeof sealRealm;
  readonly describe: typeof describeThrown;
  readonly encode: typeof encodeValue;
  readonly exportProblem: typeof exportProblem;
  readonly policyOf: typeof policyOf;
  readonly methodsOf: typeof methodsOf;
  readonly fieldForMethod: typeof fieldForMethod;
  /** Most methods that are told, and most letters of a name. */
  readonly mostMethods: number;
  readonly optional: readonly ("blocks" | "calibrate" | "reset" | "observe")[];
  readonly kinds: readonly KvKind[];
  /** Global names that stay. */
  readonly globals: readonly string[];
}

/** Sizes of the model, and how many bytes of lesson and of WebAssembly follow. */
export interface ResetQuestion {
  readonly ask: "reset";
  readonly model: Omit<CodecModel, "wasm">;
  readonly lesson: number;
  /** Negative where there is no such file. */
  readonly wasm: number;
}

/** A question, as it is sent. */
export type CodecQuestion =
  | { readonly ask: "start" }
  | ResetQuestion
  | (Omit<ResetQuestion, "ask"> & {
    readonly ask: "calibrate";
    /** Keys and values of each layer follow, `[kv_heads, tokens, head_dim]` each, then the others. */
    readonly tokens: number;
  })
  | {
    readonly ask: "observe";
    readonly layer: number;
    readonly tokens: number;
    /** Entries of queries, keys, values and scores, which follow in this order. */
    readonly entries: readonly [number, number, number, number];
  }
  | BlocksQuestion;

/** Blocks to encode or to decode. */
export interface BlocksQuestion {
  readonly ask: "encode" | "decode";
  readonly heads: number;
  readonly headDim: number;
  /**
   * `[layer, kind, first token, tokens of a block, blocks]`. To encode, the tensors follow; to
   * decode, the bytes of every block in 32 bits each, and then the blocks.
   */
  readonly runs: readonly (readonly [number, number, number, number, number])[];
}

/** What a codec has. */
export interface CodecStarted {
  readonly missing?: string;
  /** What stands where a method may be, and is none. */
  readonly field?: string;
  readonly methods: readonly string[];
}

/** Prepares the realm and returns what runs a codec in it. Refers to nothing outside itself. */
export function codecRealm(
  parts: CodecRealmParts,
): (exports: { readonly default?: unknown }) => RealmGuest {
  const { parse, stringify } = JSON;
  const { fromCharCode } = String;
  const HEADER = 8;
  const HEADER_OF_REPLY = 4;
  parts.seal(parts.globals);

  return (exports) => {
    let room = new Uint8Array(0);
    /** Whether the codec was given views of it, which may be all that it keeps of a block. */
    let given = false;
    /** Memory of replies with blocks, and where what is in it ends. */
    let memory = new Uint8Array(0);
    let restored = new Float32Array(0);
    let end = 0;
    let reply: string | Uint8Array | undefined;
    let codec: Codec | undefined;
    /** The call that the codec is in, for the sentence that says where it threw. */
    let call = "";

    function threw(error: unknown): void {
      reply = `T${stringify([call, parts.describe(error)])}`;
    }

    function answer(value: unknown): void {
      try {
        reply = `A${stringify(parts.encode(value))}`;
      } catch (error) {
        threw(error);
      }
    }

    function start(): void {
      const problem = parts.exportProblem(exports.default);
      if (problem !== undefined) {
        reply = `L${problem}`;
        return;
      }
      call = "Its constructor";
      const real = codec = parts.policyOf(exports.default) as Codec;
      const has = (name: string) => typeof real[name as keyof Codec] === "function";
      const missing = ["encode", "decode"].find((name) => !has(name));
      const field = parts.fieldForMethod(real, parts.optional);
      answer({
        ...(missing === undefined ? {} : { missing }),
        ...(field === undefined ? {} : { field }),
        methods: parts.methodsOf(real, parts.mostMethods),
      });
    }

    /** A view of what follows the text of the question; `at` moves on. */
    function following(at: { byte: number }, bytes: number): Uint8Array<ArrayBuffer> {
      const view = new Uint8Array(room.buffer, at.byte, bytes);
      at.byte += bytes;
      return view;
    }

    function floats(at: { byte: number }, entries: number): Float32Array<ArrayBuffer> {
      const view = new Float32Array(room.buffer, at.byte, entries);
      at.byte += 4 * entries;
      return view;
    }

    function modelOf(
      { model, lesson, wasm }: Pick<ResetQuestion, "model" | "lesson" | "wasm">,
      at: { byte: number },
    ) {
      const taught = following(at, lesson);
      const given = wasm < 0 ? {} : { wasm: following(at, wasm) };
      return { lesson: taught, model: { ...model, ...given } };
    }

    function reset(question: ResetQuestion, at: { byte: number }): void {
      const { model, lesson } = modelOf(question, at);
      call = "reset()";
      const done = () => {
        call = "blocks()";
        answer(codec!.blocks === undefined ? [] : parts.kinds.map((kind) => codec!.blocks!(kind)));
      };
      const begun: unknown = codec!.reset?.(model, lesson);
      if (begun === undefined) done();
      else Promise.resolve(begun).then(done).catch(threw);
    }

    function checkBytes(value: unknown): Uint8Array {
      if (value instanceof Uint8Array) return value;
      throw new TypeError(`It returned ${named(value)}; expected a Uint8Array`);
    }

    function named(value: unknown): string {
      if (value === null || value === undefined) return `${value}`;
      if (typeof value !== "object") return `a ${typeof value}`;
      const name = `${Object.getPrototypeOf(value)?.constructor?.name ?? "object"}`;
      return `${/^[aeio]/i.test(name) ? "an" : "a"} ${name}`;
    }

    function calibrate(question: CodecQuestion & { ask: "calibrate" }, at: { byte: number }): void {
      const { tokens, model: { kv_heads, head_dim, layers } } = question;
      const entries = kv_heads * tokens * head_dim;
      const samples: CodecSamples[] = [];
      for (let layer = 0; layer < layers; layer++) {
        samples.push({ tokens, keys: floats(at, entries), values: floats(at, entries) });
      }
      const { model } = modelOf(question, at);
      call = "calibrate()";
      Promise.resolve(codec!.calibrate!(samples, model))
        .then((lesson) => {
          const bytes = checkBytes(lesson);
          const all = new Uint8Array(HEADER_OF_REPLY + bytes.length);
          all.set(bytes, HEADER_OF_REPLY);
          reply = all;
        })
        .catch(threw);
    }

    function makeRoom(bytes: number): void {
      if (bytes <= memory.length) return;
      const more = new Uint8Array(4 * Math.ceil(bytes / 4));
      more.set(memory.subarray(0, end));
      memory = more;
      restored = new Float32Array(more.buffer);
    }

    function encode({ runs, heads, headDim }: BlocksQuestion, at: { byte: number }): void {
      let blocks = 0;
      for (let r = 0; r < runs.length; r++) blocks += runs[r]![4];
      const lengths = new Uint32Array(blocks);
      let block = 0;
      end = HEADER_OF_REPLY + 4 * blocks;
      // Most codecs need less than the tensors; one that needs more gets more.
      makeRoom(end + room.length);
      for (let r = 0; r < runs.length; r++) {
        const [layer, kind, from, tokens, count] = runs[r]!;
        const name = parts.kinds[kind]!;
        call = `encode(${layer}, "${name}")`;
        for (let b = 0; b < count; b++) {
          const data = floats(at, heads * tokens * headDim);
          const first = from + b * tokens;
          const bytes = checkBytes(
            codec!.encode(layer, name, { first, tokens, heads, headDim, data }),
          );
          if (end + bytes.length > memory.length) makeRoom(2 * (end + bytes.length));
          // A copy: the codec may write its next block where it wrote this one.
          memory.set(bytes, end);
          end += bytes.length;
          lengths[block++] = bytes.length;
        }
      }
      memory.set(new Uint8Array(lengths.buffer), HEADER_OF_REPLY);
      reply = memory.subarray(0, end);
    }

    function decode({ runs, heads, headDim }: BlocksQuestion, at: { byte: number }): void {
      let [blocks, entries] = [0, 0];
      for (let r = 0; r < runs.length; r++) {
        blocks += runs[r]![4];
        entries += runs[r]![3] * runs[r]![4] * heads * headDim;
      }
      const lengths = new Uint32Array(room.buffer, at.byte, blocks);
      at.byte += 4 * blocks;
      let block = 0;
      end = HEADER_OF_REPLY;
      makeRoom(end + 4 * entries);
      for (let r = 0; r < runs.length; r++) {
        const [layer, kind, from, tokens, count] = runs[r]!;
        const name = parts.kinds[kind]!;
        call = `decode(${layer}, "${name}")`;
        const expected = heads * tokens * headDim;
        for (let b = 0; b < count; b++) {
          // A copy, so that typed arrays of any width fit over it.
          const bytes = room.slice(at.byte, at.byte += lengths[block++]!);
          const place = { first: from + b * tokens, tokens, heads, headDim };
          const values: unknown = codec!.decode(layer, name, bytes, place);
          if (!(values instanceof Float32Array)) {
            throw new TypeError(`It returned ${named(values)}; expected a Float32Array`);
          }
          if (values.length !== expected) {
            throw new TypeError(`It returned ${values.length} entries; expected ${expected}`);
          }
          restored.set(values, end / 4);
          end += 4 * expected;
        }
      }
      reply = memory.subarray(0, end);
    }

    function text(from: number, to: number): string {
      let all = "";
      for (let i = from; i < to; i += 4096) {
        all += fromCharCode(...room.subarray(i, Math.min(to, i + 4096)));
      }
      return all;
    }

    function ask(): void {
      if (room[0] === 123) return start();
      if (codec === undefined) start();
      if (typeof reply === "string" && reply[0] !== "A") return;
      reply = undefined;
      const length = new DataView(room.buffer).getUint32(4, true);
      const question = parse(text(HEADER, HEADER + length)) as CodecQuestion;
      const at = { byte: HEADER + 4 * Math.ceil(length / 4) };
      given = question.ask !== "decode";
      if (question.ask === "reset") reset(question, at);
      else if (question.ask === "calibrate") calibrate(question, at);
      else if (question.ask === "encode") encode(question, at);
      else if (question.ask === "decode") decode(question, at);
      else if (question.ask === "observe") {
        const { layer, tokens, entries: [q, k, v, s] } = question;
        call = `observe(${layer})`;
        const seen: unknown = codec!.observe!(layer, {
          tokens,
          queries: floats(at, q),
          keys: floats(at, k),
          values: floats(at, v),
          scores: floats(at, s),
        });
        Promise.resolve(seen).then(() => answer(null)).catch(threw);
      }
    }

    return {
      room(bytes) {
        if (given || bytes > room.length) room = new Uint8Array(bytes);
        given = false;
        return room;
      },
      put() {
        reply = undefined;
        call = "";
        try {
          ask();
        } catch (error) {
          threw(error);
        }
      },
      take: () => reply,
    };
  };
}
