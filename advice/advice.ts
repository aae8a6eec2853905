/**
 * What is known of an engine's settings for a model when they have been replayed, and what follows.
 *
 * @module
 */
import type { KvKind } from "../quant/family.ts";
import type { EngineName, EngineSetting } from "../policies/engine_settings.ts";
import type { Interval } from "../stats/interval.ts";

/** What a setting loses in one kind of text. */
export interface TextLoss {
  /** Dataset of the examples. */
  readonly dataset: string;
  /** Points of `quality_main`. */
  readonly loss: number;
}

/** Where a setting breaks: the tensor that loses most when it alone is stored so. */
export interface BreakingPoint {
  readonly layer: number;
  readonly kind: KvKind;
  /** Points of `quality_main` that it loses in that example alone. */
  readonly loss: number;
  /** The example in which the setting as a whole lost most. */
  readonly example: string;
}

/** A setting that was replayed. */
export interface JudgedSetting extends EngineSetting {
  /** Points of `quality_main` below full precision, averaged over slices. */
  readonly loss: number;
  /** Its 95 % interval over the examples. */
  readonly interval: Interval;
  /** Stored bits of an entry. */
  readonly bits: number;
  /** Bytes of the cache at the context length that was asked for. */
  readonly bytes: number;
  /** The kind of text that suffers most. */
  readonly worst: TextLoss;
  /** Where it breaks, for a setting that loses more than was allowed. */
  readonly breaks?: BreakingPoint;
}

/** A setting that could not be replayed. */
export interface RefusedSetting extends EngineSetting {
  readonly reason: string;
}

/** All of it, for one model. */
export interface Advice {
  /** Points that may be lost. */
  readonly mostLoss: number;
  /** Tokens that memory is told for. */
  readonly context: number;
  /** Examples that were replayed, of all slices together. */
  readonly examples: number;
  /** Bytes at 16 bits, which is what every engine stores unless it is told otherwise. */
  readonly fullBytes: number;
  readonly settings: readonly JudgedSetting[];
  readonly refused: readonly RefusedSetting[];
}

/** What to give to an engine. */
export interface EngineAdvice {
  readonly engine: EngineName;
  /** Absent where every setting may lose more than is allowed: leave the engine as it is. */
  readonly setting?: JudgedSetting;
  /** A smaller setting whose loss is within the bound, but whose interval is not. */
  readonly perhaps?: JudgedSetting;
}

/**
 * The smallest setting of each engine whose interval stays within the bound.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { adviceByEngine, type JudgedSetting } from "./advice.ts";
 *
 * const judged = (policy: "mlx_kv8" | "mlx_kv4", bytes: number, loss: number): JudgedSetting => ({
 *   ...{ engine: "mlx", flags: policy, policy, bytes, bits: 8, loss },
 *   ...{ interval: { low: 0, high: 2 * loss }, worst: { dataset: "passkey", loss } },
 * });
 * const settings = [judged("mlx_kv8", 8, 0.1), judged("mlx_kv4", 4, 0.8)];
 * const [mlx] = adviceByEngine({ settings, mostLoss: 1 });
 * assertEquals([mlx?.setting?.policy, mlx?.perhaps?.policy], ["mlx_kv8", "mlx_kv4"]);
 * ```
 */
export function adviceByEngine(
  { settings, mostLoss }: Pick<Advice, "settings" | "mostLoss">,
): EngineAdvice[] {
  const engines = [...new Set(settings.map(({ engine }) => engine))];
  return engines.map((engine) => {
    const own = settings.filter((setting) => setting.engine === engine)
      .toSorted((a, b) => a.bytes - b.bytes || a.loss - b.loss);
    const setting = own.find(({ interval }) => interval.high <= mostLoss);
    const perhaps = own.find(({ loss }) => loss <= mostLoss);
    return {
      engine,
      ...(setting === undefined ? {} : { setting }),
      ...(perhaps === undefined || perhaps === setting ? {} : { perhaps }),
    };
  });
}
