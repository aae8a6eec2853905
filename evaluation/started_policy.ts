/**
 * A policy that has been asked whether it calibrates, and has learned what it wanted to learn.
 *
 * @module
 */
import { CalibrationCost, type Calibrator } from "../calibration/calibrator.ts";
import type { Engine } from "../engine/engine.ts";
import { Allowance } from "../policies/allowance.ts";
import { PolicyError } from "../policies/check.ts";
import type { PolicyHost } from "../policies/host.ts";
import { Planner } from "../policies/plan.ts";
import type { WorkloadMeta } from "../policies/policy.ts";
import type { Families } from "../quant/registry.ts";
import type { KvShape } from "../quant/tensor.ts";
import { budgetAt } from "../replay/question_at.ts";

/** What a policy is started with. */
export interface PolicyStart<T extends KvShape> {
  readonly engine: Engine<T>;
  /** Families that policies may choose. */
  readonly families: Families;
  /** No code may be wider. */
  readonly budgetBits: number;
  /** Seed of everything that is drawn at random. */
  readonly seed?: number;
  /** Samples that are never scored, for policies that calibrate. */
  readonly calibration?: Calibrator<T>;
  /** Does what is done once for all examples, learning above all; absent where nobody asks how long. */
  readonly aside?: <V>(work: () => Promise<V>) => Promise<V>;
}

/** A policy, ready to be asked for plans. */
export interface StartedPolicy {
  readonly planner: Planner;
  readonly cost: CalibrationCost;
  /** Those that it may choose, the one that it brings among them. */
  readonly families: Families;
  readonly allowance: Allowance;
}

/**
 * Lets a policy calibrate, if it wants to.
 *
 * @throws {PolicyError} when it cannot be run
 */
export async function startPolicy<T extends KvShape>(
  { engine: { shape }, calibration, budgetBits, seed, ...start }: PolicyStart<T>,
  host: PolicyHost,
  workload: WorkloadMeta,
): Promise<StartedPolicy> {
  const { aside = (work) => work() } = start;
  const families = host.family === undefined ? start.families : start.families.and(host.family);
  const calibrationMode = await host.calibrationMode(workload, budgetAt(shape, budgetBits));
  const cost = new CalibrationCost();
  let lesson: unknown;
  if (calibrationMode === "offline" && host.calibrates) {
    if (calibration === undefined) {
      throw new PolicyError(
        `calibration_mode is "${calibrationMode}", but this run has no calibration set`,
      );
    }
    const timed = async <V>(work: () => Promise<V>): Promise<V> => {
      const start = performance.now();
      const value = await work();
      cost.addSeconds((performance.now() - start) / 1000);
      return value;
    };
    if (host.learn !== undefined) {
      const samples = await calibration.samples();
      cost.add(samples);
      await timed(() => host.learn!(samples.value));
    } else {
      const statistics = await calibration.statistics();
      cost.add(statistics);
      lesson = await timed(() => host.calibrate(statistics.value));
    }
  }
  const allowance = new Allowance(host.work);
  const planner = new Planner(
    host,
    { heads: shape.kvHeads, headDim: shape.headDim, layers: shape.layers },
    {
      families,
      budgetBits,
      calibrationMode,
      ...(seed === undefined ? {} : { seed }),
      ...(lesson === undefined ? {} : { lesson }),
    },
    calibration === undefined ? undefined : async (settings) => {
      const learned = await aside(() => calibration.family(settings));
      cost.add(learned);
      return calibration.fitted(learned, settings);
    },
    allowance,
  );
  return { planner, cost, families, allowance };
}
