/**
 * QAQ: groups inside one token, codes centred on the group's mean, outliers kept exactly, and
 * optionally a width per group that follows from the attention it receives.
 *
 * Dong et al., "QAQ: Quality Adaptive Quantization for LLM KV Cache", arXiv 2403.04643;
 * ClubieDong/QAQ-KVCacheQuantization, src/quantizer.py.
 *
 * @module
 */
import type { Family, HookAnswers } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { QaqPackedCpu } from "./qaq_packed_cpu.ts";
import { QaqPackedGpu } from "./qaq_packed_gpu.ts";
import { qaqRange, type QaqSettings } from "./qaq_settings.ts";
import { sourcesOfPack } from "./qaq_sharing.ts";
import { CoupledStore } from "../../stores/coupled/coupled_store.ts";
import { placeName } from "../../setting_checks.ts";

/** The hooks that the family takes. */
type QaqHook =
  | "quantization_level"
  | "quantization_method"
  | "symmetric"
  | "outliers_ratio"
  | "use_attentions"
  | "last_n_attentions"
  | "target_quantization_error"
  | "q_norm"
  | "bit_range";

/** Groups that span heads have one width. */
function checkEqualWidths(answers: HookAnswers, level: QaqSettings["level"]): void {
  const { bits } = answers;
  const other = bits.findIndex((width) => width !== bits[0]);
  if (level === "head" || other < 0) return;
  throw new QuantizerError(
    `${placeName(answers)}: quantization_level "${level}" joins the heads, which were given ` +
      `${bits[0]} and ${bits[other]} bits; give them equal widths or use level "head"`,
  );
}

/**
 * The family `qaq`. Defaults of absent hooks are choices of this project from the grid of the
 * official experiments/grid_search.py: level "head", uniform method, 1% outliers, widths 2..4 under
 * attention, target error 3, query norm 300.
 *
 * The official code quantizes a whole cache once. Here a token is quantized when it leaves the
 * window, and its widths are those of that moment.
 */
export const qaq: Family<QaqSettings, QaqHook> = {
  name: "qaq",
  source: "arXiv 2403.04643; ClubieDong/QAQ-KVCacheQuantization@f8d47e0, src/quantizer.py",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: {
    quantization_level: { absent: "head", kept: ({ level }) => level },
    quantization_method: { absent: "uniform", kept: ({ method }) => method },
    symmetric: { absent: false },
    outliers_ratio: { absent: 0.01 },
    use_attentions: { absent: false },
    last_n_attentions: { absent: 1 },
    target_quantization_error: { absent: 3 },
    q_norm: { absent: 300 },
    bit_range: { absent: [2, 4] },
  },
  axes: { key: ["token"], value: ["token"], because: "groups the entries of one token" },

  resolve(answers): QaqSettings {
    const { quantizationLevel: level, quantizationMethod: method, useAttentions } = answers;
    const { targetQuantizationError, bitRange } = answers;
    if (useAttentions && method === "normal") {
      throw new QuantizerError(
        `${
          placeName(answers)
        }: widths by attention are defined for quantization_method "uniform" ` +
          `only, not "normal"`,
      );
    }
    if (useAttentions && !(targetQuantizationError > 0)) {
      throw new QuantizerError(
        `${placeName(answers)}: target_quantization_error is ${targetQuantizationError}; it must ` +
          `be above 0`,
      );
    }
    if (!useAttentions) checkEqualWidths(answers, level);
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      paramDtype: "f16",
      level,
      method,
      symmetric: answers.symmetric,
      outliersRatio: answers.outliersRatio,
      useAttentions,
      bitRange: [bitRange[0], bitRange[1]],
      lastNAttentions: answers.lastNAttentions,
      targetQuantizationError,
      qNorm: answers.qNorm,
      residualLength: answers.residualLength,
    };
  },

  needs: ({ useAttentions, kind }) => ({ queries: useAttentions && kind === "value" }),
  quantizedRange: qaqRange,
  couplesLayers: ({ level }) => level === "token",
  openCpu: (source, settings, tokens) =>
    new CoupledStore(
      source,
      settings,
      sourcesOfPack(source, settings),
      qaqRange,
      (sources) => new QaqPackedCpu(sources, settings, tokens),
    ),
  openGpu: (device, source, settings, tokens) =>
    new CoupledStore(
      source,
      settings,
      sourcesOfPack(source, settings),
      qaqRange,
      (sources) => new QaqPackedGpu(device, sources, settings, tokens),
    ),
};
