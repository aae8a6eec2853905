/**
 * Rotary positions of plain models, and the tables of cosines and sines of any.
 *
 * @module
 */
import type { RotaryPositions } from "../quant/rotary_positions.ts";
import type { Backend, KvShape } from "../quant/tensor.ts";
import type { Engine } from "./engine.ts";

/** Cosines and sines, times the scale, `[1, positions, headDim / 2]`. */
export interface RotaryTables<T extends KvShape> {
  readonly cos: T;
  readonly sin: T;
}

/** Rotary positions of a model that was made for the contexts it was trained on. */
export function plainRotary(headDim: number, theta: number): RotaryPositions {
  return { theta, stretch: new Array<number>(headDim / 2).fill(1), scale: 1 };
}

/** Tables for the first `positions` positions, computed in float64 and stored in float32. */
export function rotaryTables(
  positions: number,
  { theta, stretch, scale }: RotaryPositions,
): { cos: Float32Array<ArrayBuffer>; sin: Float32Array<ArrayBuffer> } {
  const half = stretch.length;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let i = 0; i < half; i++) {
    // Rounded where Transformers rounds (modeling_rope_utils.py): an ulp here is 2e-4 rad at 4,000 tokens.
    const plain = Math.fround(1 / Math.fround(theta ** Math.fround(i / half)));
    const frequency = Math.fround(plain / stretch[i]!);
    for (let p = 0; p < positions; p++) {
      const angle = Math.fround(p * frequency);
      cos[p * half + i] = Math.fround(Math.cos(angle)) * scale;
      sin[p * half + i] = Math.fround(Math.sin(angle)) * scale;
    }
  }
  return { cos, sin };
}

/** The tables as tensors of a backend. */
export function uploadRotary<T extends KvShape>(
  backend: Backend<T>,
  positions: number,
  rotary: RotaryPositions,
): RotaryTables<T> {
  const { cos, sin } = rotaryTables(positions, rotary);
  const shape = { heads: 1, capacity: positions, headDim: rotary.stretch.length };
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
    return this.#tables ??= uploadRotary(backend, positions, shape.rotary);
  };

  /** Frees the tables, where they were made. */
  free(): void {
    if (this.#tables === undefined) return;
    this.engine.backend.free(this.#tables.cos);
    this.engine.backend.free(this.#tables.sin);
    this.#tables = undefined;
  }
}
