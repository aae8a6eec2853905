/** Deterministic KV tensors for tests. */

/** What the numbers look like. */
export type KvLook =
  | "normal"
  | "outlier channels"
  | "half grid"
  | "tiny"
  | "positive"
  | "level"
  | "subnormal";

/** Looks that a property test draws from; a device may flush `"subnormal"` numbers. */
export const KV_LOOKS: readonly KvLook[] = [
  "normal",
  "outlier channels",
  "half grid",
  "tiny",
  "positive",
  "level",
];

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Data `[rows, headDim]`, bell-shaped with deviation about 1:
 * every eighth channel 20 times larger for `"outlier channels"`, multiples of 1/64 (many rounding
 * ties) for `"half grid"`, about 1e-6 for `"tiny"`, between 3 and 5 for `"positive"`,
 * -100 give or take 0.0001 for `"level"`, about 100 times 2^-149 for `"subnormal"`.
 */
export function kvData(
  rows: number,
  headDim: number,
  look: KvLook,
  seed: number,
): Float32Array<ArrayBuffer> {
  const random = randomNumbers(seed);
  const data = new Float32Array(rows * headDim);
  for (let i = 0; i < data.length; i++) {
    const x = 2 * (random() + random() + random()) - 3;
    if (look === "normal") data[i] = x;
    else if (look === "outlier channels") data[i] = i % headDim % 8 === 3 ? 20 * x : x;
    else if (look === "half grid") data[i] = Math.round(x * 64) / 64;
    else if (look === "tiny") data[i] = x * 1e-6;
    else if (look === "positive") data[i] = 4 + x / 3;
    else if (look === "level") data[i] = -100 + x / 10000;
    else data[i] = Math.round(x * 100) * 2 ** -149;
  }
  return data;
}
