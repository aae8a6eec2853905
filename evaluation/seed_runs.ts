/**
 * A slice under several seeds: what is drawn at random is drawn again, and nothing else is repeated.
 *
 * @module
 */
import type { KvShape } from "../quant/tensor.ts";
import type { PolicyResult, SeedRun, SliceResult } from "./results.ts";
import { runSlice, type SliceRun } from "./slice_run.ts";

/** Seeds have 32 bits. */
const SEEDS = 2 ** 32;

/**
 * Runs the policies that drew anything at random under further seeds. One that fails under a seed is
 * told and is not run under those behind it.
 *
 * @param run of the first seed
 * @param first what it came to
 * @param seeds how many there are, the first included
 */
export async function repeatSeeds<T extends KvShape>(
  run: SliceRun<T>,
  first: SliceResult,
  seeds: number,
): Promise<SliceResult> {
  if (seeds === 1) return first;
  const { events, seed: from = 0 } = run;
  const exact = run.hosts.filter(({ fullPrecision }) => fullPrecision).map(({ name }) => name);
  const once = first.results
    .filter(({ policy, drawsAtRandom }) => !drawsAtRandom && !exact.includes(policy))
    .map(({ policy }) => policy);
  if (once.length > 0) {
    events?.notice?.(
      `Nothing is drawn at random under ${once.join(", ")} in ${run.slice}: run once, not under ` +
        `${seeds} seeds`,
    );
  }
  const repeats = new Map(
    first.results.filter(({ drawsAtRandom }) => drawsAtRandom)
      .map(({ policy }): [string, SeedRun[]] => [policy, []]),
  );
  const failures = [...first.failures];
  const sofar = (): SliceResult => ({
    ...first,
    failures: [...failures],
    results: first.results.map((result): PolicyResult => {
      const runs = repeats.get(result.policy);
      return runs === undefined ? result : { ...result, repeats: [...runs] };
    }),
  });
  let hosts = run.hosts.filter(({ name }) => repeats.has(name));
  for (let i = 1; i < seeds && hosts.length > 0; i++) {
    const seed = (from + i) % SEEDS;
    events?.partial?.({ ...sofar(), partial: true });
    const { results, failures: more } = await runSlice({
      ...run,
      ...{ hosts, seed, audit: false },
      // What was told of the first seed is true of all.
      events: {
        progress: (done, total, what) => events?.progress?.(done, total, `seed ${seed} ${what}`),
      },
      ...(run.journal === undefined ? {} : { journal: journalOf(run.journal, seed) }),
    });
    for (const { policy, numbers, outcomes } of results) {
      repeats.get(policy)!.push({ seed, numbers, outcomes });
    }
    for (const { policy, reason: why } of more) {
      const reason = `${why} (under seed ${seed})`;
      failures.push({ policy, reason });
      events?.notice?.(reason);
    }
    hosts = hosts.filter(({ name }) => results.some(({ policy }) => policy === name));
  }
  return sofar();
}

/** A journal beside that of the first seed. */
function journalOf(journal: string, seed: number): string {
  return `${journal.replace(/\.jsonl$/, "")}-seed-${seed}.jsonl`;
}
