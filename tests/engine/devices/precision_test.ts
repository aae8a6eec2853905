/** The engine in float16: refused where it cannot be, else near float32. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { renderPrompt } from "../../../benchmarks/datasets.ts";
import { loadSlice } from "../../../benchmarks/slices.ts";
import { findAdapter } from "../../../engine/devices/adapter.ts";
import { openEngine } from "../../../engine/devices/open.ts";
import { openWebGpuEngine } from "../../../engine/devices/webgpu.ts";
import { loadModel } from "../../../engine/checkpoint/model.ts";
import { findModel } from "../../../engine/checkpoint/resolve.ts";
import { UserError } from "../../../errors.ts";
import { compare } from "../../../replay/metric.ts";
import { runReference } from "../../../replay/reference.ts";
import { assertNoBuffersLeft } from "./engines.ts";

const folder = fileURLToPath(new URL("../../golden/model/wide-heads-f16", import.meta.url));
const found = await findAdapter();
const ignore = Deno.env.get("KVREPLAY_REQUIRE_GPU") !== "1" && found === undefined;

for (const device of ["cpu", "wasm", "webgpu-onnx"] as const) {
  Deno.test(`float16 is refused on ${device}`, async () => {
    const model = await loadModel(folder);
    await assertRejects(
      () => openEngine(model, device, { precision: "float16" }),
      UserError,
      `Device ${device} computes in float32; float16 needs --device webgpu`,
    );
  });
}

Deno.test({
  name: "float16 is refused on a GPU that does not have it",
  ignore,
  fn: async () => {
    const plain = { ...found!, adapter: { features: new Set() } as unknown as GPUAdapter };
    await assertRejects(
      async () => openWebGpuEngine(await loadModel(folder), plain, { precision: "float16" }),
      UserError,
      "does not compute in float16; use --precision float32",
    );
  },
});

Deno.test({
  name: "in float16 mini predicts what it predicts in float32",
  ignore,
  fn: async () => {
    const model = await loadModel((await findModel("mini")).path);
    const [example] = await loadSlice("reasoning");
    const turn = model.renderChat([{ role: "user", content: renderPrompt(example!) }]);
    const prompt = model.tokenizer.encode(turn);
    const run = async (precision: "float32" | "float16") => {
      const engine = await openEngine(model, "webgpu", { precision });
      const reference = await runReference(engine, prompt, 4, model.eosIds);
      for (const { key, value } of reference.layers) {
        engine.backend.free(key);
        engine.backend.free(value);
      }
      await engine.close();
      assertNoBuffersLeft(engine);
      return { ...reference, fingerprint: engine.fingerprint };
    };
    // The runtime opens one after the other.
    const whole = await run("float32");
    const half = await run("float16");
    assertEquals(half.tokens, whole.tokens);
    assert(half.fingerprint !== whole.fingerprint);
    const { vocab } = model.shape;
    for (const step of whole.tokens.keys()) {
      const { kl } = compare(whole.logits, step * vocab, half.logits, step * vocab, vocab);
      // The same would mean that nothing was computed in float16.
      assert(kl > 0 && kl < 1e-3, `at step ${step} the distributions are ${kl} apart`);
    }
  },
});
