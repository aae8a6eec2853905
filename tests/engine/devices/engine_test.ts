import { assert, assertEquals, assertRejects } from "@std/assert";
import { InternalError } from "../../../errors.ts";
import { fileURLToPath } from "node:url";
import { renderPrompt } from "../../../benchmarks/datasets.ts";
import { loadSlice, sliceNames } from "../../../benchmarks/slices.ts";
import { type Engine, MASKED } from "../../../engine/engine.ts";
import { openCpuEngine } from "../../../engine/devices/cpu.ts";
import { loadModel } from "../../../engine/checkpoint/model.ts";
import { findModel } from "../../../engine/checkpoint/resolve.ts";
import { SafetensorsFile } from "../../../engine/checkpoint/safetensors.ts";
import { readValues } from "../../../engine/checkpoint/stored_blocks.ts";
import { freeReference, runReference } from "../../../replay/reference.ts";
import type { KvShape } from "../../../quant/tensor.ts";
import { causalMask, runCausally } from "./causal_run.ts";
import { testOnEngines } from "./engines.ts";

const GOLDEN = new URL("../../golden/model/", import.meta.url);
const golden = (name: string) => fileURLToPath(new URL(name, GOLDEN));

interface Case {
  readonly prompt: number[];
  readonly answers: Record<string, { prompt_tokens: number; tokens: number[] }>;
}

const cases: Record<string, Case> = JSON.parse(await Deno.readTextFile(golden("cases.json")));

/** Agreement that the models' outputs must have with Transformers'. */
const TOLERANCE = 1e-4;

function largestDifference(a: Float32Array, b: Float32Array): number {
  assertEquals(a.length, b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    // Also false for NaN, which Math.max would keep and a comparison would pass.
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

function assertClose(is: Float32Array, wanted: Float32Array, what: string): void {
  const difference = largestDifference(is, wanted);
  assert(difference <= TOLERANCE, `${what} differs by ${difference}`);
}

/** Compares what an engine computes for a prompt with a file of Transformers' tensors. */
async function assertAgrees(engine: Engine, prompt: number[], file: string, chunk: number) {
  const expected = await SafetensorsFile.open(golden(file));
  const wanted = async (name: string) =>
    await readValues(expected.tensor(expected.tensors.get(name)!));
  const rows = expected.tensors.get("logits")!.shape[0]!;
  const { logits, layers } = await runCausally(engine, prompt, chunk, rows);
  assertClose(logits, await wanted("logits"), "logits");
  for (const name of expected.tensors.keys()) {
    const [, layer, kind] = name.match(/^(?:present|query)\.(\d+)\.?(\w*)$/) ?? [];
    if (layer === undefined) continue;
    const record = layers[Number(layer)]!;
    const is = {
      "": record.query,
      key: record.key,
      value: record.value,
      key_pre_rope: record.preRopeKey,
    }[kind as "" | "key" | "value" | "key_pre_rope"];
    assertClose(is, await wanted(name), name);
  }
}

for (const name of ["mini", "mini-outlier"] as const) {
  testOnEngines(
    `${name} agrees with Transformers`,
    (await findModel(name)).path,
    async (engine) => {
      await assertAgrees(engine, cases[name]!.prompt, `${name}.safetensors`, 48);
    },
    { crossCheck: true },
  );
}

for (const name of ["sharded-bf16", "wide-heads-f16"]) {
  testOnEngines(`${name} agrees with Transformers`, golden(name), async (engine) => {
    await assertAgrees(engine, cases[name]!.prompt, `${name}/expected.safetensors`, 64);
    await assertAgrees(engine, cases[name]!.prompt, `${name}/expected.safetensors`, 7);
  }, { crossCheck: true });
}

/** Past of a prompt's tokens, its rows in the order `order` (indices may repeat). */
function reorderedPast(engine: Engine, layers: Kv[], tokens: number, order: number[]) {
  const { backend, shape } = engine;
  const size = (capacity: number) => ({
    heads: shape.kvHeads,
    capacity,
    headDim: shape.headDim,
  });
  const reordered = (data: Float32Array): KvShape => {
    const source = backend.upload(Float32Array.from(data), size(tokens));
    const target = backend.alloc(size(order.length));
    order.forEach((from, at) => backend.copy(source, from, 1, target, at));
    backend.free(source);
    return target;
  };
  return layers.map(({ key, value }) => ({ key: reordered(key), value: reordered(value) }));
}

interface Kv {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

testOnEngines("entries may be in any order and masked", golden("sharded-bf16"), async (engine) => {
  const { backend, shape } = engine;
  const prompt = cases["sharded-bf16"]!.prompt;
  const tokens = prompt.length - 1;
  const { layers } = await runCausally(engine, prompt, 64, 1);
  const cut = (data: Float32Array) => {
    const kept = new Float32Array(shape.kvHeads * tokens * shape.headDim);
    for (let head = 0; head < shape.kvHeads; head++) {
      const from = head * prompt.length * shape.headDim;
      const row = tokens * shape.headDim;
      kept.set(data.subarray(from, from + row), head * row);
    }
    return kept;
  };
  const known = layers.map(({ key, value }) => ({ key: cut(key), value: cut(value) }));
  const step = async (order: number[], mask: Float32Array<ArrayBuffer>, maskLayers: number) => {
    const past = reorderedPast(engine, known, tokens, order);
    const { logits } = await engine.forward({
      ids: [prompt[tokens]!],
      positions: [tokens],
      past,
      mask,
      maskLayers,
      logits: 1,
    });
    for (const { key, value } of past) [key, value].forEach((tensor) => backend.free(tensor));
    return logits;
  };
  const inOrder = Array.from({ length: tokens }, (_, i) => i);
  const plain = await step(inOrder, causalMask(1, tokens, true), 1);
  const backwards = await step(inOrder.toReversed(), causalMask(1, tokens, true), 1);
  assertClose(backwards, plain, "logits of a reversed past");

  // Every token twice, each layer hiding another half of the copies.
  const twice = [...inOrder, ...inOrder];
  const columns = 2 * tokens + 1;
  const masks = new Float32Array(shape.layers * columns);
  for (let l = 0; l < shape.layers; l++) {
    for (let i = 0; i < tokens; i++) {
      masks[l * columns + ((i + l) % 2 === 0 ? i : tokens + i)] = MASKED;
    }
  }
  const halved = await step(twice, masks, shape.layers);
  assertClose(halved, plain, "logits under a mask per layer");
  const doubled = await step(twice, causalMask(1, 2 * tokens, true), 1);
  assert(largestDifference(doubled, plain) > TOLERANCE, "copies that are not hidden must count");
}, { crossCheck: true });

for (const name of ["mini", "mini-outlier"] as const) {
  Deno.test({
    name: `${name} answers like Transformers (cpu)`,
    fn: async () => {
      const model = await loadModel((await findModel(name)).path);
      const engine = await openCpuEngine(model);
      try {
        for (const slice of sliceNames) {
          const [example] = await loadSlice(slice);
          const user = [{ role: "user", content: renderPrompt(example!) }] as const;
          const prompt = model.tokenizer.encode(model.renderChat(user));
          const wanted = cases[name]!.answers[slice]!;
          assertEquals(prompt.length, wanted.prompt_tokens);
          const reference = await runReference(engine, prompt, 32, model.eosIds);
          assertEquals(reference.tokens, wanted.tokens);
          freeReference(engine, reference);
        }
      } finally {
        await engine.close();
      }
    },
  });
}

testOnEngines("wrong sizes are refused", golden("sharded-bf16"), async (engine) => {
  const { backend, shape } = engine;
  const tensor = (capacity: number) =>
    backend.alloc({ heads: shape.kvHeads, capacity, headDim: shape.headDim });
  const past = Array.from({ length: shape.layers }, () => ({ key: tensor(2), value: tensor(2) }));
  const right = {
    ids: [1],
    positions: [0],
    past,
    mask: new Float32Array(3),
    maskLayers: 1,
    logits: 1,
  };
  const longer = tensor(3);
  const wrong = [
    [{ past: past.slice(1) }, "the past of 2 layers, not of 1"],
    [{ past: [past[0]!, { key: longer, value: past[1]!.value }] }, "[2, 2, 8], not [2, 3, 8]"],
    [{ positions: [] }, "not 0 for 1"],
    [{ ids: [264] }, "ids below 264, not 264"],
    [{ positions: [128] }, "positions below 128, not 128"],
    [{ logits: 2 }, "between 1 and 1 rows of logits, not 2"],
    [{ maskLayers: 3 }, "1 or 2 layers, not for 3"],
    [{ mask: new Float32Array(4) }, "[1, 1, 3] values, not of 4 values"],
  ] as const;
  for (const [change, message] of wrong) {
    await assertRejects(() => engine.forward({ ...right, ...change }), InternalError, message);
  }
  assertEquals((await engine.forward(right)).logits.length, shape.vocab);
  for (const { key, value } of past) [key, value].forEach((t) => backend.free(t));
  backend.free(longer);
}, { crossCheck: true });
