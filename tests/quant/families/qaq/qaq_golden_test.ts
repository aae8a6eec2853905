import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { Source } from "../../../../quant/family.ts";
import { qaq } from "../../../../quant/families/qaq/qaq.ts";
import type { QaqSettings } from "../../../../quant/families/qaq/qaq_settings.ts";
import type { KvShape } from "../../../../quant/tensor.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { type TestBackend, testOnBackends } from "../../backends.ts";
import { assertWithin, type Golden, loadGolden } from "../../golden_cases.ts";
import { qaqContents } from "./qaq_contents.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

interface QaqCase {
  readonly level: "token" | "layer" | "head";
  readonly outliers_ratio: number;
  readonly n_bits_uniform?: number;
  readonly method: "uniform" | "normal";
  readonly symmetric: boolean;
  readonly use_attentions: boolean;
  readonly last_n_attentions?: number;
  readonly target_quantization_error?: number;
  readonly n_bits_min?: number;
  readonly n_bits_max?: number;
  readonly q_norm?: number;
  readonly compute_dtype: "float32" | "float16";
  readonly expect_average_bits: number;
}

const ZERO_BITS = "k_head_u0";

function settings(golden: Golden, layer: number): QaqSettings {
  const params = golden.params as unknown as QaqCase;
  const [, , heads, , headDim] = golden.shape as number[];
  const kind = golden.kv_kind === "value" ? "value" : "key";
  const attention = params.use_attentions
    ? {
      lastNAttentions: params.last_n_attentions!,
      targetQuantizationError: params.target_quantization_error!,
      bitRange: [params.n_bits_min!, params.n_bits_max!] as const,
      ...(params.q_norm === undefined ? {} : { qNorm: params.q_norm }),
    }
    : {};
  const resolved = settingsFor(
    qaq,
    answers(kind, {
      layer,
      bits: Array(heads).fill(params.n_bits_uniform || 1),
      quantizationLevel: params.level,
      quantizationMethod: params.method,
      symmetric: params.symmetric,
      outliersRatio: params.outliers_ratio,
      useAttentions: params.use_attentions,
      ...attention,
    }),
    { heads: heads!, headDim: headDim! },
  );
  // Width 0 is out of a policy's reach but for widths by attention.
  const bits = params.n_bits_uniform === 0 ? { bits: Array<number>(heads!).fill(0) } : {};
  return params.compute_dtype === "float16"
    ? resolved
    : { ...resolved, ...bits, paramDtype: "f32" };
}

/**
 * Queries and keys whose attention is a given one: keys are unit vectors, and the scores of a query
 * are the logarithms of its weights.
 */
function attentionTensors(golden: Golden, layer: number, backend: TestBackend) {
  const attentions = golden.tensor("attentions");
  if (attentions === undefined) return {};
  const [, , heads, tokens] = attentions.shape as [number, number, number, number];
  const headDim = 16;
  const shape = { heads, capacity: tokens, headDim };
  const keys = new Float32Array(heads * tokens * headDim);
  const queries = new Float32Array(heads * tokens * headDim);
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < tokens; row++) {
      const at = (head * tokens + row) * headDim;
      keys[at + row] = 1;
      for (let token = 0; token <= row; token++) {
        const weight = attentions.data[((layer * heads + head) * tokens + row) * tokens + token]!;
        queries[at + token] = Math.log(weight) * Math.sqrt(headDim);
      }
    }
  }
  return { queries: backend.upload(queries, shape), keys: backend.upload(keys, shape) };
}

async function roundTrip(golden: Golden, backend: TestBackend) {
  const [layers, , heads, tokens, headDim] = golden.shape as [
    number,
    number,
    number,
    number,
    number,
  ];
  const input = Float32Array.from(golden.tensor("input")!.data);
  const shape = { heads, capacity: tokens, headDim };
  const size = heads * tokens * headDim;
  const siblings: Source<KvShape>[] = [];
  const shared = new Map<string, unknown>();
  for (let layer = 0; layer < layers; layer++) {
    siblings.push({
      layer,
      kind: golden.kv_kind === "value" ? "value" : "key",
      tensor: backend.upload(input.slice(layer * size, (layer + 1) * size), shape),
      promptTokens: tokens,
      siblings,
      shared,
      ...attentionTensors(golden, layer, backend),
    });
  }
  const stores = siblings.map((source) =>
    backend.open(qaq, source, settings(golden, source.layer), tokens)
  );
  for (const store of stores) store.grow(tokens);
  for (const store of stores) await store.settle();
  const restored = new Float32Array(layers * size);
  const room = { heads, capacity: tokens + 3, headDim };
  for (const [layer, store] of stores.entries()) {
    const target = backend.upload(new Float32Array(heads * room.capacity * headDim), room);
    store.restore(target);
    const data = await backend.read(target);
    for (let head = 0; head < heads; head++) {
      const from = head * room.capacity * headDim;
      restored.set(
        data.subarray(from, from + tokens * headDim),
        layer * size + head * tokens * headDim,
      );
    }
  }
  // Widths and mask in the golden order, from one pack of all layers or one of each.
  const mask = new Uint8Array(layers * size);
  const widths: number[][] = Array.from({ length: tokens }, () => []);
  for (const [first, store] of stores.entries()) {
    const contents = await store.contents();
    if (contents.length === 0) continue;
    const resolved = settings(golden, first);
    const packed = resolved.level === "token" ? layers : 1;
    const read = qaqContents(contents, resolved, shape, packed, tokens);
    const groups = read.widths.length / tokens;
    for (let token = 0; token < tokens; token++) {
      widths[token]!.push(...read.widths.subarray(token * groups, (token + 1) * groups));
      for (let l = 0; l < packed; l++) {
        for (let head = 0; head < heads; head++) {
          for (let i = 0; i < headDim; i++) {
            mask[(first + l) * size + (head * tokens + token) * headDim + i] = read
              .mask[((token * packed + l) * heads + head) * headDim + i]!;
          }
        }
      }
    }
  }
  return { input, restored, mask, widths: widths.flat() };
}

for (const golden of loadGolden("qaq")) {
  const params = golden.params as unknown as QaqCase;
  testOnBackends(`qaq: golden ${golden.id}`, async (backend) => {
    const { input, restored, mask, widths } = await roundTrip(golden, backend);
    assertEquals(widths, Array.from(golden.tensor("n_bits")!.data), "n_bits");
    const official = golden.tensor("outlier_mask")?.data ?? new Uint8Array(mask.length);
    assertEquals(Array.from(mask), Array.from(official), "outlier_mask");
    const mean = widths.reduce((a, b) => a + b) / widths.length;
    // The official figure counts an outlier at the width of the tensors' own type.
    const exact = params.compute_dtype === "float16" ? 16 : 32;
    const average = mean * (1 - params.outliers_ratio) + exact * params.outliers_ratio;
    assertAlmostEquals(average, params.expect_average_bits, 1e-2);
    if (golden.id !== ZERO_BITS) {
      assertWithin(restored, golden.tensor("restored")!.data, golden.tolerance, "restored");
      return;
    }
    // The official code restores an element of a group without bits half a range below the mean;
    // here it becomes the mean.
    const headDim = golden.shape[4]!;
    for (let from = 0; from < input.length; from += headDim) {
      const group = input.subarray(from, from + headDim);
      const groupMean = group.reduce((a, b) => a + b) / headDim;
      const half = (Math.max(...group) - Math.min(...group)) / 2;
      for (let i = 0; i < headDim; i++) {
        assertAlmostEquals(restored[from + i]!, groupMean, golden.tolerance.atol);
        const quirk = golden.tensor("restored")!.data[from + i]!;
        assertAlmostEquals(quirk, groupMean - half, golden.tolerance.atol);
      }
    }
  });
}

Deno.test("qaq: every kind of golden case is a round trip", () => {
  assert(loadGolden("qaq").every(({ kind }) => kind === "roundtrip"));
});
