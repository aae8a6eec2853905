/**
 * The choice of blocks: of all ways to put components into blocks of given sizes and types, never a
 * wider type behind a narrower one, the one that loses least within so many bytes of a token, found by
 * dynamic programming over components and bytes (arXiv 2511.01815; components beyond the last block
 * are left out).
 *
 * @module
 */
import {
  BLOCK_SIZES,
  blockBytes,
  type ComponentBlock,
  rangeOf,
  steppedCode,
  steppedValue,
  TYPE_BITS,
} from "./component_blocks.ts";
import { fromFloat8Bits, toFloat8Bits } from "../../packing/float8.ts";
import { fromHalfBits } from "../../packing/half.ts";

/** Squared errors of samples. */
export interface BlockErrors {
  readonly components: number;
  /** Of leaving out all components from this one on, `[components + 1]`. */
  readonly tails: Float64Array;
  /** Of each type and size, by the first component of the block. */
  readonly blocks: readonly (readonly Float64Array[])[];
}

/**
 * What blocks lose of samples, wherever they begin.
 *
 * @param samples `[tokens][components]`, within half precision
 */
export function blockErrors(samples: Float32Array, components: number): BlockErrors {
  const tokens = samples.length / components;
  const energies = new Float64Array(components);
  for (const [i, x] of samples.entries()) energies[i % components]! += x * x;
  const tails = new Float64Array(components + 1);
  for (let i = components - 1; i >= 0; i--) tails[i] = tails[i + 1]! + energies[i]!;
  const blocks = TYPE_BITS.map((bits) => {
    // An entry loses the same in every block of e4m3.
    const alone = bits === 8
      ? Float64Array.from(samples, (x) => (x - fromFloat8Bits(toFloat8Bits(x))) ** 2)
      : undefined;
    return BLOCK_SIZES.map((size) => {
      const errors = new Float64Array(Math.max(0, components - size + 1));
      for (const start of errors.keys()) {
        let sum = 0;
        for (let t = 0; t < tokens; t++) {
          const from = t * components + start;
          if (alone === undefined) sum = addRangedLoss(sum, { size, bits }, samples, from);
          else for (let i = from; i < from + size; i++) sum += alone[i]!;
        }
        errors[start] = sum;
      }
      return errors;
    });
  });
  return { components, tails, blocks };
}

/** Adds what a block of steps between its extremes loses. */
function addRangedLoss(
  sum: number,
  block: ComponentBlock,
  samples: Float32Array,
  from: number,
): number {
  const { scale, lowest } = rangeOf(block, samples, from);
  const [step, origin] = [fromHalfBits(scale), fromHalfBits(lowest)];
  const top = 2 ** block.bits - 1;
  for (let i = from; i < from + block.size; i++) {
    const code = steppedCode(samples[i]!, origin, step, top);
    const lost = samples[i]! - steppedValue(code, origin, step);
    sum += lost * lost;
  }
  return sum;
}

/** The blocks that lose least in at most `most` bytes of a token. */
export function allocateBlocks(
  { components, tails, blocks }: BlockErrors,
  most: number,
): ComponentBlock[] {
  const columns = most + 1;
  const cells = (components + 1) * columns;
  /** Least error of the components before one, in so many bytes, whose last type is this or a wider one. */
  const least = TYPE_BITS.map(() => new Float64Array(cells).fill(Infinity));
  /** The last block of it: type and size by index. */
  const last = TYPE_BITS.map(() => new Int8Array(cells).fill(-1));
  for (const errors of least) errors[0] = 0;
  for (let end = 1; end <= components; end++) {
    for (const [type, bits] of TYPE_BITS.entries()) {
      if (type > 0) {
        for (let cell = end * columns; cell < (end + 1) * columns; cell++) {
          least[type]![cell] = least[type - 1]![cell]!;
          last[type]![cell] = last[type - 1]![cell]!;
        }
      }
      for (const [s, size] of BLOCK_SIZES.entries()) {
        const start = end - size;
        const bytes = blockBytes({ size, bits });
        if (start < 0) continue;
        const error = blocks[type]![s]![start]!;
        for (let used = bytes; used <= most; used++) {
          const sum = least[type]![start * columns + used - bytes]! + error;
          const cell = end * columns + used;
          if (sum >= least[type]![cell]!) continue;
          least[type]![cell] = sum;
          last[type]![cell] = type * BLOCK_SIZES.length + s;
        }
      }
    }
  }
  const narrowest = TYPE_BITS.length - 1;
  let [best, end, used] = [tails[0]!, 0, 0];
  for (let e = 1; e <= components; e++) {
    for (let u = 0; u <= most; u++) {
      const sum = least[narrowest]![e * columns + u]! + tails[e]!;
      if (sum < best) [best, end, used] = [sum, e, u];
    }
  }
  const chosen: ComponentBlock[] = [];
  let type = narrowest;
  while (end > 0) {
    const block = last[type]![end * columns + used]!;
    type = Math.floor(block / BLOCK_SIZES.length);
    const chosenBlock = { size: BLOCK_SIZES[block % BLOCK_SIZES.length]!, bits: TYPE_BITS[type]! };
    chosen.push(chosenBlock);
    end -= chosenBlock.size;
    used -= blockBytes(chosenBlock);
  }
  return chosen.reverse();
}
