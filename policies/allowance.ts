/**
 * What the evaluator does and keeps because a policy asks for it: what is learned offline for its
 * settings, what is remembered of its answers, and the time that its steps take.
 *
 * @module
 */
import type { Calibration } from "../quant/calibration.ts";
import type { Settings } from "../quant/family.ts";
import { DEFAULT_WORK, type WorkLimits } from "../sandbox/limits.ts";
import { PolicyError } from "./check.ts";

/** What is left of a policy's limits in one run. */
export class Allowance {
  readonly #calibrations = new Map<string, number>();
  #heldBytes = 0;
  #workedMs = 0;
  #since: number | undefined;

  /** @param limits absent for a policy that is trusted with everything */
  constructor(private readonly limits?: WorkLimits) {}

  /**
   * Counts one more calibration for a layer and kind.
   *
   * @throws {PolicyError} when there were as many as may be
   */
  calibrate({ layer, kind, family }: Settings): void {
    if (this.limits === undefined) return;
    const place = `${layer} ${kind}`;
    const count = this.#calibrations.get(place) ?? 0;
    if (count === this.limits.calibrations) {
      throw new PolicyError(
        `Layer ${layer} ${kind}s: family "${family}" has learned offline for ${count} different ` +
          `settings of this policy, which is as many as it may (--policy-calibrations)`,
      );
    }
    this.#calibrations.set(place, count + 1);
  }

  /**
   * Counts bytes that are kept until the end of the run.
   *
   * @throws {PolicyError} when they are more than may be
   */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
    if (this.limits === undefined || this.#heldBytes <= this.limits.heldMib * 2 ** 20) return;
    throw new PolicyError(
      `What was learned and remembered for this policy takes ${
        (this.#heldBytes / 2 ** 20).toFixed(1)
      } MiB, more than ${this.limits.heldMib} (--policy-held-mib)`,
    );
  }

  /** Bytes of what may be forgotten and made again. */
  get forMemory(): number {
    const most = (this.limits ?? DEFAULT_WORK).heldMib * 2 ** 20;
    return Math.max(0, most - this.#heldBytes);
  }

  /** Counts the time of some work; `check` looks at it meanwhile. */
  async working<V>(work: () => Promise<V>): Promise<V> {
    this.#since = performance.now();
    try {
      return await work();
    } finally {
      this.#workedMs = this.#worked;
      this.#since = undefined;
    }
  }

  get #worked(): number {
    return this.#workedMs + (this.#since === undefined ? 0 : performance.now() - this.#since);
  }

  /** @throws {PolicyError} when the work has taken longer than it may */
  check(): void {
    if (this.limits === undefined || this.#worked <= this.limits.workMs) return;
    throw new PolicyError(
      `Its steps have taken the evaluator more than ${
        this.limits.workMs / 1000
      } s in one run (--policy-work-ms)`,
    );
  }
}

/** Bytes of what was learned. */
export function calibrationBytes(calibration: Calibration): number {
  return Object.values(calibration).reduce((sum, array) => sum + array.byteLength, 0);
}
