/**
 * Whether the working tree replays as fast as a revision of it: both are measured in turn, policy by
 * policy, so that what else the machine does meets them alike.
 *
 * Every sitting starts a process of each tree anew, since how a process happens to be compiled and laid
 * out in memory stays with it; so one sitting gives one ratio, the median of three pairs. In each
 * process the first replay of a policy is not counted.
 *
 * @module
 */
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { tell } from "../../report/terminal.ts";
import type { CompareOptions } from "./compare_options.ts";
import { COVERAGE, isRegression, ratioInterval, TOLERATED } from "./ratio_interval.ts";
import { checkOut, ReplayFailureError, Sitting, type Tree } from "./tree.ts";
import { median } from "../../replay/metric.ts";

/** Pairs of replays of a policy in one sitting. */
const PAIRS = 3;

/** The speeds of one policy in both trees, sitting after sitting. */
interface Speeds {
  readonly before: number[];
  readonly now: number[];
  readonly ratios: number[];
}

/** What a comparison found. */
export interface Comparison {
  /** Policies that are slower, beyond noise. */
  readonly slower: readonly string[];
  /** The ratios, as text. */
  readonly table: string;
}

/**
 * Compares a project's working tree with a revision.
 *
 * @param project folder of the tree
 * @throws {UserError} when there is no such revision, or neither tree can replay any of the policies
 */
export async function compareRevisions(
  project: string,
  { revision, policies, slice, limit, sittings }: CompareOptions,
): Promise<Comparison> {
  const workshop = await Deno.makeTempDir({ prefix: "kvreplay-compare-" });
  try {
    const folder = join(workshop, "tree");
    const commit = await checkOut(project, revision, folder);
    const old = { name: `revision ${revision}`, folder, cache: join(workshop, "old-cache") };
    const own = { name: "the working tree", folder: project, cache: join(workshop, "own-cache") };
    const speeds = new Map(
      policies.map((policy): [string, Speeds] => [policy, { before: [], now: [], ratios: [] }]),
    );
    for (let sitting = 0; sitting < sittings; sitting++) {
      tell(`Sitting ${sitting + 1} of ${sittings}`);
      await sit(old, own, { slice, limit }, speeds, sitting % 2 === 1);
    }
    const title = `${slice}, ${limit} examples, ${sittings} sittings: the working tree against ` +
      commit.slice(0, 7);
    return report(title, speeds);
  } finally {
    await Deno.remove(workshop, { recursive: true });
  }
}

/** One sitting: both trees, in turn; the one that comes first changes from pair to pair. */
async function sit(
  old: Tree,
  own: Tree,
  measured: { readonly slice: string; readonly limit: number },
  speeds: Map<string, Speeds>,
  ownFirst: boolean,
): Promise<void> {
  await using before = new Sitting(old, measured);
  await using now = new Sitting(own, measured);
  for (const [policy, { before: all, now: allNow, ratios }] of [...speeds]) {
    try {
      const pairs: [number, number][] = [];
      for (let pair = 0; pair <= PAIRS; pair++) {
        const first = ownFirst === (pair % 2 === 0) ? now : before;
        const one = await first.measure(policy);
        const other = await (first === now ? before : now).measure(policy);
        if (pair > 0) pairs.push(first === now ? [other, one] : [one, other]);
      }
      all.push(median(pairs.map(([x]) => x)));
      allNow.push(median(pairs.map(([, x]) => x)));
      ratios.push(median(pairs.map(([x, y]) => y / x)));
    } catch (error) {
      if (!(error instanceof ReplayFailureError)) throw error;
      // Most likely there was no such policy yet.
      tell(error.message);
      speeds.delete(policy);
      if (speeds.size === 0) throw new UserError(`There is nothing to compare: ${error.message}`);
    }
  }
}

function report(title: string, speeds: ReadonlyMap<string, Speeds>): Comparison {
  const found = [...speeds].map(([policy, { before, now, ratios }]) => {
    const ratio = ratioInterval(ratios);
    return { policy, before: median(before), now: median(now), ...ratio };
  });
  const slower = found.filter(isRegression).map(({ policy }) => policy);
  const share = `${100 * COVERAGE} %`;
  const table = [
    title,
    "",
    `| policy | before, steps/s | now | ratio | ${share} interval |  |`,
    "| --- | --- | --- | --- | --- | --- |",
    ...found.map(({ policy, before, now, median, low, high }) => {
      const verdict = slower.includes(policy) ? "slower" : low > 1 ? "faster" : "";
      return `| ${policy} | ${before.toFixed(1)} | ${now.toFixed(1)} | ${median.toFixed(3)} | ` +
        `${low.toFixed(3)} to ${high.toFixed(3)} | ${verdict} |`;
    }),
    "",
    slower.length === 0
      ? "No policy is slower beyond noise."
      : `Slower, with the whole interval below 1 and the ratio below ${1 - TOLERATED}: ` +
        `${slower.join(", ")}`,
  ].join("\n");
  return { slower, table };
}
