import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { uploadWeights } from "../../../../engine/devices/gpu/decoder_weights.ts";
import { loadModel } from "../../../../engine/checkpoint/model.ts";
import { readValues } from "../../../../engine/checkpoint/stored_blocks.ts";
import { Workbench } from "../../../../quant/gpu/workbench.ts";
import { device as gpu } from "../../../quant/backends.ts";

const folder = fileURLToPath(new URL("../../../golden/model/sharded-bf16", import.meta.url));

Deno.test({
  name: "weights come to a GPU as they are, and in float16 as near as it has them",
  ignore: gpu === undefined,
  fn: async () => {
    const model = await loadModel(folder);
    const { parts: { names } } = model.config;
    const at = `${names.layers}.1`;
    const [gate, up] = [names.gate, names.up].map((module) => `${at}.${module}.weight`);
    // Not stored in bfloat16, and beyond float16.
    const values = await readValues(model.tensors.get(up!)!);
    values.set([70000, -1e30, 65504, 1 / 3, Infinity]);
    const tensors = new Map(model.tensors);
    tensors.set(up!, {
      ...model.tensors.get(up!)!,
      dtype: "F32",
      inOrder: false,
      storedBytes: 4 * values.length,
      async *blocks() {
        yield new Uint8Array(values.buffer);
      },
      restore: (_, out) => out.set(values),
    });
    const wanted = [...await readValues(model.tensors.get(gate!)!), ...values];
    const bench = Workbench.of(gpu!);
    for (const precision of ["float32", "float16"] as const) {
      const weights = await uploadWeights(bench, { ...model, tensors }, precision);
      const { matrix } = weights.layers[1]!.gateAndUp;
      const half = precision === "float16";
      const words = await bench.read([{
        buffer: matrix,
        at: 0,
        words: wanted.length / (half ? 2 : 1),
      }]);
      if (!half) {
        assertEquals([...new Float32Array(words.buffer)], wanted);
        assertEquals(weights.saturated, 0);
      } else {
        const most = 65504;
        const nearest = new Float16Array(wanted.map((x) => Math.max(-most, Math.min(most, x))));
        assertEquals([...new Float16Array(words.buffer)], [...nearest]);
        assertEquals(weights.saturated, 3);
      }
      assert(bench.live > 0);
      for (const buffer of buffersOf(weights)) bench.free(buffer);
    }
  },
});

Deno.test({
  name: "blocks of few bits come whole to a GPU in float16",
  ignore: gpu === undefined,
  fn: async () => {
    const model = await loadModel(folder);
    const { shape, config } = model;
    const embedding = `${config.parts.names.embedding}.weight`;
    // In one block, and more than is brought at once.
    const vocab = (2 ** 23 + 2 ** 20) / shape.hidden;
    const count = vocab * shape.hidden;
    const tensors = new Map(model.tensors);
    tensors.set(embedding, {
      path: "",
      dtype: "Q4_0",
      shape: [vocab, shape.hidden],
      storedBytes: count / 2,
      async *blocks() {
        yield new Uint8Array(count / 2);
      },
      restore: (_, out) => out.forEach((_, i) => out[i] = i % 2048),
    });
    const bench = Workbench.of(gpu!);
    const larger = {
      ...{ ...model, tensors, shape: { ...shape, vocab } },
      config: { ...config, tiedEmbeddings: true },
    };
    const weights = await uploadWeights(bench, larger, "float16");
    const at = { buffer: weights.embedding, at: 0, words: count / 2 };
    const came = new Float16Array((await bench.read([at])).buffer);
    assertEquals(came.findIndex((value, i) => value !== i % 2048), -1);
    for (const buffer of buffersOf(weights)) bench.free(buffer);
  },
});

/** Every buffer among some weights, once. */
function buffersOf(value: object): Set<GPUBuffer> {
  const found = new Set<GPUBuffer>();
  for (const inner of Object.values(value)) {
    if (inner instanceof GPUBuffer) found.add(inner);
    else if (typeof inner === "object") { for (const own of buffersOf(inner)) found.add(own); }
  }
  return found;
}
