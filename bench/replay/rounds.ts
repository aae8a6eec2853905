/**
 * How fast a model opens, prefills, decodes and is replayed on a device, in rounds of one process:
 * the first compiles kernels, the others are what a longer run goes on with.
 *
 * ```sh
 * deno run -A bench/replay/rounds.ts MODEL webgpu|webgpu-onnx|cpu float32|float16 [prompt tokens, 2049] [steps, 32]
 * ```
 *
 * The prompt is made of ids drawn at random, so that random weights serve as well as any others.
 *
 * @module
 */
import { openEngine, type Precision } from "../../engine/devices/open.ts";
import { loadModel } from "../../engine/checkpoint/model.ts";
import { findModel } from "../../engine/checkpoint/resolve.ts";
import { openHosts } from "../../evaluation/policy_choice.ts";
import { runSlice } from "../../evaluation/slice_run.ts";
import { Families } from "../../quant/registry.ts";
import { randomSource } from "../../quant/numerics/random.ts";
import { freeReference, runReference } from "../../replay/reference.ts";

const POLICIES = [
  "reference",
  "kivi_overlap_4bit",
  "uniform_quant_4bit",
  "skvq_overlap_2bit",
  "turboquant_3bit",
  "hf_quanto_4bit",
] as const;
const ROUNDS = 4;

const [name = "mini", device = "webgpu", precision = "float32", tokens = "2049", steps = "32"] =
  Deno.args;
const promptTokens = Number(tokens);
const maxNewTokens = Number(steps);
if (
  (device !== "webgpu" && device !== "webgpu-onnx" && device !== "cpu") ||
  !(precision === "float32" || precision === "float16")
) {
  console.error(
    `Give webgpu, webgpu-onnx or cpu, and float32 or float16, not ${device} ${precision}`,
  );
  Deno.exit(2);
}
const model = await loadModel((await findModel(name)).path);
const opened = performance.now();
const engine = await openEngine(model, device, { precision: precision as Precision });
const openSeconds = (performance.now() - opened) / 1000;
const random = randomSource(1);
const prompt = Array.from({ length: promptTokens }, () => random.below(engine.shape.vocab));
console.log(
  `${name} on ${device} (${engine.gpuName ?? "cpu"}), ${precision}: opened in ${
    openSeconds.toFixed(1)
  } s; ${promptTokens} tokens, ${maxNewTokens} steps`,
);
console.log(["round", "prefill ms", "decode ms a token", ...POLICIES].join("\t"));
const { hosts } = openHosts(POLICIES);
try {
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    const reference = await runReference(engine, prompt, maxNewTokens, []);
    const decoded = performance.now() - start - reference.prefillMs;
    freeReference(engine, reference);
    const { results } = await runSlice({
      slice: "rounds",
      engine,
      families: new Families(),
      examples: [{ id: "random", dataset: "random", prompt, score: () => 1 }],
      hosts,
      maxNewTokens,
      budgetBits: 4,
      eosIds: [],
      decode: () => "",
      stepwise: false,
    });
    console.log([
      round,
      reference.prefillMs.toFixed(1),
      (decoded / maxNewTokens).toFixed(1),
      ...results.map(({ numbers }) => numbers.decode_tokens_per_s.toFixed(1)),
    ].join("\t"));
    if (round + 1 === ROUNDS) {
      console.log(
        `quality\t\t\t${results.map(({ numbers }) => numbers.quality_main.toFixed(4)).join("\t")}`,
      );
    }
  }
} finally {
  await engine.close();
}
