/**
 * NOVA-KV: keys go through a transform that is not orthogonal, in which squared errors are those of the
 * logits, and four components at a time through a vector quantizer; values through a rotation and codes
 * of two bits between their extremes, the largest clipped. The first 64 and the last 256 tokens stay
 * exact in the policy.
 *
 * "Spend Bits Where Queries Look: Attention-Aware KV-Cache Quantization", arXiv 2608.04074;
 * Amir-zsh/nova-kv@d81c77b, python/sglang/srt/mem_cache/vq_codebook.py (keys) and
 * python/sglang/QuantKernel/oscar_rotation_clip_int2_kv.py (values), with the settings of
 * scripts/serve_method.sh and scales in 16 bits, which is what its 2.22 bits an entry are counted with.
 *
 * @module
 */
import type { Family } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { checkOneWidth, placeName } from "../../setting_checks.ts";
import { learnNova } from "./nova_calibration.ts";
import { type NovaOptions, novaRange, type NovaSettings } from "./nova_settings.ts";
import { NovaStoreCpu } from "./nova_store_cpu.ts";
import { NovaStoreGpu } from "./nova_store_gpu.ts";

/** The family `nova`. */
export const nova: Family<NovaSettings, "sink_tokens", NovaOptions> = {
  name: "nova",
  source: "arXiv 2608.04074; Amir-zsh/nova-kv@d81c77b, calibration/fit_vq_codebook.py",
  widths: [2],
  hooks: { sink_tokens: { absent: 0 } },
  options: {
    value_clip: {
      value: { is: "number", above: 0, most: 1 },
      absent: 0.92,
      kept: ({ valueClip }) => valueClip,
      means: "share of a value's components that are not clipped, to the largest of them",
    },
  },
  axes: { key: ["token"], value: ["token"], because: "codes whole tokens" },
  calibration: "always",

  resolve(answers, { heads, headDim }): NovaSettings {
    checkOneWidth(this.name, answers);
    if (headDim < 16 || (headDim & headDim - 1) !== 0) {
      throw new QuantizerError(
        `${placeName(answers)}: family "nova" rotates heads by a Hadamard matrix, but they have ` +
          `${headDim} channels; expected a power of two from 16 on`,
      );
    }
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      paramDtype: "f16",
      heads,
      headDim,
      valueClip: answers.options.value_clip,
      residualLength: answers.residualLength,
      sinkTokens: answers.sinkTokens,
      calibrated: true,
    };
  },

  needs: () => ({}),
  quantizedRange: novaRange,
  calibrate: learnNova,
  learnsBy: ({ sinkTokens }) => ({ sinkTokens }),
  openCpu: (source, settings, tokens) => new NovaStoreCpu(source, settings, tokens),
  openGpu: (device, source, settings, tokens) => new NovaStoreGpu(device, source, settings, tokens),
};
