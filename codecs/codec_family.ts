/**
 * A codec as a quantizer family, so that it goes through the replay as every other one does.
 *
 * @module
 */
import { CpuBackend } from "../quant/backend_cpu.ts";
import type { Family } from "../quant/family.ts";
import { GpuBackend } from "../quant/gpu/backend_gpu.ts";
import { codedTokens } from "./block_rule.ts";
import type { CodecPair } from "./codec_pair.ts";
import { CodecStore } from "./codec_store.ts";

/** The family of a codec; only the codec's own host names it. */
export function codecFamily(pair: CodecPair): Family {
  // Names of files have characters that names of families have not.
  const name = `codec_${pair.name.replace(/\W/g, "_")}`;
  return {
    name,
    source: "the user's file",
    // It says nothing about widths of codes: what counts is what it stores.
    widths: [1],
    calibration: "either",
    resolve: ({ layer, kind, bits }) => ({
      family: name,
      layer,
      kind,
      bits,
      paramDtype: "f32",
    }),
    needs: () => pair.observes ? { queries: true } : {},
    quantizedRange: ({ kind }, n) => codedTokens(pair.rules[kind === "key" ? 0 : 1], n),
    openCpu: (source, _, tokens) => new CodecStore(new CpuBackend(), source, pair, tokens),
    openGpu: (device, source, _, tokens) =>
      new CodecStore(new GpuBackend(device), source, pair, tokens),
  };
}
