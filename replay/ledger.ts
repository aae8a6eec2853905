/**
 * What the steps of an example stored: sizes, the largest step, and the widths at the end.
 *
 * @module
 */
import { KV_KINDS, type Settings } from "../quant/family.ts";
import { settingsKey } from "../quant/settings_key.ts";
import type { KvShape, TokenRange } from "../quant/tensor.ts";
import { PolicyError } from "../policies/check.ts";
import type { PlannedStep } from "../policies/plan.ts";
import type { ModelShape } from "../engine/engine.ts";
import type { PeakStep } from "./audit.ts";
import { cacheElements, entriesPerToken } from "./metric.ts";
import type { Plan, QuantizedCache } from "./quantize.ts";

/** What one step stored. */
export interface StepSize {
  /** Bytes of the whole quantized cache. */
  readonly bytes: number;
  /** Codes stored. */
  readonly codes: number;
  /** Sum of the widths of the codes stored, in bits. */
  readonly codeBits: number;
}

/**
 * Mean width of the codes that are stored, `widths[layer][kind][head]`, in bits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { StoredWidths } from "@kvreplay/kvreplay";
 *
 * // Layers that spend more on keys than on values.
 * const onKeys = (widths: StoredWidths) => {
 *   const sum = (heads: readonly number[]) => heads.reduce((a, b) => a + b);
 *   return widths.flatMap(([key, value], layer) => sum(key!) > sum(value!) ? [layer] : []);
 * };
 * assertEquals(onKeys([[[4, 2], [2, 2]], [[2, 2], [2, 2]]]), [0]);
 * ```
 */
export type StoredWidths = readonly (readonly (readonly number[])[])[];

/** The steps of one example under one policy. */
export class Ledger {
  readonly #sizes: StepSize[] = [];
  #elements = 0;
  #plan: Plan = [];
  #begun: number[] = [];
  #peak: PeakStep | undefined;

  /** @param mostCodeBits what the codes of a step may take on average */
  constructor(private readonly shape: ModelShape, private readonly mostCodeBits: number) {}

  /**
   * Notes a step that `cache` was brought to.
   *
   * @throws {PolicyError} when its codes take more than the budget: no symbol is wider than it, but
   *   rare ones and escapes make long codes
   */
  note<T extends KvShape>(
    cache: QuantizedCache<T>,
    { plan, needs }: PlannedStep,
    step: number,
    tokens: number,
    ranges: readonly TokenRange[],
  ): void {
    // Where settings changed, the store started again.
    this.#begun = plan.map((settings, i) =>
      sameKey(settings, this.#plan[i]) ? this.#begun[i] ?? step : step
    );
    this.#plan = plan;
    const size = this.#sizeOf(cache, step, tokens, ranges);
    this.#sizes.push(size);
    this.#elements += cacheElements(this.shape, tokens);
    if (this.#peak === undefined || size.bytes > this.#peak.bytes) {
      const { constantBytes } = cache;
      this.#peak = {
        step,
        tokens,
        bytes: size.bytes,
        constantBytes,
        plan,
        begun: this.#begun,
        needs,
      };
    }
  }

  /** Notes that every store starts again at the next step. */
  restart(): void {
    this.#begun = [];
  }

  /** What a step stored, of those that were noted. */
  at(index: number): StepSize {
    return this.#sizes[index]!;
  }

  /** The first step at which the quantized cache was largest. */
  get peak(): PeakStep {
    return this.#peak!;
  }

  /** Average stored bits per entry over the steps so far; 0 before the first. */
  get usedBits(): number {
    const bytes = this.#sizes.reduce((sum, s) => sum + s.bytes, 0);
    return this.#elements === 0 ? 0 : 8 * bytes / this.#elements;
  }

  /**
   * Widths of the codes stored at the last step, to half a bit; what the plan says where none are
   * stored.
   */
  widths<T extends KvShape>(cache: QuantizedCache<T>, tokens: number): StoredWidths {
    const { layers, kvHeads } = this.shape;
    return Array.from({ length: layers }, (_, layer) =>
      KV_KINDS.map((_, kind) => {
        const index = layer * KV_KINDS.length + kind;
        const coded = cache.buffers(index, tokens)
          .find(({ bits, codes }) => bits !== undefined && codes!.some((count) => count > 0));
        const widths = coded?.bits ?? this.#plan[index]!.bits;
        // One mean for all heads, where they are coded together.
        return (widths.length === kvHeads ? widths : new Array<number>(kvHeads).fill(widths[0]!))
          .map((width) => Math.round(2 * width) / 2);
      }));
  }

  #sizeOf<T extends KvShape>(
    cache: QuantizedCache<T>,
    step: number,
    tokens: number,
    ranges: readonly TokenRange[],
  ): StepSize {
    const { kvHeads: heads, headDim } = this.shape;
    const perToken = entriesPerToken({ heads, headDim });
    const size = { bytes: 0, codes: 0, codeBits: 0 };
    let widest = { place: "", width: 0 };
    for (const [i, range] of ranges.entries()) {
      size.bytes += cache.bytes(i, tokens, range, perToken);
      for (const buffer of cache.buffers(i, tokens)) {
        buffer.codes?.forEach((codes, head) => {
          const width = buffer.bits?.[head] ?? 0;
          size.codes += codes;
          size.codeBits += codes * width;
          if (codes === 0 || width <= widest.width) return;
          const { layer, kind } = this.#plan[i]!;
          widest = { place: `Layer ${layer} ${kind}s`, width };
        });
      }
    }
    const mean = size.codes === 0 ? 0 : size.codeBits / size.codes;
    // Sums of widths that are no whole numbers round.
    if (mean > this.mostCodeBits * (1 + 1e-9)) {
      throw new PolicyError(
        `${widest.place}: codes take ${
          widest.width.toFixed(3)
        } bits each at step ${step}, escapes ` +
          `included, and those of all layers ${
            mean.toFixed(3)
          }, over the budget of ${this.mostCodeBits}`,
      );
    }
    return size;
  }
}

function sameKey(a: Settings, b: Settings | undefined): boolean {
  return b !== undefined && settingsKey(a) === settingsKey(b);
}
