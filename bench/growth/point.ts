/**
 * The process that measures one point: how long a replay takes, what its reference takes, and how much
 * memory the process has come to hold. A process for each, since memory that was freed stays with it.
 *
 * ```sh
 * deno run -A bench/growth/point.ts PROMPT STEPS POLICIES LAYERS
 * ```
 *
 * @module
 */
import { loadModel } from "../../engine/checkpoint/model.ts";
import { openEngine } from "../../engine/devices/open.ts";
import { openHosts } from "../../evaluation/policy_choice.ts";
import { runSlice } from "../../evaluation/slice_run.ts";
import { randomSource } from "../../quant/numerics/random.ts";
import { Families } from "../../quant/registry.ts";
import { writeRandomModel } from "./random_model.ts";

/** What a point costs. */
export interface PointCost {
  /** Quantizing, restoring and the passes through the model, of all policies, in seconds. */
  readonly replay: number;
  /** The prompt's way through the model, in seconds. */
  readonly prefill: number;
  /** Most memory that the process was seen to hold, in bytes. */
  readonly memory: number;
}

/** What decides it. */
export interface Point {
  readonly prompt: number;
  readonly steps: number;
  readonly policies: number;
  readonly layers: number;
}

const POLICY = "kivi_overlap_4bit";
/** The first round compiles; of the others, so many and for so many seconds at least, the fastest counts. */
const ROUNDS = 2;
const SECONDS = 2;
const MOST_ROUNDS = 50;

async function measure({ prompt: tokens, steps, policies, layers }: Point): Promise<PointCost> {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-growth-" });
  try {
    await writeRandomModel(folder, layers);
    const engine = await openEngine(await loadModel(folder), "cpu");
    try {
      const random = randomSource(1);
      const prompt = Array.from({ length: tokens }, () => random.below(engine.shape.vocab));
      let memory = 0;
      const look = () => memory = Math.max(memory, Deno.memoryUsage().rss);
      const rounds: PointCost[] = [];
      const start = performance.now();
      const enough = () =>
        rounds.length >= MOST_ROUNDS ||
        rounds.length >= ROUNDS && performance.now() - start > 1000 * SECONDS;
      while (!enough()) {
        const { results } = await runSlice({
          slice: "growth",
          engine,
          families: new Families(),
          examples: [{ id: "random", dataset: "random", prompt, score: () => 1 }],
          hosts: Array.from({ length: policies }, () => openHosts([POLICY]).hosts[0]!),
          maxNewTokens: steps,
          budgetBits: 4,
          eosIds: [],
          decode: () => "",
          stepwise: false,
          events: { progress: look },
        });
        look();
        rounds.push({
          replay: results.reduce((sum, r) => sum + steps / r.numbers.decode_tokens_per_s, 0),
          prefill: results[0]!.numbers.prefill_latency_ms / 1000,
          memory,
        });
      }
      const least = (of: (cost: PointCost) => number) => Math.min(...rounds.slice(1).map(of));
      return { replay: least((c) => c.replay), prefill: least((c) => c.prefill), memory };
    } finally {
      await engine.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const [prompt, steps, policies, layers] = Deno.args.map(Number);
  const point = { prompt: prompt!, steps: steps!, policies: policies!, layers: layers! };
  console.log(JSON.stringify(await measure(point)));
}
