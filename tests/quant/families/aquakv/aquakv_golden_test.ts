/**
 * `aquakv` against three layers that a small program of its own predicted and quantized, in numpy and in
 * float64, with the norms, the Hadamard matrix and the pseudoinverse of the official code
 * (goodevening13/aquakv) and the codebooks of here.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { KeptSamples } from "../../../../quant/calibration.ts";
import { aquakv } from "../../../../quant/families/aquakv/aquakv.ts";
import type { AquakvSettings } from "../../../../quant/families/aquakv/aquakv_settings.ts";
import { type Family, KV_KINDS, type KvKind, type Source } from "../../../../quant/family.ts";
import { learn } from "../../../../quant/learned.ts";
import { unpackRow } from "../../../../quant/packing/bit_packing.ts";
import { keepSamples } from "../../../../quant/sample_keeper.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import type { CpuTensor, KvShape } from "../../../../quant/tensor.ts";
import { testOnBackends } from "../../backends.ts";
import { rotaryOf } from "../../cache_scenes.ts";
import { answers } from "../../stores/affine/affine_answers.ts";

interface GoldenTensor {
  /** `[tokens][channels]`, keys before RoPE. */
  readonly input: readonly number[];
  readonly codes: readonly number[];
  /** Half-precision bits. */
  readonly scales: readonly number[];
  readonly restored: readonly number[];
  readonly weights?: readonly number[];
  readonly bias?: readonly number[];
}

interface Golden {
  readonly heads: number;
  readonly head_dim: number;
  readonly tokens: number;
  readonly layers: readonly Readonly<Record<KvKind, GoldenTensor>>[];
}

const golden: Golden = JSON.parse(
  Deno.readTextFileSync(new URL("../../../golden/aquakv/cases.json", import.meta.url)),
);
const { heads, head_dim: headDim, tokens } = golden;
const CHANNELS = heads * headDim;

/** `[tokens][channels]` as a tensor. */
function tensorOf(rows: readonly number[]): CpuTensor {
  const data = new Float32Array(rows.length);
  for (let t = 0; t < tokens; t++) {
    for (let c = 0; c < CHANNELS; c++) {
      const head = Math.floor(c / headDim);
      data[(head * tokens + t) * headDim + c % headDim] = rows[t * CHANNELS + c]!;
    }
  }
  return { heads, capacity: tokens, headDim, data };
}

function settingsOf(layer: number, kind: KvKind): AquakvSettings {
  return settingsFor(
    aquakv,
    answers(kind, { layer, bits: [2, 2], residualLength: 0, calibrationMode: "offline" }),
    { heads, headDim },
  );
}

Deno.test("aquakv learns the predictors of the other program", () => {
  const kept: KeptSamples = keepSamples({
    rotary: rotaryOf(headDim),
    layers: golden.layers.map(({ key, value }) => ({
      keys: [tensorOf(key.input)],
      preRopeKeys: [tensorOf(key.input)],
      values: [tensorOf(value.input)],
      queries: [],
    })),
  });
  for (const [layer, ofLayer] of golden.layers.entries()) {
    for (const kind of KV_KINDS) {
      const learned = learn(aquakv as unknown as Family, kept, settingsOf(layer, kind));
      for (const name of ["weights", "bias"] as const) {
        const expected = ofLayer[kind][name] ?? [];
        assertEquals(learned[name]?.length ?? 0, expected.length);
        // The last place of half precision, and what tensors of float32 move.
        expected.forEach((x, i) => assertAlmostEquals(learned[name]![i]!, x, 2e-3));
      }
    }
  }
});

testOnBackends("aquakv stores the codes of the other program", async (backend) => {
  const shared = new Map<string, unknown>();
  const ones = new Float32Array(tokens * headDim / 2).fill(1);
  const half = { heads: 1, capacity: tokens, headDim: headDim / 2 };
  // Angles of nothing, so that keys are restored as they were before RoPE.
  const rope = {
    cos: backend.upload(ones, half),
    sin: backend.upload(new Float32Array(ones.length), half),
  };
  let [flips, all] = [0, 0];
  for (const [layer, ofLayer] of golden.layers.entries()) {
    for (const kind of KV_KINDS) {
      const { input, codes, scales, restored, weights, bias } = ofLayer[kind];
      const own = tensorOf(input);
      const tensor = backend.upload(own.data, own);
      const place = { layer, kind, tensor, siblings: [], shared, promptTokens: tokens };
      const source: Source<KvShape> = kind === "key" ? { ...place, preRope: tensor, rope } : place;
      const calibration = weights === undefined
        ? {}
        : { weights: Float16Array.from(weights), bias: Float32Array.from(bias!) };
      const settings = { ...settingsOf(layer, kind), calibration };
      const store = backend.open(aquakv, source, settings, tokens);
      store.grow(tokens);
      await store.settle();
      const [stored, halves] = await store.contents();
      const width = layer === 0 ? 8 : 4;
      const found = new Int32Array(codes.length);
      const pairs = CHANNELS / 2;
      for (let t = 0; t < tokens; t++) {
        const row = found.subarray(t * pairs, (t + 1) * pairs);
        unpackRow(stored!.words, t * Math.ceil(pairs * width / 32), pairs, width, row);
      }
      const bits = new Uint16Array(halves!.words.buffer).subarray(0, scales.length);
      scales.forEach((x, i) => assert(Math.abs(bits[i]! - x) <= 1, `scale ${i}`));
      const target = backend.upload(new Float32Array(own.data.length), own);
      store.restore(target);
      await store.settle();
      const back = await backend.read(target);
      const expected = tensorOf(restored).data;
      const flipped = codes.filter((code, i) => code !== found[i]).length;
      all += codes.length;
      flips += flipped;
      if (flips === 0) back.forEach((x, i) => assertAlmostEquals(x, expected[i]!, 0.02));
    }
  }
  assert(flips <= 0.005 * all, `${flips} of ${all} codes are others`);
});
