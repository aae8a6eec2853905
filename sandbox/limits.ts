/**
 * What a policy may use in the sandbox, and the defaults.
 *
 * @module
 */
import { PolicyError } from "./policy_error.ts";

/**
 * How much one policy may make the evaluator do in one run; exceeding any of it ends the policy.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { openPolicyFile, type WorkLimits } from "@kvreplay/kvreplay/policies";
 *
 * const limits: Partial<WorkLimits> = { calibrations: 1 };
 * const path = await Deno.makeTempFile({ suffix: ".ts" });
 * await Deno.writeTextFile(path, `export default {
 *   choose_bits: () => 2,
 *   choose_axis: () => "token",
 *   residual_length: () => 0,
 *   calibration_mode: () => "none",
 * };`);
 * await using host = await openPolicyFile(path, { limits });
 * assertEquals(host.work?.calibrations, 1);
 * await Deno.remove(path);
 * ```
 */
export interface WorkLimits {
  /** Settings of one layer and kind for which the family learns offline; default 4. */
  readonly calibrations: number;
  /** MiB that are kept of its answers and of what was learned for them; default 256. */
  readonly heldMib: number;
  /** Milliseconds for its steps: plan, quantize, restore, predict, learn; default 3,600,000. */
  readonly workMs: number;
}

/** The limits that hold for a policy in the sandbox unless others are given. */
export const DEFAULT_WORK: WorkLimits = {
  calibrations: 4,
  heldMib: 256,
  workMs: 3_600_000,
};

/**
 * Limits of one policy run; exceeding any of them ends the policy for good.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { openPolicyFile, PolicyError, type SandboxLimits } from "@kvreplay/kvreplay/policies";
 *
 * const limits: Partial<SandboxLimits> = { startMs: 500 };
 * const path = await Deno.makeTempFile({ suffix: ".ts" });
 * await Deno.writeTextFile(path, "for (;;);");
 * await assertRejects(() => openPolicyFile(path, { limits }), PolicyError, "timed out");
 * await Deno.remove(path);
 * ```
 */
export interface SandboxLimits extends WorkLimits {
  /** Milliseconds until the policy's file is loaded and its methods are known; default 10,000. */
  readonly startMs: number;
  /** Milliseconds for all answers of one step, and for `calibration_mode`; default 2,000. */
  readonly stepMs: number;
  /** Milliseconds for `calibrate`; default 60,000. */
  readonly calibrateMs: number;
  /** Milliseconds of waiting for the policy in one run, all questions together; default 600,000. */
  readonly runMs: number;
  /** MiB that the policy may add to the memory of its process, heap and buffers together; default 512. */
  readonly memoryMib: number;
  /** Bytes of one reply, and of the policy's file; default 4 MiB. */
  readonly messageBytes: number;
}

/** The limits that hold unless others are given. */
export const DEFAULT_LIMITS: SandboxLimits = {
  ...DEFAULT_WORK,
  startMs: 10_000,
  stepMs: 2_000,
  calibrateMs: 60_000,
  runMs: 600_000,
  memoryMib: 512,
  messageBytes: 4 * 2 ** 20,
};

/** Least and most that each limit can be set to. */
export const LIMIT_BOUNDS: Readonly<Record<keyof SandboxLimits, readonly [number, number]>> = {
  startMs: [1, 2 ** 31 - 1],
  stepMs: [1, 2 ** 31 - 1],
  calibrateMs: [1, 2 ** 31 - 1],
  runMs: [1, 2 ** 31 - 1],
  memoryMib: [32, 2 ** 20],
  messageBytes: [1024, 2 ** 28],
  calibrations: [0, 2 ** 31 - 1],
  heldMib: [1, 2 ** 20],
  workMs: [1, 2 ** 53 - 1],
};

/**
 * The defaults with some limits replaced.
 *
 * @throws {PolicyError} for a limit out of range
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { limitsWith } from "./limits.ts";
 *
 * assertEquals(limitsWith({ stepMs: 500 }).stepMs, 500);
 * assertEquals(limitsWith({}).memoryMib, 512);
 * assertThrows(() => limitsWith({ stepMs: -1 }), Error, "stepMs is -1");
 * assertThrows(() => limitsWith({ step: 5 } as object), Error, "There is no sandbox limit step");
 * ```
 */
export function limitsWith(some: Partial<SandboxLimits>): SandboxLimits {
  const limits = { ...DEFAULT_LIMITS, ...some };
  const unknown = Object.keys(limits).find((name) => !Object.hasOwn(LIMIT_BOUNDS, name));
  if (unknown !== undefined) {
    throw new PolicyError(
      `There is no sandbox limit ${unknown}; expected one of ${
        Object.keys(LIMIT_BOUNDS).join(", ")
      }`,
    );
  }
  for (const name of Object.keys(LIMIT_BOUNDS) as (keyof SandboxLimits)[]) {
    const [least, most] = LIMIT_BOUNDS[name];
    if (!Number.isInteger(limits[name]) || limits[name] < least || limits[name] > most) {
      throw new PolicyError(
        `The sandbox limit ${name} is ${
          limits[name]
        }; expected a whole number from ${least} to ${most}`,
      );
    }
  }
  return limits;
}
