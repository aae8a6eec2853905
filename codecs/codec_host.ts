/**
 * A codec behind the interface that the replay knows policies by: its plan is always itself.
 *
 * @module
 */
import type { RawAnswers, StepQuestion } from "../policies/ask.ts";
import type { PolicyHost } from "../policies/host.ts";
import type { WorkloadMeta } from "../policies/policy.ts";
import type { SandboxOptions } from "../sandbox/child.ts";
import type { WorkLimits } from "../sandbox/limits.ts";
import type { Family } from "../quant/family.ts";
import type { KeptSamples } from "../quant/calibration.ts";
import { codecFamily } from "./codec_family.ts";
import { CodecPair } from "./codec_pair.ts";
import { familyPlan } from "./family_plan.ts";
import { codecSamples } from "./codec_samples.ts";
import type { CodecSource } from "./codec_process.ts";

/** A codec that is run as a policy. */
export class CodecHost implements PolicyHost {
  readonly hooks = [];
  readonly fullPrecision = false;
  readonly outsideBudget = false;
  readonly readsStats = false;
  readonly hearsSizes: boolean;
  readonly family: Family;

  /** @param told whether its encoder is told what an example is about */
  constructor(private readonly pair: CodecPair, private readonly told = false) {
    this.hearsSizes = told;
    this.family = codecFamily(pair);
  }

  /**
   * Starts the codec's processes.
   *
   * @throws {PolicyError} when it cannot be loaded, lacks a method or exceeds a limit
   */
  static async open(source: CodecSource, options: SandboxOptions = {}): Promise<CodecHost> {
    return new CodecHost(await CodecPair.open(source, options));
  }

  get name(): string {
    return this.pair.name;
  }

  get remarks(): readonly string[] {
    return this.pair.remarks;
  }

  get startsOften(): boolean {
    return this.pair.startsOften;
  }

  /** What the evaluator does and keeps for it at most. */
  get work(): WorkLimits {
    return this.pair.limits;
  }

  get calibrates(): boolean {
    return this.pair.calibrates;
  }

  /** Process ids of the encoder and the decoder, for tests that look at them from outside. */
  get pids(): readonly [number, number] {
    return this.pair.pids;
  }

  async calibrationMode({ model }: WorkloadMeta): Promise<"none" | "offline"> {
    const { layers, query_heads, kv_heads, head_dim } = model;
    await this.pair.prepare({ layers, query_heads, kv_heads, head_dim });
    return this.calibrates ? "offline" : "none";
  }

  /** It learns from samples, not from statistics of them. */
  calibrate(): Promise<unknown> {
    return Promise.resolve(undefined);
  }

  async learn(samples: KeptSamples): Promise<void> {
    await this.pair.calibrate(...codecSamples(samples));
  }

  plan({ request, budget }: StepQuestion): RawAnswers[] {
    if (this.told) this.pair.facts = { request, budget };
    return familyPlan(this.family.name, budget);
  }

  verifyDeterminism(): Promise<void> {
    return this.pair.verifyDeterminism();
  }

  close(): Promise<void> {
    return this.pair.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
