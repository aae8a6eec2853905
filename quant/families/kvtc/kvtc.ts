/**
 * KVTC: the channels of several layers are turned into principal components that were learned once,
 * keys before RoPE; a dynamic program chose how many bits which components get; all codes go through
 * DEFLATE. The first 4 and the last 128 tokens stay exact in the policies.
 *
 * Staniszewski and Łańcucki, "KV Cache Transform Coding for Compact Storage in LLM Inference", arXiv
 * 2511.01815 (ICLR 2026). There is no official code; block sizes, types and that types get narrower
 * from component to component are as in jfckm/sglang-kvtc, scripts/kvtc_calibration_quant.py, with
 * e4m3, 4 and 2 bits as types. Components are taken over as many whole layers as have `MOST_CHANNELS`
 * channels, not over the model; codes go to DEFLATE byte by byte of a token's row.
 *
 * @module
 */
import type { Family, FamilyAnswers } from "../../family.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { checkOneWidth, placeName } from "../../setting_checks.ts";
import { CoupledStore } from "../../stores/coupled/coupled_store.ts";
import { learnKvtc } from "./kvtc_calibration.ts";
import { KvtcPackCpu } from "./kvtc_pack_cpu.ts";
import { KvtcPackGpu } from "./kvtc_pack_gpu.ts";
import {
  type KvtcOptions,
  kvtcRange,
  type KvtcSettings,
  sourcesTogether,
} from "./kvtc_settings.ts";

/** Channels that have principal components together; the matrix takes memory as their square. */
const MOST_CHANNELS = 512;

/** The family `kvtc`. */
export const kvtc: Family<KvtcSettings, "sink_tokens", KvtcOptions> = {
  name: "kvtc",
  source: "arXiv 2511.01815; jfckm/sglang-kvtc@7a4de20, scripts/kvtc_calibration_quant.py",
  widths: [1, 2, 3, 4, 5, 6, 7, 8],
  hooks: { sink_tokens: { absent: 0 } },
  options: {
    compression: {
      value: { is: "number", least: 2, most: 256 },
      absentRule: "16 / bits",
      means: "how many times smaller than in 16 bits codes and ranges are, before DEFLATE",
    },
    layers: {
      value: { is: "integer", least: 1, most: 1024 },
      absentRule: `as many as have ${MOST_CHANNELS} channels`,
      kept: ({ groupLayers }) => groupLayers,
      means: "layers whose channels have principal components together",
    },
  },
  axes: { key: ["token"], value: ["token"], because: "codes whole tokens" },
  calibration: "always",
  entropyCoded: true,

  resolve(answers, { heads, headDim }): KvtcSettings {
    checkOneWidth(this.name, answers);
    const groupLayers = answers.options.layers ??
      Math.max(1, Math.floor(MOST_CHANNELS / (heads * headDim)));
    return {
      family: this.name,
      layer: answers.layer,
      kind: answers.kind,
      bits: answers.bits,
      paramDtype: "f16",
      heads,
      headDim,
      compression: compressionOf(answers),
      groupLayers,
      residualLength: answers.residualLength,
      sinkTokens: answers.sinkTokens,
      calibrated: true,
    };
  },

  couplesLayers: ({ groupLayers }) => groupLayers > 1,
  needs: ({ kind }) => kind === "key" ? { preRope: true } : {},
  quantizedRange: kvtcRange,
  calibrate: learnKvtc,
  learnsBy: ({ groupLayers, compression, sinkTokens }) => ({
    groupLayers,
    compression,
    sinkTokens,
  }),
  openCpu: (source, settings) =>
    new CoupledStore(
      source,
      settings,
      sourcesTogether(source, settings),
      kvtcRange,
      (sources) => new KvtcPackCpu(sources, settings),
    ),
  openGpu: (device, source, settings) =>
    new CoupledStore(
      source,
      settings,
      sourcesTogether(source, settings),
      kvtcRange,
      (sources) => new KvtcPackGpu(device, sources, settings),
    ),
};

/** What `choose_bits` says is what codes take on average at most; single ones may be wider. */
function compressionOf(answers: FamilyAnswers<"sink_tokens", KvtcOptions>): number {
  const bits = answers.bits[0]!;
  const { compression = 16 / bits } = answers.options;
  if (16 / compression <= bits) return compression;
  throw new QuantizerError(
    `${placeName(answers)}: option "compression" is ${compression}, which takes more than the ` +
      `${bits} bits of choose_bits; expected at least ${16 / bits}`,
  );
}
