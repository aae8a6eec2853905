/**
 * The vector quantizer of keys under `nova`: groups of four components, each with 256 codewords of its
 * own in e5m2.
 *
 * @module
 */
import { randomSource } from "../../numerics/random.ts";
import { fromHalfBits, toHalfBits } from "../../packing/half.ts";
import { CodewordFinder } from "./nearest_codewords.ts";
import { CODEWORDS, GROUP } from "./nova_settings.ts";

/** Iterations of Lloyd's algorithm at most. */
const ITERATIONS = 25;

/** Codewords as numbers, `[codeword][4]`. */
export function codewordsOf(words: Int32Array): Float64Array {
  const out = new Float64Array(words.length * GROUP);
  for (let i = 0; i < out.length; i++) {
    // e5m2 is the upper half of a half.
    out[i] = fromHalfBits((words[i >> 2]! >>> 8 * (i & 3) & 255) << 8);
  }
  return out;
}

/** The nearest e5m2 bits, ties to even. */
function toE5m2(x: number): number {
  const bits = toHalfBits(x);
  return (bits >> 8) + ((bits & 255) + (bits >> 8 & 1) > 128 ? 1 : 0) & 255;
}

/**
 * 256 codewords for points, by k-means from points drawn at random; a codeword that nothing is nearest
 * to takes the place of the point that is farthest from its own.
 *
 * @param points `[point][4]`
 */
export function learnCodebook(points: Float64Array, seed: number): Int32Array<ArrayBuffer> {
  const count = points.length / GROUP;
  const random = randomSource(seed);
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const words = new Float64Array(CODEWORDS * GROUP);
  for (let i = 0; i < CODEWORDS; i++) {
    // Of fewer points than codewords, some are taken twice.
    const place = i < count ? i + random.below(count - i) : random.below(count);
    const point = order[place]!;
    if (i < count) [order[place], order[i]] = [order[i]!, point];
    words.set(points.subarray(point * GROUP, (point + 1) * GROUP), i * GROUP);
  }
  const labels = new Int32Array(count).fill(-1);
  const nearest = new Uint8Array(count);
  for (let iteration = 0; iteration < ITERATIONS && count > CODEWORDS; iteration++) {
    const [sums, members] = [new Float64Array(words.length), new Int32Array(CODEWORDS)];
    const distances = new Float64Array(count);
    let changed = false;
    new CodewordFinder([words]).find(points, count, nearest, 1);
    for (let i = 0; i < count; i++) {
      const label = nearest[i]!;
      changed ||= label !== labels[i];
      labels[i] = label;
      members[label]!++;
      for (let d = 0; d < GROUP; d++) {
        const x = points[i * GROUP + d]!;
        sums[label * GROUP + d]! += x;
        distances[i]! += (x - words[label * GROUP + d]!) ** 2;
      }
    }
    if (!changed) break;
    const farthest = members.some((n) => n === 0)
      ? [...distances.keys()].sort((a, b) => distances[b]! - distances[a]!)
      : [];
    let spare = 0;
    for (let w = 0; w < CODEWORDS; w++) {
      for (let d = 0; d < GROUP; d++) {
        words[w * GROUP + d] = members[w]! > 0
          ? sums[w * GROUP + d]! / members[w]!
          : points[farthest[spare]! * GROUP + d]!;
      }
      if (members[w] === 0) spare++;
    }
  }
  return Int32Array.from({ length: CODEWORDS }, (_, i) => {
    let word = 0;
    for (let d = 0; d < GROUP; d++) word |= toE5m2(words[i * GROUP + d]!) << 8 * d;
    return word;
  });
}
