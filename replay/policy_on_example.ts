/**
 * A policy, an example and an engine: what replaying a reply and generating one are given alike.
 *
 * @module
 */
import type { Engine } from "../engine/engine.ts";
import type { RotaryTables } from "../engine/rotary.ts";
import type { Planner } from "../policies/plan.ts";
import type { KvShape } from "../quant/tensor.ts";
import type { OpenStore } from "./quantize.ts";
import type { Questions } from "./question_at.ts";
import type { Reference } from "./reference.ts";

/** See the module. */
export interface PolicyOnExample<T extends KvShape> extends Questions<T> {
  readonly engine: Engine<T>;
  readonly open: OpenStore<T>;
  /** The full-precision run; a generated reply begins with its prefilled tokens. */
  readonly reference: Reference<T>;
  readonly planner: Pick<Planner, "plan"> & Partial<Pick<Planner, "hearsSizes">>;
  readonly rope: () => RotaryTables<T>;
  /** What the codes of a step may take on average, in bits. */
  readonly mostCodeBits: number;
  /** Whether the policy defines `use_attentions`, so that attention statistics are due. */
  readonly attentionStats: boolean;
}
