/**
 * One sample, run once in full precision and then replayed under as many plans as are asked about.
 *
 * @module
 */
import type { StartedPolicy } from "../evaluation/started_policy.ts";
import { MOST_BUDGET_BITS } from "../policies/check.ts";
import { KV_KINDS, type Needs } from "../quant/family.ts";
import { exactSettings } from "../quant/families/exact/exact.ts";
import type { Families } from "../quant/registry.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { Engine, ModelShape } from "../engine/engine.ts";
import { type Replayed, replayExample } from "../replay/loop.ts";
import { quality } from "../replay/metric.ts";
import type { PolicyOnExample } from "../replay/policy_on_example.ts";
import { type OpenStore, type Plan, storesBeside } from "../replay/quantize.ts";
import { allocLayers, feed } from "../engine/prefill.ts";
import { argmax, freeReference, type Reference } from "../replay/reference.ts";
import { Rotary } from "../engine/rotary.ts";
import type { SearchSample } from "./samples.ts";

/** What a plan did to one sample, or to several of equal weight. */
export interface PlanCost {
  /** Mean over the target's tokens of `KL(p_exact || p_plan)`, in nats. */
  readonly kl: number;
  /** `quality_main` of the contract, matches counted against what the exact model predicts. */
  readonly quality: number;
  /**
   * Points that `quality_main` is expected to lose. A match counts by its chance `exp(-KL)`: one
   * token on the edge would otherwise outweigh everything that a single lane does.
   */
  readonly loss: number;
  /** Mean width of the codes, in bits; 16 where there are none. */
  readonly codeBits: number;
  /** Stored bits per cache entry, parameters and exact window included. */
  readonly storedBits: number;
}

/** What decides a plan at every step, and the stores that it is carried out in. */
type Planned<T extends KvShape> = Pick<PolicyOnExample<T>, "open" | "planner">;

/** A sample with its full-precision run. */
export class SampleReplay<T extends KvShape> {
  readonly #rope: Rotary<T>;
  readonly #open: OpenStore<T>;

  private constructor(
    private readonly engine: Engine<T>,
    private readonly families: Families,
    private readonly sample: SearchSample,
    private readonly reference: Reference<T>,
  ) {
    this.#rope = new Rotary(engine, sample.prompt.length + sample.target.length);
    this.#open = storesBeside(engine, families);
  }

  /** Runs the sample, its target included, in full precision. */
  static async open<T extends KvShape>(
    engine: Engine<T>,
    families: Families,
    sample: SearchSample,
  ): Promise<SampleReplay<T>> {
    const { prompt, target } = sample;
    const ids = [...prompt, ...target.slice(0, -1)];
    const layers = allocLayers(engine, ids.length);
    await feed(engine, ids, layers);
    const { vocab } = engine.shape;
    const logits = new Float32Array(target.length * vocab);
    const reference: Reference<T> = {
      prompt,
      tokens: target,
      logits,
      layers,
      prefillMs: 0,
    };
    const replay = new SampleReplay(engine, families, sample, reference);
    try {
      await replay.#run(replay.#fixed(exactPlan(engine.shape)), MOST_BUDGET_BITS, logits);
    } catch (error) {
      replay.free();
      throw error;
    }
    return replay;
  }

  /** Replays the target under a plan. */
  async cost(plan: Plan): Promise<PlanCost> {
    return this.#costOf(await this.#run(this.#fixed(plan), MOST_BUDGET_BITS));
  }

  /**
   * Replays the target under a policy that plans by itself.
   *
   * @param budgetBits that it is told of
   */
  async costUnder(
    { planner, families }: Pick<StartedPolicy, "planner" | "families">,
    budgetBits: number,
  ): Promise<PlanCost> {
    const open = storesBeside(this.engine, families);
    return this.#costOf(await this.#run({ planner, open }, budgetBits));
  }

  #costOf({ steps }: Replayed): PlanCost {
    const { logits } = this.reference;
    const { vocab } = this.engine.shape;
    const sum = (of: (step: typeof steps[number]) => number) =>
      steps.reduce((total, step) => total + of(step), 0);
    const mean = (of: (step: typeof steps[number]) => number) => sum(of) / steps.length;
    const codes = sum((s) => s.codes);
    const matches = mean(({ step, token }) =>
      token === argmax(logits, step * vocab, vocab) ? 1 : 0
    );
    const agreement = mean((s) => Math.exp(-s.kl));
    const cacheError = Math.sqrt(mean((s) => s.squaredError));
    return {
      kl: mean((s) => s.kl),
      quality: quality(matches, agreement, cacheError),
      loss: 100 - quality(agreement, agreement, cacheError),
      codeBits: codes > 0 ? sum((s) => s.codeBits) / codes : 0,
      storedBits: 8 * sum((s) => s.bytes) / sum((s) => s.elements),
    };
  }

  /** Frees the sample's tensors. */
  free(): void {
    freeReference(this.engine, this.reference);
    this.#rope.free();
  }

  #fixed(plan: Plan): Planned<T> {
    const planned = { plan, needs: this.#needsOf(plan) };
    return { open: this.#open, planner: { plan: () => Promise.resolve(planned) } };
  }

  /** @param logits takes the logits of the replay */
  #run(
    { open, planner }: Planned<T>,
    budgetBits: number,
    logits?: Float32Array,
  ): Promise<Replayed> {
    const { engine, sample } = this;
    return replayExample({
      engine,
      open,
      reference: this.reference,
      planner,
      rope: this.#rope.get,
      request: {
        slice: "calibration",
        dataset: "calibration",
        max_new_tokens: sample.target.length,
      },
      budgetBits,
      mostCodeBits: MOST_BUDGET_BITS,
      attentionStats: false,
      stepwise: false,
      ...(logits === undefined ? {} : {
        seen: (index, row) => logits.set(row, index * engine.shape.vocab),
      }),
    });
  }

  #needsOf(plan: Plan): Needs {
    const needs = plan.map((settings) => this.families.of(settings.family).needs(settings));
    return {
      preRope: needs.some((n) => n.preRope ?? false),
      queries: needs.some((n) => n.queries ?? false),
    };
  }
}

/** The plan that leaves the whole cache exact. */
export function exactPlan({ layers, kvHeads }: Pick<ModelShape, "layers" | "kvHeads">): Plan {
  return Array.from(
    { length: layers },
    (_, layer) => KV_KINDS.map((kind) => exactSettings(layer, kind, kvHeads)),
  ).flat();
}

/** Costs of one plan on several samples, each sample of equal weight. */
export function meanCost(costs: readonly PlanCost[]): PlanCost {
  const mean = (of: (cost: PlanCost) => number) =>
    costs.reduce((sum, cost) => sum + of(cost), 0) / costs.length;
  return {
    kl: mean((c) => c.kl),
    quality: mean((c) => c.quality),
    loss: mean((c) => c.loss),
    codeBits: mean((c) => c.codeBits),
    storedBits: mean((c) => c.storedBits),
  };
}
