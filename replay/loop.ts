/**
 * The replay of one example under one policy: at every step snapshot, quantize, restore, metric.
 *
 * Steps are independent given the restored tensors, so consecutive steps under one plan share one
 * pass through the model (see restore.ts); `stepwise` gives every step stores of its own and a pass
 * of its own, and must give the same numbers.
 *
 * @module
 */
import { KV_KINDS } from "../quant/family.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { StepQuestion } from "../policies/ask.ts";
import type { PlannedStep, Planner } from "../policies/plan.ts";
import type { RequestMeta } from "../policies/policy.ts";
import type { PeakStep } from "./audit.ts";
import type { Engine } from "../engine/engine.ts";
import {
  cacheElements,
  compare,
  entriesPerToken,
  type StepOutcome,
  TokenSquares,
} from "./metric.ts";
import { type CellPlan, type OpenStore, type Plan, planKey, QuantizedCache } from "./quantize.ts";
import { addExtras, fedIds, type Reference } from "./reference.ts";
import { type PassStep, restore } from "./restore.ts";
import type { RotaryTables } from "../engine/rotary.ts";
import { snapshot, Sources } from "./snapshot.ts";
import { StatsSource } from "./token_stats.ts";

/** What the replay of an example is given. */
export interface ReplayInput<T extends KvShape> {
  readonly engine: Engine<T>;
  readonly open: OpenStore<T>;
  readonly reference: Reference<T>;
  readonly planner: Pick<Planner, "plan">;
  readonly rope: () => RotaryTables<T>;
  readonly request: Omit<RequestMeta, "cache_tokens" | "prompt_tokens">;
  readonly budgetBits: number;
  /** Whether the policy defines `use_attentions`, so that attention statistics are due. */
  readonly attentionStats: boolean;
  readonly stepwise: boolean;
  /** Statistics shared by the policies of a run; made here when absent. */
  readonly stats?: StatsSource<T>;
}

/** The steps of one example and the time they took. */
export interface Replayed {
  readonly steps: readonly StepOutcome[];
  /** Wall time of quantize, restore and model step, in seconds. */
  readonly seconds: number;
  /** Replayed logits, `[steps, vocab]`. */
  readonly logits: Float32Array;
  /**
   * Mean width of the codes stored at the last step, `widths[layer][kind][head]`, to half a bit; what
   * the plan says where none are stored, and 16 where the cache is exact.
   */
  readonly widths: readonly (readonly (readonly number[])[])[];
  /** The first step at which the quantized cache was largest. */
  readonly peak: PeakStep;
}

/** Replays every step of an example. */
export async function replayExample<T extends KvShape>(input: ReplayInput<T>): Promise<Replayed> {
  const run = new ExampleReplay(input);
  try {
    return await run.run();
  } finally {
    run.free();
  }
}

class ExampleReplay<T extends KvShape> {
  readonly #ids: number[];
  readonly #stats: StatsSource<T>;
  readonly #steps: StepOutcome[] = [];
  readonly #sizes: { bytes: number; codes: number; codeBits: number }[] = [];
  readonly #logits: Float32Array;
  #cache: QuantizedCache<T> | undefined;
  #needs = "";
  #pass: PassStep[] = [];
  #seconds = 0;
  #lastPlan: Plan = [];
  #begun: number[] = [];
  #peak: PeakStep | undefined;

  constructor(private readonly input: ReplayInput<T>) {
    this.#ids = fedIds(input.reference);
    this.#stats = input.stats ?? new StatsSource(input.engine, input.reference);
    this.#logits = new Float32Array(this.#ids.length * input.engine.shape.vocab);
  }

  async run(): Promise<Replayed> {
    for (let step = 0; step < this.#ids.length; step++) {
      const { tokens } = snapshot(this.input.reference, step);
      const planned = await this.#plan(step, tokens);
      await this.#prepare(planned);
      this.#noteBegun(planned.plan, step);
      this.#lastPlan = planned.plan;
      await this.#quantize(planned.plan, step, tokens);
      this.#notePeak(planned, step, tokens);
    }
    await this.#flush();
    return {
      steps: this.#steps,
      seconds: this.#seconds,
      logits: this.#logits,
      widths: this.#widths(),
      peak: this.#peak!,
    };
  }

  /** Notes where stores start again because their settings changed. */
  #noteBegun(plan: Plan, step: number): void {
    const key = (cell: CellPlan | undefined) =>
      cell === undefined || cell === "exact" ? cell : planKey(cell);
    this.#begun = plan.map((cell, i) =>
      this.#begun[i] === undefined || key(cell) !== key(this.#lastPlan[i]) ? step : this.#begun[i]
    );
  }

  #notePeak({ plan, needs }: PlannedStep, step: number, tokens: number): void {
    const { bytes } = this.#sizes.at(-1)!;
    if (this.#peak !== undefined && bytes <= this.#peak.bytes) return;
    this.#peak = { step, tokens, bytes, plan, begun: this.#begun, needs };
  }

  #widths(): number[][][] {
    const { layers, kvHeads } = this.input.engine.shape;
    const { tokens } = snapshot(this.input.reference, this.#ids.length - 1);
    const heads = (width: number) => new Array<number>(kvHeads).fill(width);
    return Array.from({ length: layers }, (_, layer) =>
      KV_KINDS.map((_, kind) => {
        const index = layer * KV_KINDS.length + kind;
        const cell = this.#lastPlan[index]!;
        if (cell === "exact") return heads(16);
        const coded = this.#cache!.buffers(index, tokens)
          .find(({ bits, codes }) => bits !== undefined && codes!.some((count) => count > 0));
        const widths = coded?.bits ?? cell.bits;
        // One mean for all heads, where they are coded together.
        return (widths.length === kvHeads ? widths : heads(widths[0]!))
          .map((width) => Math.round(2 * width) / 2);
      }));
  }

  free(): void {
    this.#cache?.free();
    this.#cache = undefined;
  }

  #plan(step: number, tokens: number): Promise<PlannedStep> {
    const { engine, budgetBits, request, planner, reference, attentionStats } = this.input;
    const used = this.#usedBits();
    const question: StepQuestion = {
      budget: {
        budget_bits: budgetBits,
        used_bits: used,
        remaining_bits: budgetBits - used,
        step,
        total_steps: null,
        layers: engine.shape.layers,
        kv_heads: engine.shape.kvHeads,
        head_dim: engine.shape.headDim,
      },
      request: {
        ...request,
        prompt_tokens: reference.prompt.length,
        cache_tokens: tokens,
      },
      stats: (layer, kind, head) => this.#stats.at(layer, kind, head, tokens),
    };
    return planner.plan(question, () => this.#stats.load(attentionStats));
  }

  /** Average stored bits per entry over the steps so far. */
  #usedBits(): number {
    const bytes = this.#sizes.reduce((sum, s) => sum + s.bytes, 0);
    const elements = this.#sizes.reduce(
      (sum, _, step) =>
        sum + cacheElements(this.input.engine.shape, snapshot(this.input.reference, step).tokens),
      0,
    );
    return elements === 0 ? 0 : 8 * bytes / elements;
  }

  /** Opens the cache, again when a plan needs tensors that were not asked for before. */
  async #prepare({ needs }: PlannedStep): Promise<void> {
    const key = JSON.stringify([needs.preRope ?? false, needs.queries ?? false]);
    if (this.#cache !== undefined && key === this.#needs) return;
    await this.#flush();
    this.free();
    const { engine, reference, open, rope } = this.input;
    if (needs.preRope || needs.queries) await addExtras(engine, reference);
    const sources = new Sources(reference, needs, needs.preRope ? rope() : undefined);
    const longest = snapshot(reference, this.#ids.length - 1).tokens;
    this.#begun = [];
    this.#cache = new QuantizedCache(sources, open, engine.shape.layers, longest);
    this.#needs = key;
  }

  async #quantize(plan: Plan, step: number, tokens: number): Promise<void> {
    const cache = this.#cache!;
    const { shape } = this.input.engine;
    const start = performance.now();
    let elsewhere = 0;
    if (this.#pass.length > 0 && (this.input.stepwise || cache.breaks(plan, tokens))) {
      this.#seconds += (performance.now() - start) / 1000;
      const flushStart = performance.now();
      await this.#flush();
      elsewhere = performance.now() - flushStart;
    }
    cache.grow(plan, tokens, this.input.stepwise);
    if (cache.sizesNeedSettle) await cache.settle();
    const ranges = cache.ranges();
    this.#seconds += (performance.now() - start - elsewhere) / 1000;
    this.#pass.push({ step, tokens, ranges });

    const perToken = entriesPerToken({ heads: shape.kvHeads, headDim: shape.headDim });
    const size = { bytes: 0, codes: 0, codeBits: 0 };
    for (const [i, range] of ranges.entries()) {
      size.bytes += cache.bytes(i, tokens, range, perToken);
      for (const buffer of cache.buffers(i, tokens)) {
        buffer.codes?.forEach((codes, head) => {
          size.codes += codes;
          size.codeBits += codes * (buffer.bits?.[head] ?? 0);
        });
      }
    }
    this.#sizes.push(size);
  }

  /** Restores the pass, predicts its tokens again and compares. */
  async #flush(): Promise<void> {
    const pass = this.#pass;
    if (pass.length === 0) return;
    this.#pass = [];
    const cache = this.#cache!;
    const { engine, reference } = this.input;
    const { backend, shape } = engine;

    const start = performance.now();
    const memory = restore(backend, reference.layers, cache, pass);
    const { logits } = await engine.forward({
      ids: pass.map(({ step }) => this.#ids[step]!),
      positions: pass.map(({ tokens }) => tokens),
      past: memory.past,
      mask: memory.mask,
      maskLayers: memory.maskLayers,
      logits: pass.length,
    });
    await cache.settle();
    this.#seconds += (performance.now() - start) / 1000;

    const tokens = pass.at(-1)!.tokens;
    const squares = (await backend.tokenSquares(
      reference.layers.flatMap((kv, layer) => [
        { real: kv.key, restored: memory.past[layer]!.key, tokens },
        { real: kv.value, restored: memory.past[layer]!.value, tokens },
      ]),
    )).map((s) => new TokenSquares(s));
    for (const { key, value } of memory.past) {
      backend.free(key);
      backend.free(value);
    }
    const cells = shape.layers * KV_KINDS.length;
    for (const [row, { step, tokens: n, ranges }] of pass.entries()) {
      const at = step * shape.vocab;
      this.#logits.set(logits.subarray(row * shape.vocab, (row + 1) * shape.vocab), at);
      const squaredError = squares.reduce((sum, s, i) => sum + s.ratio(n, ranges[i]!), 0) / cells;
      this.#steps.push({
        ...compare(reference.logits, at, this.#logits, at, shape.vocab),
        step,
        referenceToken: reference.tokens[step]!,
        squaredError,
        elements: cacheElements(shape, n),
        ...this.#sizes[step]!,
      });
    }
  }
}
