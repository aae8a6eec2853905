/**
 * The whole search: sensitivities of all samples, plans over a range of budgets, a joint replay of
 * each plan, and better ones around the plan that is wanted.
 *
 * @module
 */
import type { KvShape } from "../quant/tensor.ts";
import type { Engine } from "../replay/engine.ts";
import type { OpenStore } from "../replay/quantize.ts";
import { Allocator } from "./allocation.ts";
import type { BaseFamily } from "./base_family.ts";
import { type FrontPlan, frontPlans, type FrontPoint } from "./front.ts";
import { meanCost, type PlanCost, SampleReplay } from "./sample_replay.ts";
import type { SearchSample } from "./samples.ts";
import { neighbours } from "./refine.ts";
import {
  type Cell,
  cellsOf,
  meanTable,
  sampleSensitivity,
  type Sensitivity,
} from "./sensitivity.ts";
import { replayPlan, type WidthPlan, widthPlan } from "./width_plan.ts";

/** What a search is given. */
export interface SearchInput<T extends KvShape> {
  readonly engine: Engine<T>;
  readonly open: OpenStore<T>;
  readonly base: BaseFamily;
  /** At least one. */
  readonly samples: readonly SearchSample[];
  /** Mean width of the plan that is wanted, in bits. */
  readonly budgetBits: number;
  /** How often the plan at the budget is looked for again around itself, at most. */
  readonly rounds: number;
  /** `done` of `total` pieces of work, and what is under way. */
  readonly progress?: (done: number, total: number, what: string) => void;
  readonly signal?: AbortSignal;
}

/** What a search found. */
export interface SearchResult {
  readonly sensitivity: Sensitivity;
  readonly front: readonly FrontPoint[];
  /** The best point measured at the budget that was asked for. */
  readonly chosen: FrontPoint;
}

/** Runs a search. */
export async function search<T extends KvShape>(input: SearchInput<T>): Promise<SearchResult> {
  const replays: SampleReplay<T>[] = [];
  try {
    for (const sample of input.samples) {
      input.signal?.throwIfAborted();
      replays.push(await SampleReplay.open(input.engine, input.open, sample));
    }
    return await new Search(input, replays).run();
  } finally {
    for (const replay of replays) replay.free();
  }
}

class Search<T extends KvShape> {
  readonly #cells: readonly Cell[];
  #round = 0;

  constructor(
    private readonly input: SearchInput<T>,
    private readonly replays: readonly SampleReplay<T>[],
  ) {
    this.#cells = cellsOf(input.engine.shape);
  }

  async run(): Promise<SearchResult> {
    const { base, budgetBits, rounds } = this.input;
    const kl = await this.#table("exact");
    const front: FrontPoint[] = [];
    for (const plan of frontPlans(kl, base.widths, budgetBits)) front.push(await this.#point(plan));
    let chosen = front.find((p) => p.kind === "searched" && p.budgetBits === budgetBits)!;
    const predicted = new Allocator(kl, base.widths);
    for (let round = 0; round < rounds; round++) {
      const before = chosen;
      const around = await this.#table(widthPlan(chosen.widths, this.input.engine.shape));
      for (const widths of neighbours(around, base.widths, before.widths, budgetBits)) {
        const meanWidth = widths.reduce((a, b) => a + b, 0) / widths.length;
        const predictedKl = predicted.costOf(widths);
        const point = await this.#point({
          kind: "refined",
          budgetBits,
          widths,
          meanWidth,
          predictedKl,
        });
        if (point.measured.kl < chosen.measured.kl) chosen = point;
      }
      // Measuring around the same plan again would give the same.
      if (chosen === before) break;
      front.push(chosen);
    }
    return { sensitivity: { widths: base.widths, cells: this.#cells, kl }, front, chosen };
  }

  /** Mean sensitivities over the samples. */
  async #table(around: WidthPlan | "exact"): Promise<number[][]> {
    const { base, samples, engine, rounds, progress, signal } = this.input;
    const perRound = samples.length * this.#cells.length;
    const tables: number[][][] = [];
    for (const [i, replay] of this.replays.entries()) {
      const done = this.#round * perRound + i * this.#cells.length;
      tables.push(
        await sampleSensitivity(replay, base, engine.shape, around, (index) => {
          signal?.throwIfAborted();
          const { layer, kind, head } = this.#cells[index]!;
          const what = `${samples[i]!.id} layer ${layer} ${kind} head ${head}`;
          progress?.(done + index, (1 + rounds) * perRound, what);
        }),
      );
    }
    this.#round++;
    return meanTable(tables);
  }

  /** A plan with what its joint replay costs. */
  async #point(plan: FrontPlan): Promise<FrontPoint> {
    const { base, engine, signal } = this.input;
    const replayed = replayPlan(base, widthPlan(plan.widths, engine.shape));
    const costs: PlanCost[] = [];
    for (const replay of this.replays) {
      signal?.throwIfAborted();
      costs.push(await replay.cost(replayed));
    }
    return { ...plan, measured: meanCost(costs) };
  }
}
