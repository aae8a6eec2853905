/** Sensitivity of layers, with an engine that only looks at one tensor. */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import type { Family, KvKind } from "../../quant/family.ts";
import type { CpuTensor } from "../../quant/tensor.ts";
import { runSamples } from "../../calibration/calibration_samples.ts";
import type { ForwardInput, ForwardOutput, ModelShape } from "../../engine/engine.ts";
import type { SampleTokens } from "../../calibration/sensitivity.ts";
import type { KeptSamples, Noise, Sensitivity } from "../../quant/calibration.ts";
import { transformNoise } from "../../quant/families/transform/transform_noise.ts";
import { transform } from "../../quant/families/transform/transform.ts";
import { CpuBackend } from "../../quant/backend_cpu.ts";
import { learn } from "../../quant/learned.ts";
import { rotateOnCpu } from "../../quant/stores/rope/rope_restore.ts";
import { uploadRotary } from "../../engine/rotary.ts";
import { settingsFor } from "../../quant/settings_for.ts";
import { SyntheticEngine } from "../engine/synthetic_engine.ts";

const tokens = [30, 24, 40].map((length, i) => ({
  ids: Array.from({ length }, (_, t) => (t * (i + 3)) % 10),
  reply: 5,
}));

/** Logits are `scale` times the first channels of one tensor's memory, added up over what is seen. */
class OneTensorEngine extends SyntheticEngine {
  constructor(
    readonly layer: number,
    readonly kind: KvKind,
    readonly scale: number,
    shape: Partial<ModelShape> = {},
  ) {
    super(shape);
  }

  override async forward(input: ForwardInput<CpuTensor>): Promise<ForwardOutput<CpuTensor>> {
    const output = await super.forward(input);
    const { vocab, headDim } = this.shape;
    const memory = input.past[this.layer]![this.kind];
    const fed = input.ids.length;
    const columns = memory.capacity + fed;
    const maskLayer = input.maskLayers === 1 ? 0 : this.layer;
    for (let row = 0; row < input.logits; row++) {
      const seen = (maskLayer * fed + fed - input.logits + row) * columns;
      for (let t = 0; t < memory.capacity; t++) {
        if (input.mask[seen + t] !== 0) continue;
        for (let i = 0; i < headDim; i++) {
          output.logits[row * vocab + i]! += this.scale * memory.data[t * headDim + i]!;
        }
      }
    }
    return output;
  }
}

/** Sensitivity to a noise, on samples that all are measured. */
async function sensitivityTo(
  engine: SyntheticEngine,
  samples: readonly SampleTokens[],
  noise: (samples: KeptSamples) => Noise,
): Promise<readonly Sensitivity[]> {
  const { sensitivity } = await runSamples(engine, samples, { noises: new Map([["n", noise]]) });
  return sensitivity.get("n")!;
}

const measure = (layer: number, kind: KvKind, scale: number) =>
  sensitivityTo(new OneTensorEngine(layer, kind, scale), tokens, transformNoise);

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
  assertEquals(
    await sensitivityTo(engine, short, transformNoise),
    [{ key: 0, value: 0 }, { key: 0, value: 0 }],
  );
});

/** The later a channel, the further up. */
const up = (unit: number): Noise => ({
  draw: (_layer, _kind, { heads, capacity, headDim }) => ({
    heads,
    capacity,
    headDim,
    data: Float32Array.from(
      { length: heads * capacity * headDim },
      (_, i) => 0.01 * (1 + i % headDim),
    ),
  }),
  lost: () => unit,
});

Deno.test("sensitivity is told per unit of what the noise loses, and every draw has its seed", async () => {
  const engine = new OneTensorEngine(1, "key", 1);
  const asked: string[] = [];
  const noise = (unit: number) => (): Noise => ({
    ...up(unit),
    draw(layer, kind, shape, seed) {
      asked.push(`${layer} ${kind} ${shape.heads} ${shape.headDim} ${seed}`);
      return up(unit).draw(layer, kind, shape, seed);
    },
  });
  const one = await sensitivityTo(engine, tokens, noise(1));
  const ten = await sensitivityTo(engine, tokens, noise(10));
  assert(one[1]!.key > 0);
  assertAlmostEquals(ten[1]!.key, one[1]!.key / 10, 1e-12);
  // Every draw of one measurement has a seed of its own, and the second measurement the same ones.
  assertEquals(asked.length, 2 * 2 * 2 * tokens.length);
  assertEquals(new Set(asked).size, asked.length / 2);
});

Deno.test("noise of values is added as it is, that of keys turned by their positions", async () => {
  const { kvHeads: heads, headDim, rotary } = new SyntheticEngine().shape;
  // Two predictions a sample, the least: the first tokens of the reply after what the prompt leaves.
  const known = tokens.map(({ ids, reply }) => ids.length - reply - 1);
  for (const kind of ["key", "value"] as const) {
    const found = await sensitivityTo(new OneTensorEngine(1, kind, 1), tokens, () => up(1));
    let sum = 0;
    for (const count of known) {
      const noise = up(1).draw(1, kind, { heads, capacity: count, headDim }, 0);
      const rope = uploadRotary(new CpuBackend(), count, rotary);
      if (kind === "key") rotateOnCpu(noise, { from: 0, to: count }, rope);
      // Channel i of the memory is the logit of token i.
      const moved = Array.from({ length: headDim }, (_, i) => {
        let total = 0;
        for (let t = 0; t < count; t++) total += noise.data[t * headDim + i]!;
        return total;
      });
      const logits = await exactLogits(kind, count);
      const order = logits.map((_, i) => i).sort((a, b) => logits[b]! - logits[a]! || a - b);
      const [first, second] = order as [number, number];
      sum += ((moved[first] ?? 0) - (moved[second] ?? 0)) ** 2;
    }
    assertAlmostEquals(found[1]![kind], sum / known.length, 1e-4 * sum);
    assertEquals(found[0]![kind], 0);
  }

  /** Logits of the model when it sees the first tokens of the sample that has so many. */
  async function exactLogits(kind: KvKind, count: number): Promise<number[]> {
    const engine = new OneTensorEngine(1, kind, 1);
    const { ids } = tokens[known.indexOf(count)]!;
    const seen = Array.from({ length: headDim }, () => 0);
    for (let t = 0; t < count; t++) {
      const row = engine.row(kind === "key" ? "key" : "value", 1, 0, ids[t]!, t);
      for (let i = 0; i < headDim; i++) seen[i]! += row[i]!;
    }
    return await Promise.resolve([...seen, ...new Array(engine.shape.vocab - headDim).fill(0)]);
  }
});

Deno.test("a pass in parts gives the same sensitivity", async () => {
  // So many words that mask and logits of all layers at once are too large.
  const small = await sensitivityTo(new OneTensorEngine(1, "value", 1), tokens, transformNoise);
  const engine = new OneTensorEngine(1, "value", 1, { vocab: 2 ** 22 });
  const large = await sensitivityTo(engine, tokens.slice(0, 1), transformNoise);
  const alone = await sensitivityTo(
    new OneTensorEngine(1, "value", 1),
    tokens.slice(0, 1),
    transformNoise,
  );
  assertEquals(large, alone);
  assertNotEquals(small, alone);
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
    const { samples, sensitivity } = await runSamples(engine, tokens, {
      noises: new Map([["transform", transformNoise]]),
    });
    const all = sensitivity.get("transform")!;
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
    for (
      const [name, array] of Object.entries(
        learn(transform as unknown as Family, samples, settings),
      )
    ) {
      for (const x of array) assert(Number.isFinite(x), `${name} of ${fill}`);
    }
  }
});
