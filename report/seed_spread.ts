/**
 * What a policy's numbers are over several seeds: their mean, and how far they spread.
 *
 * @module
 */
import type { NamedOutcome, PolicyResult, SliceResult } from "../evaluation/results.ts";
import type { SliceNumbers } from "../replay/metric.ts";
import { standardDeviation } from "../stats/bootstrap.ts";
import { metricFields, plainDecimal } from "./metric_fields.ts";
import { moreFields } from "./more_fields.ts";
import { alignedRows } from "./table.ts";
import { VOLATILE } from "./volatile.ts";

/** One number over several seeds. */
export interface Spread {
  readonly mean: number;
  /** Sample standard deviation. */
  readonly sd: number;
  readonly least: number;
  readonly most: number;
}

/** A policy over several seeds. */
export interface SeedSpread {
  /** In the order of the runs. */
  readonly seeds: readonly number[];
  /** By the names of the numbers, times and counts left out. */
  readonly metrics: Readonly<Record<string, Spread>>;
  /** What each seed came to. */
  readonly runs: readonly Readonly<Record<string, number>>[];
}

/** Counts that no seed changes. */
const COUNTS: readonly string[] = ["steps", "examples", "examples_left_out"];

/** All numbers of one run that a seed may change. */
function numbersOf(
  { numbers, outcomes }: {
    readonly numbers: SliceNumbers;
    readonly outcomes: readonly NamedOutcome[];
  },
): Record<string, number> {
  const fields = metricFields.filter((name) => !VOLATILE.includes(name) && !COUNTS.includes(name));
  return {
    ...Object.fromEntries(fields.map((name) => [name, numbers[name]])),
    ...moreFields(outcomes),
  };
}

/**
 * A policy's numbers over its seeds; undefined where it ran under one.
 *
 * @param seed of the first run
 */
export function seedSpread(
  result: Pick<PolicyResult, "numbers" | "outcomes" | "repeats">,
  seed: number,
): SeedSpread | undefined {
  const { repeats = [] } = result;
  if (repeats.length === 0) return undefined;
  const runs = [result, ...repeats].map(numbersOf);
  return {
    seeds: [seed, ...repeats.map((run) => run.seed)],
    metrics: Object.fromEntries(
      Object.keys(runs[0]!).map((name) => [name, spreadOf(runs.map((run) => run[name]!))]),
    ),
    runs,
  };
}

function spreadOf(values: readonly number[]): Spread {
  return {
    mean: values.reduce((a, b) => a + b, 0) / values.length,
    sd: standardDeviation(Float64Array.from(values)),
    least: Math.min(...values),
    most: Math.max(...values),
  };
}

/** Numbers that are told in a line or a table, where a run has them, with their decimals. */
const TOLD: Readonly<Record<string, number>> = {
  quality_main: 3,
  greedy_match_ratio: 4,
  replay_agreement: 4,
  cache_error: 4,
  task_score: 1,
  generated_task_score: 1,
  mean_nll: 4,
};

/** The mean and the standard deviation of those for a line that programs read. */
export function spreadFields({ seeds, metrics }: SeedSpread): Record<string, number> {
  return {
    seeds: seeds.length,
    ...Object.fromEntries(
      Object.keys(TOLD).flatMap((name) => {
        const spread = metrics[name];
        return spread === undefined
          ? []
          : [[`${name}_seed_mean`, spread.mean], [`${name}_seed_sd`, spread.sd]];
      }),
    ),
  };
}

/** A table of them for people; undefined where nothing ran under several seeds. */
export function seedTable({ slice, results }: SliceResult, seed: number): string | undefined {
  const spreads = results.flatMap((result) => {
    const spread = seedSpread(result, seed);
    return spread === undefined ? [] : [{ policy: result.policy, spread }];
  });
  const [first] = spreads;
  if (first === undefined) return undefined;
  const names = Object.keys(TOLD).filter((name) => Object.hasOwn(first.spread.metrics, name));
  const shown = ({ mean, sd }: Spread, decimals: number) =>
    `${plainDecimal(mean, decimals)} ± ${plainDecimal(sd, decimals)}`;
  return [
    `${slice} over seeds, mean ± standard deviation`,
    ...alignedRows([
      ["policy", "seeds", ...names],
      ...spreads.map(({ policy, spread: { seeds, metrics } }) => [
        policy,
        String(seeds.length),
        ...names.map((name) => shown(metrics[name]!, TOLD[name]!)),
      ]),
    ]),
  ].join("\n");
}
