/**
 * Quantizers of the user's beside the plans of a search: replayed on the same held-out samples.
 *
 * @module
 */
import type { Calibrator } from "../calibration/calibrator.ts";
import type { Engine } from "../engine/engine.ts";
import type { BroughtQuantizer } from "../evaluation/brought_quantizer.ts";
import { workloadOn } from "../evaluation/misfit.ts";
import { type StartedPolicy, startPolicy } from "../evaluation/started_policy.ts";
import { PolicyError } from "../policies/check.ts";
import type { PolicyHost } from "../policies/host.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import type { Families } from "../quant/registry.ts";
import type { KvShape } from "../quant/tensor.ts";
import { meanCost, type PlanCost, type SampleReplay } from "./sample_replay.ts";

/** What a quantizer cost on the held-out samples. */
export interface JudgedQuantizer {
  readonly name: string;
  /** Whether its bits are claimed, and stored nowhere. */
  readonly claimed: boolean;
  readonly measured: PlanCost;
  /** Quality on each sample. */
  readonly qualities: readonly number[];
}

/** What a trial is given. */
export interface TrialInput<T extends KvShape> {
  readonly engine: Engine<T>;
  readonly families: Families;
  /** What quantizers learn from: none of what they are judged on. */
  readonly calibration: Calibrator<T>;
  /** Bits of a code that a quantizer is told it may use. */
  readonly budgetBits: number;
  /** Is told why a quantizer could not be judged, in one sentence each. */
  failed(sentence: string): void;
}

/** A quantizer on its way through the samples; one that has failed costs nothing more. */
export class QuantizerTrial<T extends KvShape> {
  readonly #costs: PlanCost[] = [];
  #running: { readonly host: PolicyHost; readonly started: StartedPolicy } | undefined;

  private constructor(private readonly name: string, private readonly input: TrialInput<T>) {}

  /** Opens a quantizer and lets it learn. */
  static async start<T extends KvShape>(
    brought: BroughtQuantizer,
    input: TrialInput<T>,
  ): Promise<QuantizerTrial<T>> {
    const trial = new QuantizerTrial(brought.name, input);
    await trial.#try(async () => {
      const host = await brought.open();
      try {
        const workload = workloadOn(input.engine.shape);
        trial.#running = { host, started: await startPolicy(input, host, workload) };
      } catch (error) {
        await host.close();
        throw error;
      }
    });
    return trial;
  }

  /** Replays a sample. */
  async replay(sample: SampleReplay<T>): Promise<void> {
    if (this.#running === undefined) return;
    const { started } = this.#running;
    await this.#try(async () => {
      const cost = await started.allowance.working(() =>
        sample.costUnder(started, this.input.budgetBits)
      );
      this.#costs.push(cost);
    });
  }

  /** What all samples came to; undefined for one that has failed. */
  async judged(): Promise<JudgedQuantizer | undefined> {
    await this.#try(async () => await this.#running?.host.verifyDeterminism?.());
    if (this.#running === undefined) return undefined;
    return {
      name: this.name,
      claimed: this.#running.host.claimed ?? false,
      measured: meanCost(this.#costs),
      qualities: this.#costs.map(({ quality }) => quality),
    };
  }

  /** Ends its processes. */
  async close(): Promise<void> {
    await this.#running?.host.close();
    this.#running = undefined;
  }

  /** What fails is told, and ends the trial. */
  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof PolicyError || error instanceof QuantizerError)) throw error;
      this.input.failed(
        error.message.startsWith("Quantizer ")
          ? error.message
          : `Quantizer ${this.name}: ${error.message}`,
      );
      await this.close();
    }
  }
}
