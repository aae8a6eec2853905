/**
 * llama.cpp's cache, which is also that of Ollama and LM Studio: rows of one head of one token in a
 * type of ggml, which is chosen for keys and values apart (`--cache-type-k`, `--cache-type-v`).
 *
 * Where the type is quantized, llama.cpp rotates keys, queries and values by a Hadamard matrix before
 * they are stored, and the result of attention back (ggml-org/llama.cpp#21038). That is the same as a
 * cache of unrotated vectors that are rotated to be stored and back to be read, which is what is done
 * here.
 *
 * @module
 */
import type { Family, HookAnswers, KvKind } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { checkOneWidth, placeName } from "../../setting_checks.ts";
import {
  rowAxes,
  rowFamily,
  rowSettings,
  type WindowedRowSettings,
} from "../../stores/row/row_family.ts";
import arithmetic from "./ggml.wgsl" with { type: "text" };
import { GGML_TYPES, type GgmlTypeName } from "./ggml_types.ts";

/** Settings of one layer and kind under `ggml`. */
export interface GgmlSettings extends WindowedRowSettings {
  readonly type: GgmlTypeName;
  /** Whether rows are rotated where llama.cpp rotates them. */
  readonly rotate: boolean;
  /** Channels that a Hadamard matrix mixes; 1 where nothing is rotated. */
  readonly rotation: number;
}

/** The family's options. */
export interface GgmlOptions {
  /** The type; by default the plain one of its width. */
  readonly type?: GgmlTypeName;
  /** Whether rows are rotated, as llama.cpp does unless `LLAMA_ATTN_ROT_DISABLE` is set. */
  readonly rotate: boolean;
}

const TYPE_NAMES = Object.keys(GGML_TYPES) as readonly GgmlTypeName[];

/** The types that a width means when no option names one. */
const PLAIN: Readonly<Record<number, GgmlTypeName>> = {
  16: "f16",
  8: "q8_0",
  5: "q5_0",
  4: "q4_0",
};

/** Least number of channels that are rotated together. */
const LEAST_ROTATION = 64;

/** Channels that are rotated together: of keys the largest power of two that divides them. */
function rotationOf(kind: KvKind, headDim: number): number {
  if (headDim % LEAST_ROTATION !== 0) return 1;
  let rotation = LEAST_ROTATION;
  while (kind === "key" && headDim % (2 * rotation) === 0) rotation *= 2;
  return rotation;
}

function typeOf(answers: HookAnswers, named: GgmlTypeName | undefined): GgmlTypeName {
  const bits = answers.bits[0]!;
  const type = named ?? PLAIN[bits]!;
  if (GGML_TYPES[type].bits !== bits) {
    throw new QuantizerError(
      `${placeName(answers)}: codes of ${type} have ${
        GGML_TYPES[type].bits
      } bits, but choose_bits ` +
        `is ${bits}; give both alike`,
    );
  }
  return type;
}

/**
 * The family `ggml`. Option `type` names the type, which by default is the plain one of its width
 * (`q4_0`, `q5_0`, `q8_0`, `f16`); option `rotate`, by default true, says whether rows are rotated:
 * when the type is quantized and 64 divides the channels of a head, as llama.cpp has it. A
 * `residual_length` is an extension of this project.
 */
export const ggml: Family<GgmlSettings, never, GgmlOptions> = {
  name: "ggml",
  source: "ggml-org/llama.cpp, ggml/src/ggml-quants.c, src/llama-kv-cache.cpp, #21038",
  widths: [4, 5, 8, 16],
  options: {
    type: {
      value: { is: "one of", names: TYPE_NAMES },
      absentRule: "q4_0, q5_0, q8_0 or f16, by the width",
      means: "type of ggml that rows are stored in",
    },
    rotate: {
      value: { is: "boolean" },
      absent: true,
      means: "whether quantized rows are rotated by a Hadamard matrix",
    },
  },
  axes: rowAxes,

  resolve(answers, { headDim }): GgmlSettings {
    checkOneWidth(this.name, answers);
    const type = typeOf(answers, answers.options.type);
    const { block = 1 } = GGML_TYPES[type];
    if (headDim % block !== 0) {
      throw new QuantizerError(
        `${
          placeName(answers)
        }: blocks of ${block} entries of ${type} do not divide the ${headDim} ` +
          `channels of a head; llama.cpp refuses this, too: choose f16 or bf16`,
      );
    }
    const { rotate } = answers.options;
    return {
      ...rowSettings(this.name, answers, "f16", headDim),
      type,
      rotate,
      rotation: rotate && block > 1 ? rotationOf(answers.kind, headDim) : 1,
    };
  },

  ...rowFamily(({ type, headDim, rotation }) => {
    const { block = headDim, bits, numbers, codeOrder, arithmetic } = GGML_TYPES[type];
    return {
      blockEntries: block,
      codeBits: bits,
      parameterBits: new Array<number>(numbers).fill(16),
      place: "together",
      codeOrder,
      rotation,
      arithmetic,
    };
  }, ({ family, type }) => ({
    name: family,
    arithmetic,
    constants: { ggml_type: GGML_TYPES[type].number },
  })),
};
