/**
 * Rotary position tables (Su et al., 2021, arXiv 2104.09864), as Qwen2 uses them: pair `i` of a head
 * turns by `position * theta^(-2 i / headDim)`.
 *
 * @module
 */
import type { Backend, KvShape } from "../quant/tensor.ts";
import type { Engine } from "./engine.ts";

/** Cosines and sines, `[1, positions, headDim / 2]`. */
export interface RotaryTables<T extends KvShape> {
  readonly cos: T;
  readonly sin: T;
}

/** Tables for the first `positions` positions, computed in float64 and stored in float32. */
export function rotaryTables(
  positions: number,
  headDim: number,
  theta: number,
): { cos: Float32Array<ArrayBuffer>; sin: Float32Array<ArrayBuffer> } {
  const half = headDim / 2;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let i = 0; i < half; i++) {
    // Rounded where Transformers rounds (modeling_rope_utils.py): an ulp here is 2e-4 rad at 4,000 tokens.
    const frequency = Math.fround(1 / Math.fround(theta ** Math.fround(2 * i / headDim)));
    for (let p = 0; p < positions; p++) {
      const angle = Math.fround(p * frequency);
      cos[p * half + i] = Math.cos(angle);
      sin[p * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin };
}

/** The tables as tensors of a backend. */
export function uploadRotary<T extends KvShape>(
  backend: Backend<T>,
  positions: number,
  headDim: number,
  theta: number,
): RotaryTables<T> {
  const { cos, sin } = rotaryTables(positions, headDim, theta);
  const shape = { heads: 1, capacity: positions, headDim: headDim / 2 };
  return { cos: backend.upload(cos, shape), sin: backend.upload(sin, shape) };
}

/** Tables for an engine's model, made when they are first asked for. */
export class Rotary<T extends KvShape> {
  #tables: RotaryTables<T> | undefined;

  /** @param positions of the longest sequence; no more are made than the model has */
  constructor(
    private readonly engine: Pick<Engine<T>, "backend" | "shape">,
    private readonly positions: number,
  ) {}

  /** The tables. */
  readonly get = (): RotaryTables<T> => {
    const { backend, shape } = this.engine;
    const positions = Math.min(this.positions, shape.maxPositions);
    return this.#tables ??= uploadRotary(backend, positions, shape.headDim, shape.ropeTheta);
  };

  /** Frees the tables, where they were made. */
  free(): void {
    if (this.#tables === undefined) return;
    this.engine.backend.free(this.#tables.cos);
    this.engine.backend.free(this.#tables.sin);
    this.#tables = undefined;
  }
}
