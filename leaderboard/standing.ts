/**
 * The ranking: every policy's numbers averaged over the places of the board.
 *
 * @module
 */
import { average, subtract } from "../stats/bootstrap.ts";
import { type Difference, difference } from "../stats/compare.ts";
import { type Interval, interval } from "../stats/interval.ts";
import type { Board, Place } from "./board.ts";
import { nothingQuantized } from "../replay/metric.ts";
import { canJudge } from "../report/capability.ts";
import type { Cell } from "./cell.ts";
import { paretoFront } from "./pareto.ts";

/** A policy's place in the ranking. Means give every model and slice the same weight. */
export interface Standing {
  readonly policy: string;
  /**
   * From 1; null for a policy that is not ranked: without all its cells, outside the budget, or with
   * bits that are claimed.
   */
  readonly rank: number | null;
  /** Whether it stands for an engine's setting, of any width. */
  readonly outsideBudget: boolean;
  /** Whether its bits and memory are claimed and stored nowhere. */
  readonly claimed: boolean;
  /** Finished cells, of how many. */
  readonly cells: number;
  readonly of: number;
  /** Whether the means are over places that ran different sets of examples of a slice. */
  readonly uneven: boolean;
  /** Mean `quality_main`, 0..100, and its 95 % interval. */
  readonly quality: number;
  readonly qualityInterval: Interval;
  /** Lowest `quality_main` of all places, and where. */
  readonly worst: Place & { readonly quality: number };
  /** Mean `task_score` of the policy and of the reference answers, 0..100. */
  readonly task: number;
  readonly taskReference: number;
  /** Places where full precision scores no more than nothing, so that task scores judge nobody. */
  readonly taskBlind: number;
  /** Mean stored bits per cache element. */
  readonly bits: number;
  /** Mean width of the codes alone, over places where there are any; 0 where there are none. */
  readonly codeBits: number;
  /** Mean share of the 16-bit cache's bytes at the peak step, 0..1. */
  readonly memoryShare: number;
  /** Mean peak, MiB. */
  readonly memory: number;
  /** Median over places of replayed steps a second. */
  readonly speed: number;
  /** Places where no policy beats it in memory and quality. */
  readonly onFront: number;
  /** Mean `quality_main` minus the baseline's; undefined for the baseline and where one lacks. */
  readonly versusBaseline?: Difference;
}

/**
 * Ranks the policies by mean `quality_main`; equal means by memory. Those that are not ranked follow,
 * in the same order.
 */
export function rank(board: Board): Standing[] {
  const uneven = board.unevenSlices.map(({ slice }) => slice);
  const standings = board.policies.map((policy) => standing(board, policy, uneven));
  const ranked = (s: Standing) => s.cells === s.of && !s.outsideBudget && !s.claimed;
  const sorted = standings.toSorted((a, b) =>
    Number(ranked(b)) - Number(ranked(a)) || b.quality - a.quality || a.memoryShare - b.memoryShare
  );
  return sorted.map((s, i) => ({ ...s, rank: ranked(s) ? i + 1 : null }));
}

function standing(board: Board, policy: string, uneven: readonly string[]): Standing {
  const places = board.places.filter((place) => board.cell(place, policy) !== undefined);
  const numbers = places.map((place) => ({ place, ...board.cell(place, policy)!.numbers }));
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const worst = numbers.reduce((a, b) => b.quality_main < a.quality_main ? b : a);
  const draws = places.map((place) => board.draws(place, policy)!);
  const sizes = draws.map((d) => d.examples.length);
  const versus = versusBaseline(board, policy, places);
  const coded = numbers.filter((n) => !nothingQuantized(n));
  const speeds = numbers.map((n) => n.decode_tokens_per_s).sort((a, b) => a - b);
  return {
    policy,
    rank: null,
    outsideBudget: places.some((place) => board.cell(place, policy)!.outside_budget),
    claimed: places.some((place) => board.cell(place, policy)!.claimed),
    cells: places.length,
    of: board.places.length,
    uneven: places.some(({ slice }) => uneven.includes(slice)),
    quality: mean(numbers.map((n) => n.quality_main)),
    qualityInterval: interval(
      average(draws.map((d) => d.replicates.quality_main)),
      Math.min(...sizes),
    ),
    worst: { ...worst.place, quality: worst.quality_main },
    task: mean(numbers.map((n) => n.task_score)),
    taskReference: mean(numbers.map((n) => n.task_score_ref)),
    taskBlind: places.filter((place) => !judgesTasks(board.cell(place, policy)!)).length,
    bits: mean(numbers.map((n) => n.avg_bits_per_kv_token)),
    codeBits: coded.length === 0 ? 0 : mean(coded.map((n) => n.code_bits)),
    memoryShare: mean(numbers.map((n) => 1 / n.kv_compression_ratio)),
    memory: mean(numbers.map((n) => n.peak_kv_memory_mb)),
    speed: speeds[speeds.length >> 1]!,
    onFront: places.filter((place) => frontAt(board, place).includes(policy)).length,
    ...(versus === undefined ? {} : { versusBaseline: versus }),
  };
}

/** Whether the task scores of a cell can say anything about its policy. */
export function judgesTasks({ numbers, benchmark }: Cell): boolean {
  return canJudge({ score: numbers.task_score_ref, floor: benchmark?.floor ?? 0 });
}

/** Policies on the Pareto front of a place, by rising memory; none that is outside the budget or claims its bits. */
export function frontAt(board: Board, place: Place): string[] {
  return paretoFront(
    board.cellsAt(place).filter((cell) => !cell.outside_budget && !cell.claimed).map((
      { key, numbers },
    ) => ({
      policy: key.policy,
      cost: numbers.peak_kv_memory_mb,
      gain: numbers.quality_main,
    })),
  ).map(({ policy }) => policy);
}

/**
 * A policy's mean `quality_main` over `places` minus the baseline's, with its interval. Slices are
 * resampled independently; the models of one slice share its draws.
 */
export function versusBaseline(
  board: Board,
  policy: string,
  places: readonly Place[],
): Difference | undefined {
  if (policy === board.baseline || places.length === 0) return undefined;
  const pairs = places.map((place) => ({
    a: board.draws(place, policy),
    b: board.draws(place, board.baseline),
  }));
  const both = pairs.flatMap(({ a, b }) => a === undefined || b === undefined ? [] : [{ a, b }]);
  if (both.length < pairs.length) return undefined;
  const estimate = both.reduce(
    (sum, { a, b }) => sum + a.point.quality_main - b.point.quality_main,
    0,
  ) / both.length;
  return difference(
    estimate,
    average(both.map(({ a, b }) => subtract(a.replicates.quality_main, b.replicates.quality_main))),
    Math.min(...both.map(({ a }) => a.examples.length)),
  );
}
