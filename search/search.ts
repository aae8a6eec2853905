/**
 * The whole search: sensitivities of all samples, plans over a range of budgets, and a joint replay
 * of each plan.
 *
 * @module
 */
import type { KvShape } from "../quant/tensor.ts";
import type { Engine } from "../replay/engine.ts";
import type { OpenStore } from "../replay/quantize.ts";
import type { BaseFamily } from "./base_family.ts";
import { type FrontPlan, frontPlans, type FrontPoint } from "./front.ts";
import { meanCost, type PlanCost, SampleReplay } from "./sample_replay.ts";
import type { SearchSample } from "./samples.ts";
import { cellsOf, meanTable, sampleSensitivity, type Sensitivity } from "./sensitivity.ts";
import { replayPlan, widthPlan } from "./width_plan.ts";

/** What a search is given. */
export interface SearchInput<T extends KvShape> {
  readonly engine: Engine<T>;
  readonly open: OpenStore<T>;
  readonly base: BaseFamily;
  /** At least one. */
  readonly samples: readonly SearchSample[];
  /** Mean width of the plan that is wanted, in bits. */
  readonly budgetBits: number;
  /** `done` of `total` pieces of work, and what is under way. */
  readonly progress?: (done: number, total: number, what: string) => void;
  readonly signal?: AbortSignal;
}

/** What a search found. */
export interface SearchResult {
  readonly sensitivity: Sensitivity;
  readonly front: readonly FrontPoint[];
  /** The point of the front at the budget that was asked for. */
  readonly chosen: FrontPoint;
}

/** Runs a search. */
export async function search<T extends KvShape>(input: SearchInput<T>): Promise<SearchResult> {
  const { engine, base, samples, budgetBits } = input;
  const { shape } = engine;
  const cells = cellsOf(shape);
  const total = samples.length * cells.length;
  const replays: SampleReplay<T>[] = [];
  try {
    const tables: number[][][] = [];
    for (const [i, sample] of samples.entries()) {
      const replay = await SampleReplay.open(engine, input.open, sample);
      replays.push(replay);
      tables.push(
        await sampleSensitivity(replay, base, shape, (cell) => {
          input.signal?.throwIfAborted();
          const { layer, kind, head } = cells[cell]!;
          const what = `${sample.id} layer ${layer} ${kind} head ${head}`;
          input.progress?.(i * cells.length + cell, total, what);
        }),
      );
    }
    const kl = meanTable(tables);
    const front: FrontPoint[] = [];
    for (const plan of frontPlans(kl, base.widths, budgetBits)) {
      input.signal?.throwIfAborted();
      input.progress?.(total, total, `plans of ${plan.budgetBits} bits`);
      front.push({ ...plan, measured: await jointCost(plan, base, shape, replays) });
    }
    return {
      sensitivity: { widths: base.widths, cells, kl },
      front,
      chosen: front.find((p) => p.kind === "searched" && p.budgetBits === budgetBits)!,
    };
  } finally {
    for (const replay of replays) replay.free();
  }
}

async function jointCost<T extends KvShape>(
  plan: FrontPlan,
  base: BaseFamily,
  shape: { readonly layers: number; readonly kvHeads: number },
  replays: readonly SampleReplay<T>[],
): Promise<PlanCost> {
  const replayed = replayPlan(base, widthPlan(plan.widths, shape));
  const costs: PlanCost[] = [];
  for (const replay of replays) costs.push(await replay.cost(replayed));
  return meanCost(costs);
}
