/** The decoder on a GPU, with every tile of its products and of its attention. */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { openEngine } from "../../../../engine/devices/open.ts";
import { loadModel } from "../../../../engine/checkpoint/model.ts";
import { allocLayers, feed } from "../../../../engine/prefill.ts";
import type { Engine } from "../../../../engine/engine.ts";
import { device as gpu } from "../../../quant/backends.ts";
import { causalMask, runCausally } from "../causal_run.ts";
import { assertNoBuffersLeft } from "../engines.ts";

const golden = (name: string) =>
  fileURLToPath(new URL(`../../../golden/model/${name}`, import.meta.url));

/** Largest difference, as a share of the largest entry that is wanted. */
function difference(is: Float32Array, wanted: Float32Array): number {
  assertEquals(is.length, wanted.length);
  let [far, largest] = [0, 0];
  for (const [i, value] of wanted.entries()) {
    const off = Math.abs(is[i]! - value);
    if (!(off <= far)) far = off;
    largest = Math.max(largest, Math.abs(value));
  }
  return far / largest;
}

// Tokens of a prompt: more than one tile of each kernel has.
const TOKENS = 118;

for (const name of ["sharded-bf16", "wide-heads-f16"]) {
  Deno.test({
    name: `${name} is the same in chunks of any size`,
    ignore: gpu === undefined,
    fn: async () => {
      const model = await loadModel(golden(name));
      const ids = Array.from({ length: TOKENS }, (_, i) => (7 * i + 3) % model.shape.vocab);
      const wanted = await withEngine(
        () => openEngine(model, "cpu"),
        (engine) => runCausally(engine, ids, TOKENS, 2),
      );
      for (const [precision, bound] of [["float32", 1e-5], ["float16", 5e-3]] as const) {
        await withEngine(() => openEngine(model, "webgpu", { precision }), async (engine) => {
          for (const chunk of [TOKENS, 70, 29, 8]) {
            const { logits, layers } = await runCausally(engine, ids, chunk, 2);
            const what = `in ${precision}, chunks of ${chunk}`;
            const off = difference(logits, wanted.logits);
            assert(off <= bound, `logits differ by ${off} ${what}`);
            for (const [l, layer] of layers.entries()) {
              for (const kind of ["key", "value", "preRopeKey", "query"] as const) {
                const off = difference(layer[kind], wanted.layers[l]![kind]);
                assert(off <= bound, `${kind} of layer ${l} differs by ${off} ${what}`);
              }
            }
          }
        });
      }
    },
  });
}

Deno.test({
  name: "a pass that is said to be causal is what its mask says",
  ignore: gpu === undefined,
  fn: async () => {
    const model = await loadModel(golden("sharded-bf16"));
    await withEngine(() => openEngine(model, "webgpu"), async (engine) => {
      const { backend } = engine;
      const ids = Array.from({ length: 50 }, (_, i) => (5 * i + 1) % model.shape.vocab);
      const known = async (silent: boolean) => {
        const layers = allocLayers(engine, ids.length);
        // In two chunks, the past of the second with room to spare.
        const own: Engine = {
          ...{ device: engine.device, shape: engine.shape, fingerprint: "", backend },
          prefillChunk: () => 30,
          forward: ({ causal, ...input }) =>
            engine.forward({ ...input, ...(silent ? {} : { causal: causal! }) }),
          close: () => Promise.resolve(),
        };
        await feed(own, ids, layers);
        const data = await Promise.all(
          layers.flatMap(({ key, value }) => [backend.read(key), backend.read(value)]),
        );
        for (const { key, value } of layers) [key, value].forEach((t) => backend.free(t));
        return data;
      };
      const [said, read] = [await known(false), await known(true)];
      for (const [i, data] of said.entries()) assert(difference(data, read[i]!) <= 1e-6);
    });
  },
});

Deno.test({
  name: "logits are the same where the last layer looks from their rows alone",
  ignore: gpu === undefined,
  fn: async () => {
    const model = await loadModel(golden("sharded-bf16"));
    const ids = Array.from({ length: TOKENS }, (_, i) => (5 * i + 1) % model.shape.vocab);
    for (const [precision, bound] of [["float32", 1e-6], ["float16", 5e-3]] as const) {
      await withEngine(() => openEngine(model, "webgpu", { precision }), async (engine) => {
        const { backend, shape: { layers, kvHeads, headDim } } = engine;
        const entries = () => backend.alloc({ heads: kvHeads, capacity: 1, headDim });
        const past = Array.from({ length: layers }, () => ({ key: entries(), value: entries() }));
        const run = async (logits: number, said: boolean, all: boolean) => {
          const out = await engine.forward({
            ...{ ids, positions: ids.map((_, i) => i), past, logits, maskLayers: 1 },
            mask: said ? new Float32Array() : causalMask(TOKENS, 1, false),
            ...(said ? { causal: 0 } : {}),
            outputs: all ? "all" : "none",
          });
          for (const { key, value, preRopeKey, query } of out.layers) {
            for (const tensor of [key, value, preRopeKey!, query!]) backend.free(tensor);
          }
          return out.logits;
        };
        for (const logits of [1, 11, 90]) {
          const wanted = await run(logits, true, true);
          for (const said of [true, false]) {
            const off = difference(await run(logits, said, false), wanted);
            assert(off <= bound, `${logits} rows differ by ${off} in ${precision}`);
          }
        }
        for (const { key, value } of past) [key, value].forEach((t) => backend.free(t));
      });
    }
  },
});

async function withEngine<R>(
  openOne: () => Promise<Engine>,
  body: (engine: Engine) => Promise<R>,
): Promise<R> {
  const engine = await openOne();
  try {
    return await body(engine);
  } finally {
    await engine.close();
    assertNoBuffersLeft(engine);
  }
}
