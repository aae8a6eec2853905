/**
 * Transform coding: vectors are turned into principal components that were learned offline, each
 * component is counted in whole steps of its own size, and the counts are entropy coded. Keys are
 * coded before RoPE, where they are far more alike, and rotated when they are restored.
 *
 * All KV heads of a token are transformed together, as far as `MOST_CHANNELS` allows, because heads
 * of one layer share much of what they hold. An error in a key is weighed by what the queries make of
 * it, so directions that queries never look into cost few bits. Steps are even and reach as far as
 * the alphabet does; beyond that a component escapes: a byte says how many steps further it is, or that
 * the number itself follows in half precision, so no code saturates. Axes, means, steps, levels and frequencies are constants of the model, like
 * KVQuant's codebooks.
 *
 * A code is at most as wide as `choose_bits` says, since the alphabet has no more symbols; what it
 * takes in the stream follows from how likely it is, and is far less on average. That average is an
 * expectation, and `most_bits` a promise: where the streams of the tokens so far would take more, the
 * next 16 tokens have steps as much coarser as it takes, and finer ones where bits were left over. Every
 * 16 tokens also say, for every eight components, by how much their frequencies are wider or narrower
 * than those that were learned: other texts than the samples fill the components otherwise.
 *
 * A family of this project. It combines what was found before: pre-RoPE keys and offline codebooks
 * (KVQuant, arXiv 2401.18079), rotation before low-bit codes (TurboQuant, arXiv 2504.19874), keys
 * corrected towards the queries' subspace (SQuat, arXiv 2503.24358) and classical transform coding
 * (Goyal, IEEE Signal Processing Magazine 18(5), 2001).
 *
 * KVTC (arXiv 2511.01815) is prior work of the same kind, and the family `kvtc`: pre-RoPE keys,
 * principal components, an offline choice of widths, entropy coding. What is different here: axes are
 * of one layer, and of what queries make of an error, not of the plain error of a group of layers;
 * steps are constants learned offline, where KVTC stores a range with every block of every token; each
 * component has alphabets of its own in an arithmetic code, where KVTC runs DEFLATE over all codes; 16
 * tokens can be decoded without the others; and what is stored has a bound. AQUA-KV (arXiv
 * 2501.19392, the family `aquakv`) predicts a layer from the one before; nothing is predicted here.
 * NOVA-KV (arXiv 2608.04074, the family `nova`) has the same metric for keys after RoPE, and codes groups
 * of components at one rate with learned codewords, where here each component has its own rate.
 *
 * @module
 */
import type { Family, FamilyAnswers, HookAnswers } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { checkOneWidth, placeName } from "../../setting_checks.ts";
import { alphabetSize } from "./component_codes.ts";
import { fitTransform, learnTransform } from "./transform_calibration.ts";
import { GROUP_TOKENS, LEAST_GROUP_BITS, transformRange } from "./transform_layout.ts";
import { transformNoise } from "./transform_noise.ts";
import type {
  ComponentStep,
  TransformLesson,
  TransformOptions,
  TransformSettings,
} from "./transform_settings.ts";
import { transformStatistics } from "./transform_statistics.ts";
import { TransformStoreCpu } from "./transform_store_cpu.ts";
import { TransformStoreGpu } from "./transform_store_gpu.ts";

/** The family `transform`. */
export const transform: Family<TransformSettings, "sink_tokens", TransformOptions> = {
  name: "transform",
  source: "this project; quant/families/transform/transform.ts",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: { sink_tokens: { absent: 0 } },
  options: {
    steps: {
      value: { is: "own", words: 'an array of numbers, "absent" or "exact"' },
      absentRule: "what `calibrate` returned, as `[layer][kind]`, else all alike",
      means: 'what becomes of each component: a step in standard deviations, `"absent"`, `"exact"`',
    },
    most_bits: {
      value: { is: "number", above: 0 },
      absentRule: "no bound",
      kept: ({ mostBits }) => mostBits,
      means:
        "bits an entry that streams take at most, at every length of the cache; where the steps " +
        "do not keep to it, 16 tokens have coarser ones, and where bits are left over finer ones",
    },
  },
  axes: { key: ["token"], value: ["token"], because: "codes whole tokens" },
  calibration: "always",
  takesLesson: true,
  entropyCoded: true,

  resolve(answers, { heads, headDim }): TransformSettings {
    checkOneWidth(this.name, answers);
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      paramDtype: "f32",
      heads,
      headDim,
      steps: stepsOf(answers, heads * headDim),
      ...mostBitsOf(answers, heads * headDim),
      residualLength: answers.residualLength,
      sinkTokens: answers.sinkTokens,
      calibrated: true,
    };
  },

  needs: ({ kind }) => kind === "key" ? { preRope: true } : {},
  quantizedRange: transformRange,
  calibrate: (samples, { layer, kind }) => learnTransform(samples, layer, kind),
  learnsBy: () => ({}),
  fit: fitTransform,
  noise: transformNoise,
  statistics: transformStatistics,
  openCpu: (source, settings) => new TransformStoreCpu(source, settings),
  openGpu: (device, source, settings, tokens) =>
    new TransformStoreGpu(device, source, settings, tokens),
};

/** The option `most_bits`, when a stream in which nothing is coded keeps to it. */
function mostBitsOf(
  answers: FamilyAnswers<"sink_tokens", TransformOptions>,
  count: number,
): { mostBits?: number } {
  const { most_bits: mostBits } = answers.options;
  if (mostBits === undefined) return {};
  const least = LEAST_GROUP_BITS / (GROUP_TOKENS * count);
  if (mostBits < least) {
    throw new QuantizerError(
      `${
        placeName(answers)
      }: option "most_bits" is ${mostBits}; expected at least ${least}, which ` +
        `${GROUP_TOKENS} tokens take in which nothing is coded`,
    );
  }
  return { mostBits };
}

/** Where a policy says nothing, alphabets reach three standard deviations to each side. */
const DEFAULT_REACH = 3;

/** The option `steps`; without it those of the policy's lesson; without a lesson all alike. */
function stepsOf(
  answers: FamilyAnswers<"sink_tokens", TransformOptions>,
  count: number,
): readonly ComponentStep[] {
  const { layer, kind, bits, options, lesson } = answers;
  if (options.steps !== undefined) {
    return checkedSteps(answers, 'option "steps"', options.steps, count);
  }
  if (lesson === undefined) {
    return new Array<number>(count).fill(2 * DEFAULT_REACH / (alphabetSize(bits[0]!) - 1));
  }
  // A lesson comes from the policy as it is.
  const steps: unknown = (lesson as TransformLesson | null)?.[layer]?.[kind];
  return checkedSteps(answers, "what calibrate returned for it", steps, count);
}

function checkedSteps(
  place: Pick<HookAnswers, "layer" | "kind">,
  what: string,
  given: unknown,
  count: number,
): readonly ComponentStep[] {
  if (!Array.isArray(given) || given.length !== count) {
    const got = Array.isArray(given) ? `${given.length} entries` : "no array";
    throw new QuantizerError(
      `${placeName(place)}: ${what} has ${got}; expected one step for each of ` +
        `${count} components`,
    );
  }
  given.forEach((step: unknown, i) => {
    if (step === "absent" || step === "exact") return;
    if (typeof step === "number" && Number.isFinite(step) && step > 0) return;
    throw new QuantizerError(
      `${placeName(place)}: ${what} is ${JSON.stringify(step)} at component ${i}; ` +
        `expected a positive number of standard deviations, "absent" or "exact"`,
    );
  });
  return given;
}
