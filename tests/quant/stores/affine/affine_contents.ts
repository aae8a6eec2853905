/** Unpacks the buffers of an affine store into codes, scales and zeros in the golden order. */
import {
  affineLayout,
  type AffineSettings,
} from "../../../../quant/stores/affine/affine_settings.ts";
import { unpackRow } from "../../../../quant/packing/bit_packing.ts";
import type { Store } from "../../../../quant/family.ts";
import { loadParameters } from "../../../../quant/packing/parameters.ts";
import type { KvShape } from "../../../../quant/tensor.ts";

/** Codes `[heads, tokens, headDim]`, and scale and zero as the official code arranges them. */
export interface AffineContents {
  readonly codes: Uint8Array;
  /**
   * Channel axis: `[heads, tokens / groupSize, headDim]`; token axis: `[heads, tokens, headDim /
   * groupSize]`, or `[tokens, heads * headDim / groupSize]` when `flat`.
   */
  readonly scale: Float32Array;
  readonly zero: Float32Array;
}

/** Reads the quantized tokens of `store` back as codes and parameters. */
export async function affineContents(
  store: Store<KvShape>,
  settings: AffineSettings,
  headDim: number,
  flat = false,
): Promise<AffineContents> {
  const layout = affineLayout(settings, headDim);
  const buffers = new Map((await store.contents()).map(({ role, words }) => [role, words]));
  const tokens = store.quantized.to - store.quantized.from;
  const units = tokens / layout.unitTokens;
  const heads = settings.bits.length;
  const groups = units * layout.unitGroups;
  const storedScale = new Float32Array(groups);
  const storedZero = new Float32Array(groups);
  const parameters = buffers.get("scale_zero")!;
  loadParameters(settings.paramDtype, parameters, 0, groups, storedScale, storedZero);

  const codes = new Uint8Array(heads * tokens * headDim);
  const scale = new Float32Array(groups);
  const zero = new Float32Array(groups);
  const row = new Int32Array(Math.max(...layout.bands.map((band) => band.rowCodes)));
  for (let unit = 0; unit < units; unit++) {
    for (const band of layout.bands) {
      for (let r = 0; r < band.rows; r++) {
        const word = unit * layout.unitWords + band.wordOffset + r * band.rowWords;
        unpackRow(buffers.get("codes")!, word, band.rowCodes, band.bits, row);
        for (let i = 0; i < band.rowCodes; i++) {
          const [head, token, channel] = settings.axis === "channel"
            ? [band.firstHead, unit * layout.groupSize + i, r]
            : [band.firstHead + Math.floor(i / headDim), unit, i % headDim];
          codes[(head * tokens + token) * headDim + channel] = row[i]!;
        }
      }
      const bandGroups = band.rows * band.rowCodes / layout.groupSize;
      for (let g = 0; g < bandGroups; g++) {
        const from = unit * layout.unitGroups + band.groupOffset + g;
        const to = flat ? from : (band.firstHead * units + unit) * bandGroups + g;
        scale[to] = storedScale[from]!;
        zero[to] = storedZero[from]!;
      }
    }
  }
  return { codes, scale, zero };
}
