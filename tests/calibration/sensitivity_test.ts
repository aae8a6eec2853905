/** Sensitivity of layers, with an engine that only looks at one tensor. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { KvKind } from "../../quant/family.ts";
import type { CpuTensor } from "../../quant/tensor.ts";
import { collectSamples } from "../../calibration/calibration_samples.ts";
import type { ForwardInput, ForwardOutput } from "../../engine/engine.ts";
import { measureSensitivity } from "../../calibration/sensitivity.ts";
import type { Noise } from "../../quant/calibration.ts";
import { transformNoise } from "../../quant/families/transform/transform_noise.ts";
import { learnTransform } from "../../quant/families/transform/transform_calibration.ts";
import { transform } from "../../quant/families/transform/transform.ts";
import { settingsFor } from "../../quant/settings_for.ts";
import { SyntheticEngine } from "../engine/synthetic_engine.ts";

const tokens = [30, 24, 40].map((length, i) => ({
  ids: Array.from({ length }, (_, t) => (t * (i + 3)) % 10),
  reply: 5,
}));

/** Logits are `scale` times the first channels of one tensor's memory, added up. */
class OneTensorEngine extends SyntheticEngine {
  constructor(
    readonly layer: number,
    readonly kind: KvKind,
    readonly scale: number,
  ) {
    super();
  }

  override async forward(input: ForwardInput<CpuTensor>): Promise<ForwardOutput<CpuTensor>> {
    const output = await super.forward(input);
    const { vocab, headDim } = this.shape;
    const memory = input.past[this.layer]![this.kind];
    for (let row = 0; row < input.logits; row++) {
      for (let t = 0; t < memory.capacity; t++) {
        for (let i = 0; i < headDim; i++) {
          output.logits[row * vocab + i]! += this.scale * memory.data[t * headDim + i]!;
        }
      }
    }
    return output;
  }
}

async function measure(layer: number, kind: KvKind, scale: number) {
  const engine = new OneTensorEngine(layer, kind, scale);
  const samples = await collectSamples(engine, tokens.map(({ ids }) => ids));
  return await measureSensitivity(engine, tokens, samples, transformNoise(samples));
}

Deno.test("only the tensor that predictions hang on is sensitive", async () => {
  for (const layer of [0, 1]) {
    for (const kind of ["key", "value"] as const) {
      const found = await measure(layer, kind, 1);
      for (const [l, own] of found.entries()) {
        for (const k of ["key", "value"] as const) {
          const reached = l === layer && k === kind;
          if (reached) assert(own[k] > 0, `layer ${l} ${k}`);
          else assertEquals(own[k], 0, `layer ${l} ${k}`);
        }
      }
    }
  }
});

Deno.test("logits three times as large are nine times as sensitive", async () => {
  const [once, thrice] = [await measure(1, "value", 1), await measure(1, "value", 3)];
  assertAlmostEquals(thrice[1]!.value / once[1]!.value, 9, 0.01);
});

Deno.test("measuring again gives the same numbers", async () => {
  assertEquals(await measure(0, "key", 1), await measure(0, "key", 1));
});

Deno.test("samples that are nothing but reply are passed over", async () => {
  const engine = new OneTensorEngine(0, "key", 1);
  const short = [{ ids: [1, 2, 3], reply: 2 }];
  const samples = await collectSamples(engine, short.map(({ ids }) => ids));
  assertEquals(
    await measureSensitivity(engine, short, samples, transformNoise(samples)),
    [{ key: 0, value: 0 }, { key: 0, value: 0 }],
  );
});

Deno.test("sensitivity is told per unit of what the noise loses, and keys' noise turns with them", async () => {
  const engine = new OneTensorEngine(1, "key", 1);
  const samples = await collectSamples(engine, tokens.map(({ ids }) => ids));
  const asked: string[] = [];
  const noise = (unit: number): Noise => ({
    draw(layer, kind, { heads, capacity, headDim }, seed) {
      asked.push(`${layer} ${kind} ${heads} ${headDim} ${seed}`);
      return {
        heads,
        capacity,
        headDim,
        data: new Float32Array(heads * capacity * headDim).fill(0.01),
      };
    },
    lost: () => unit,
  });
  const [one, ten] = [
    await measureSensitivity(engine, tokens, samples, noise(1)),
    await measureSensitivity(engine, tokens, samples, noise(10)),
  ];
  assert(one[1]!.key > 0);
  assertAlmostEquals(ten[1]!.key, one[1]!.key / 10, 1e-12);
  // Every draw of one measurement has a seed of its own, and the second measurement the same ones.
  assertEquals(new Set(asked).size, asked.length / 2);
  // Noise of equal strength in all channels is longer along some directions once it has been turned.
  const values = new OneTensorEngine(1, "value", 1);
  const same = await collectSamples(values, tokens.map(({ ids }) => ids));
  const unturned = await measureSensitivity(values, tokens, same, noise(1));
  assert(Math.abs(unturned[1]!.value - one[1]!.key) > 1e-9);
});

/** An engine one of whose tensors holds the same number everywhere. */
class ConstantTensorEngine extends SyntheticEngine {
  constructor(readonly fill: number) {
    super();
  }

  override async forward(input: ForwardInput<CpuTensor>): Promise<ForwardOutput<CpuTensor>> {
    const output = await super.forward(input);
    output.layers[1]?.value.data.fill(this.fill);
    return output;
  }
}

Deno.test("a tensor in which nothing varies is not sensitive, and transform learns from it", async () => {
  for (const fill of [0, 1e-20, 0.75]) {
    const engine = new ConstantTensorEngine(fill);
    const samples = await collectSamples(engine, tokens.map(({ ids }) => ids));
    const all = await measureSensitivity(engine, tokens, samples, transformNoise(samples));
    for (const { key, value } of all) assert(Number.isFinite(key) && Number.isFinite(value));
    assertEquals(new Set(samples.layers[1]!.values[0]!.data), new Set([Math.fround(fill)]));
    const settings = settingsFor(
      transform,
      {
        layer: 1,
        kind: "value",
        bits: [4, 4],
        axis: "token",
        residualLength: 0,
        calibrationMode: "offline",
      },
      { heads: 2, headDim: 8 },
    );
    for (const [name, array] of Object.entries(learnTransform(samples, settings))) {
      for (const x of array) assert(Number.isFinite(x), `${name} of ${fill}`);
    }
  }
});
