/**
 * What families have in common that quantize every row by itself, on both backends: their stores, and
 * which tokens are quantized.
 *
 * @module
 */
import type { Axes, Family, HookAnswers, Settings } from "../../family.ts";
import type { TokenRange } from "../../tensor.ts";
import { slidingWindow } from "../../windows.ts";
import type { RowFormat, RowSettings } from "./row_format.ts";
import { RowStoreCpu } from "./row_store_cpu.ts";
import { type RowKernels, RowStoreGpu } from "./row_store_gpu.ts";

/** Axes of such a family. */
export const rowAxes: Axes<Settings> = {
  key: ["token"],
  value: ["token"],
  because: "groups the channels of one token and head",
};

/** Settings of rows of which the most recent stay exact. */
export interface WindowedRowSettings extends RowSettings {
  readonly residualLength: number;
}

/** The settings that all such families have, of answers that ask for one width. */
export function rowSettings<Dtype extends Settings["paramDtype"]>(
  family: string,
  { layer, kind, bits, residualLength }: HookAnswers,
  paramDtype: Dtype,
  headDim: number,
) {
  return { family, layer, kind, bits, paramDtype, headDim, residualLength };
}

function windowed({ residualLength }: WindowedRowSettings, n: number): TokenRange {
  return slidingWindow(n, residualLength, 0);
}

/**
 * The members of a family that quantizes rows.
 *
 * @param formatOf how rows are stored under settings
 * @param kernelsOf the WGSL that does the same
 * @param quantizedRange which tokens; all but those of the residual length when absent
 */
export function rowFamily<S extends WindowedRowSettings>(
  formatOf: (settings: S) => RowFormat,
  kernelsOf: (settings: S) => RowKernels,
  quantizedRange: (settings: S, n: number) => TokenRange = windowed,
): Pick<Family<S>, "needs" | "quantizedRange" | "openCpu" | "openGpu"> {
  const known = new WeakMap<S, RowFormat>();
  const format = (settings: S): RowFormat => {
    let found = known.get(settings);
    if (found === undefined) known.set(settings, found = formatOf(settings));
    return found;
  };
  return {
    needs: () => ({}),
    quantizedRange,
    openCpu: (source, settings, tokens) =>
      new RowStoreCpu(source, settings, format(settings), quantizedRange, tokens),
    openGpu: (device, source, settings, tokens) =>
      new RowStoreGpu(
        device,
        source,
        settings,
        format(settings),
        kernelsOf(settings),
        quantizedRange,
        tokens,
      ),
  };
}
