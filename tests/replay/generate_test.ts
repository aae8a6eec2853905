/** Decoding from a policy's own cache, against stores that are opened anew at every step. */
import { assertEquals, assertNotEquals } from "@std/assert";
import type { Engine } from "../../engine/engine.ts";
import type { Model } from "../../engine/checkpoint/model.ts";
import { allocLayers, feed } from "../../engine/prefill.ts";
import { Rotary } from "../../engine/rotary.ts";
import { Planner } from "../../policies/plan.ts";
import { hostBuiltin, type PolicyName } from "../../policies/registry.ts";
import type { KvShape } from "../../quant/tensor.ts";
import { builtInFamilies } from "../../quant/registry.ts";
import { generate, type GenerateInput } from "../../replay/generate.ts";
import { predict } from "../../replay/predict.ts";
import { QuantizedCache, storesBeside } from "../../replay/quantize.ts";
import { questionAt } from "../../replay/question_at.ts";
import {
  addPreRopeKeys,
  addQueries,
  argmax,
  freeReference,
  prefilled,
  type Reference,
  runReference,
} from "../../replay/reference.ts";
import { Sources } from "../../replay/snapshot.ts";
import { StatsSource } from "../../replay/token_stats.ts";
import { testOnEngines } from "../engine/devices/engines.ts";

const STEPS = 5;

/** Policies without a calibration, of every family that has one. */
const POLICIES: readonly PolicyName[] = [
  ...["reference", "uniform_quant_2bit", "kivi_overlap_2bit", "skvq_overlap_2bit"] as const,
  ...["qaq_attention", "turboquant_3bit", "hf_quanto_4bit", "hf_hqq_4bit", "squat_2bit"] as const,
];

function inputOf(
  engine: Engine,
  reference: Reference<KvShape>,
  rope: Rotary<KvShape>,
  name: PolicyName,
): GenerateInput<KvShape> {
  const host = hostBuiltin(name);
  const { layers, kvHeads: heads, headDim } = engine.shape;
  const planner = new Planner(host, { layers, heads, headDim }, {
    families: builtInFamilies,
    budgetBits: 4,
    calibrationMode: "none",
  });
  return {
    engine,
    open: storesBeside(engine, builtInFamilies),
    reference,
    planner,
    rope: rope.get,
    request: { slice: "s", dataset: "d", max_new_tokens: STEPS },
    budgetBits: 4,
    mostCodeBits: Infinity,
    attentionStats: false,
    maxNewTokens: STEPS,
    ended: () => false,
  };
}

/** The same with a cache that is made anew at every step, from copies of exactly its tokens. */
async function generateAnew(input: GenerateInput<KvShape>): Promise<number[]> {
  const { engine, reference, planner, open, rope } = input;
  const { backend } = engine;
  const known = prefilled(reference);
  let layers = allocLayers(engine, known);
  await feed(engine, reference.prompt.slice(0, known), layers);
  let queries = (await addQueries(engine, reference)).map((query) => {
    const { heads, headDim } = query;
    const own = backend.alloc({ heads, capacity: known, headDim });
    backend.copy(query, 0, known, own, 0);
    return own;
  });
  /** A tensor with one more token. */
  const grown = (tensor: KvShape, more: KvShape) => {
    const { heads, headDim, capacity } = tensor;
    const longer = backend.alloc({ heads, headDim, capacity: capacity + 1 });
    backend.copy(tensor, 0, capacity, longer, 0);
    backend.copy(more, 0, 1, longer, capacity);
    backend.free(tensor);
    backend.free(more);
    return longer;
  };
  const tokens: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const n = known + step;
    const live: Reference<KvShape> = { ...reference, tokens: [], layers, queries };
    delete live.preRopeKeys;
    const { plan, needs } = await planner.plan(
      questionAt({ ...input, reference: live }, new StatsSource(engine, live), 0, step, n),
      () => Promise.resolve(),
    );
    if (needs.preRope) addPreRopeKeys(engine, live, rope());
    const sources = new Sources(live, needs, needs.preRope ? rope() : undefined);
    const cache = new QuantizedCache(sources, open, engine.shape.layers, n);
    // What carries its state has seen the shorter caches too.
    for (let length = known; length <= n; length++) {
      cache.grow(plan, length);
      await cache.settle();
    }
    const pass = [{ step, tokens: n, ranges: cache.ranges() }];
    const id = step === 0 ? reference.prompt.at(-1)! : tokens.at(-1)!;
    const out = await predict(engine, live, cache, pass, [id], { outputs: "all" });
    cache.free();
    for (const tensor of live.preRopeKeys ?? []) backend.free(tensor);
    layers = layers.map(({ key, value }, l) => ({
      key: grown(key, out.layers[l]!.key),
      value: grown(value, out.layers[l]!.value),
    }));
    queries = queries.map((query, l) => grown(query, out.layers[l]!.query!));
    for (const { preRopeKey } of out.layers) backend.free(preRopeKey!);
    tokens.push(argmax(out.logits));
  }
  for (const { key, value } of layers) {
    backend.free(key);
    backend.free(value);
  }
  for (const query of queries) backend.free(query);
  return tokens;
}

async function check(engine: Engine, model: Model): Promise<void> {
  const text = "The lamp is kept in box 12 and the coin in box 7. ".repeat(8) + "The coin is in";
  const prompt = model.tokenizer.encode(text);
  const reference = await runReference(engine, prompt, STEPS, []);
  const rope = new Rotary(engine, prompt.length + STEPS);
  const seen = new Set<string>();
  try {
    for (const name of POLICIES) {
      const tokens = await generate(inputOf(engine, reference, rope, name));
      assertEquals(tokens, await generateAnew(inputOf(engine, reference, rope, name)), name);
      if (name === "reference") assertEquals(tokens, [...reference.tokens]);
      seen.add(String(tokens));
    }
    // The caches differ, or nothing was tested.
    assertNotEquals(seen.size, 1);
    const input = inputOf(engine, reference, rope, "reference");
    const ended = (ids: readonly number[]) => ids.length === 2;
    assertEquals(await generate({ ...input, ended }), reference.tokens.slice(0, 2));
  } finally {
    freeReference(engine, reference);
    rope.free();
  }
}

testOnEngines("a reply is decoded from the cache that its own tokens fill", "models/mini", check);
