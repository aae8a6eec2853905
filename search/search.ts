/**
 * The whole search: sensitivities on some samples, plans over a range of budgets and better ones
 * around the plan that is wanted, and a joint replay of each plan on the samples that were held out.
 *
 * @module
 */
import type { KvShape } from "../quant/tensor.ts";
import type { Engine } from "../engine/engine.ts";
import type { Calibrator } from "../calibration/calibrator.ts";
import type { BroughtQuantizer } from "../evaluation/brought_quantizer.ts";
import type { Families } from "../quant/registry.ts";
import { Allocator } from "./allocation.ts";
import type { BaseFamily } from "./base_family.ts";
import { type FrontPlan, frontPlans, type FrontPoint } from "./front.ts";
import { type JudgedQuantizer, QuantizerTrial } from "./quantizer_trial.ts";
import { meanCost, type PlanCost, SampleReplay } from "./sample_replay.ts";
import type { SearchSample } from "./samples.ts";
import { neighbours } from "./refine.ts";
import {
  type Lane,
  lanesOf,
  meanTable,
  sampleSensitivity,
  type Sensitivity,
} from "./lane_losses.ts";
import { type Verdict, verdict } from "./verdict.ts";
import { replayPlan, type WidthPlan, widthPlan } from "./width_plan.ts";

/** What a search is given. */
export interface SearchInput<T extends KvShape> {
  readonly engine: Engine<T>;
  readonly families: Families;
  readonly base: BaseFamily;
  /** What plans are found on, at least one. */
  readonly samples: readonly SearchSample[];
  /** What plans are judged on, at least one, none of them in `samples`. */
  readonly heldOut: readonly SearchSample[];
  /** Mean width of the plan that is wanted, in bits. */
  readonly budgetBits: number;
  /** How often the plan at the budget is looked for again around itself, at most. */
  readonly rounds: number;
  /** Quantizers of the user's, judged beside the plans. */
  readonly quantizers: readonly BroughtQuantizer[];
  /** What they learn from, the samples that plans are found on. */
  readonly calibration: Calibrator<T>;
  /** A sentence about one that could not be judged. */
  readonly failed: (sentence: string) => void;
  /** `done` of `total` pieces of work, and what is under way. */
  readonly progress?: (done: number, total: number, what: string) => void;
}

/** What a search found. */
export interface SearchResult extends Verdict<FrontPoint> {
  readonly sensitivity: Sensitivity;
  readonly front: readonly FrontPoint[];
  readonly quantizers: readonly JudgedQuantizer[];
}

/** Runs a search. */
export async function search<T extends KvShape>(input: SearchInput<T>): Promise<SearchResult> {
  const { plans, sensitivity } = await found(input);
  const { front, quantizers } = await judged(input, plans);
  return { sensitivity, front, quantizers, ...verdict(front, input.budgetBits) };
}

/** The plans that the samples suggest. */
async function found<T extends KvShape>(
  input: SearchInput<T>,
): Promise<{ plans: FrontPlan[]; sensitivity: Sensitivity }> {
  const replays: SampleReplay<T>[] = [];
  try {
    for (const sample of input.samples) {
      replays.push(await SampleReplay.open(input.engine, input.families, sample));
    }
    return await new Search(input, replays).run();
  } finally {
    for (const replay of replays) replay.free();
  }
}

/**
 * Replays plans, and quantizers of the user's, on the held-out samples, of which one is in memory at a
 * time: they may be long.
 */
async function judged<T extends KvShape>(
  input: SearchInput<T>,
  plans: readonly FrontPlan[],
): Promise<Pick<SearchResult, "front" | "quantizers">> {
  const { engine, families, base, heldOut, progress, calibration, failed } = input;
  const costs: PlanCost[][] = plans.map(() => []);
  const trials: QuantizerTrial<T>[] = [];
  const each = plans.length + input.quantizers.length;
  try {
    for (const brought of input.quantizers) {
      const budgetBits = base.widths.at(-1)!;
      trials.push(
        await QuantizerTrial.start(brought, { engine, families, calibration, budgetBits, failed }),
      );
    }
    calibration.releaseSamples();
    for (const [s, sample] of heldOut.entries()) {
      const replay = await SampleReplay.open(engine, families, sample);
      try {
        const tell = (done: number) =>
          progress?.(s * each + done, heldOut.length * each, `${sample.id}, held out`);
        for (const [p, { widths }] of plans.entries()) {
          tell(p);
          costs[p]!.push(await replay.cost(replayPlan(base, widthPlan(widths, engine.shape))));
        }
        for (const [t, trial] of trials.entries()) {
          tell(plans.length + t);
          await trial.replay(replay);
        }
      } finally {
        replay.free();
      }
    }
    const quantizers = await Promise.all(trials.map((trial) => trial.judged()));
    return {
      front: plans.map((plan, p) => ({
        ...plan,
        measured: meanCost(costs[p]!),
        qualities: costs[p]!.map(({ quality }) => quality),
      })),
      quantizers: quantizers.filter((judged) => judged !== undefined),
    };
  } finally {
    for (const trial of trials) await trial.close();
  }
}

class Search<T extends KvShape> {
  readonly #lanes: readonly Lane[];
  #round = 0;

  constructor(
    private readonly input: SearchInput<T>,
    private readonly replays: readonly SampleReplay<T>[],
  ) {
    this.#lanes = lanesOf(input.engine.shape);
  }

  async run(): Promise<{ plans: FrontPlan[]; sensitivity: Sensitivity }> {
    const { base, budgetBits, rounds } = this.input;
    const loss = await this.#table("exact");
    const plans = frontPlans(loss, base.widths, budgetBits);
    const predicted = new Allocator(loss, base.widths);
    let best = plans.find((p) => p.kind === "searched" && p.budgetBits === budgetBits)!;
    let least = await this.#loss(best.widths);
    for (let round = 0; round < rounds; round++) {
      const before = best;
      const around = await this.#table(widthPlan(before.widths, this.input.engine.shape));
      for (const widths of neighbours(around, base.widths, before.widths, budgetBits)) {
        const next = await this.#loss(widths);
        if (next >= least) continue;
        least = next;
        const meanWidth = widths.reduce((a, b) => a + b, 0) / widths.length;
        const predictedLoss = predicted.costOf(widths);
        best = { kind: "refined", budgetBits, widths, meanWidth, predictedLoss };
      }
      // Measuring around the same plan again would give the same.
      if (best === before) break;
      plans.push(best);
    }
    return { plans, sensitivity: { widths: base.widths, lanes: this.#lanes, loss } };
  }

  /** Mean sensitivities over the samples. */
  async #table(around: WidthPlan | "exact"): Promise<number[][]> {
    const { base, samples, engine, rounds, progress } = this.input;
    const perRound = samples.length * this.#lanes.length;
    const tables: number[][][] = [];
    for (const [i, replay] of this.replays.entries()) {
      const done = this.#round * perRound + i * this.#lanes.length;
      tables.push(
        await sampleSensitivity(replay, base, engine.shape, around, (index) => {
          const { layer, kind, head } = this.#lanes[index]!;
          const what = `${samples[i]!.id} layer ${layer} ${kind} head ${head}`;
          progress?.(done + index, (1 + rounds) * perRound, what);
        }),
      );
    }
    this.#round++;
    return meanTable(tables);
  }

  /** What a plan as a whole loses on the samples. */
  async #loss(widths: readonly number[]): Promise<number> {
    const { base, engine } = this.input;
    const plan = replayPlan(base, widthPlan(widths, engine.shape));
    const costs: PlanCost[] = [];
    for (const replay of this.replays) {
      costs.push(await replay.cost(plan));
    }
    return meanCost(costs).loss;
  }
}
