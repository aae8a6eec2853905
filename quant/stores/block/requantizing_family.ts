/**
 * What the families under the rule of Transformers' `QuantizedCache` have in common, on both
 * backends: their stores, and which tokens of a prompt are quantized.
 *
 * @module
 */
import { CpuBackend } from "../../backend_cpu.ts";
import { GpuBackend } from "../../gpu/backend_gpu.ts";
import type { Axes, Axis, Family, KvKind, Settings } from "../../family.ts";
import type { BlockScheme } from "./block_arithmetic.ts";
import { BlockCpu } from "./block_cpu.ts";
import { BlockGpu, type BlockKernels } from "./block_gpu.ts";
import { type BlockShape, tokenPeriod } from "./block_layout.ts";
import { RequantizingStore } from "./requantizing_store.ts";

/** Settings that a re-quantizing store reads. */
type RequantizingSettings = Settings & BlockShape & {
  readonly headDim: number;
  readonly residualLength: number;
};

/** Axes of a family whose settings keep the order of a block's groups. */
export function orderedAxes<S extends RequantizingSettings>(
  axes: Readonly<Record<KvKind, readonly Axis[]>> & Pick<Axes<S>, "because">,
): Axes<S> {
  return {
    ...axes,
    kept: ({ order }) => order === "flat" ? "token" : "channel",
  };
}

/**
 * The members of a family that re-quantizes its store.
 *
 * @param scheme how a block is coded under settings
 * @param kernels the WGSL that does the same
 */
export function requantizingFamily<S extends RequantizingSettings>(
  scheme: (settings: S) => BlockScheme,
  kernels: (settings: S) => BlockKernels,
): Pick<Family<S>, "needs" | "quantizedRange" | "openCpu" | "openGpu"> {
  return {
    needs: () => ({}),
    // What a prompt of `n` tokens has quantized; later tokens wait for the next quantization.
    quantizedRange: (settings, n) => ({
      from: 0,
      to: n - n % tokenPeriod(settings, settings.headDim),
    }),
    openCpu: (source, settings) =>
      new RequantizingStore(
        source,
        new CpuBackend(),
        settings.residualLength,
        (tensor, tokens) => new BlockCpu(source, tensor, tokens, scheme(settings)),
      ),
    openGpu: (device, source, settings) =>
      new RequantizingStore(
        source,
        new GpuBackend(device),
        settings.residualLength,
        (tensor, tokens) =>
          new BlockGpu(device, source, tensor, tokens, scheme(settings), kernels(settings)),
      ),
  };
}
