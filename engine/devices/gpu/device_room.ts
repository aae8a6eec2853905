/**
 * Whether there is memory on a device for what is going to be done there, told and refused before any
 * of it is. WebGPU says how large a buffer may be and not how much memory there is, so that it is taken
 * for a moment.
 *
 * @module
 */
import prettyBytes from "pretty-bytes";
import { UserError } from "../../../errors.ts";
import type { Workbench } from "../../../quant/gpu/workbench.ts";
import type { Model } from "../../checkpoint/model.ts";
import { valueCount } from "../../checkpoint/stored_blocks.ts";
import type { ModelShape } from "../../engine.ts";
import { attentionPlan, scratchWords } from "./decoder_plan.ts";
import { FLOAT_BYTES, type FloatName } from "./float_words.ts";

const WORD = Uint32Array.BYTES_PER_ELEMENT;

/** Bytes below which nothing is said: any device has them. */
const WORTH_A_WORD = 2 ** 30;

/** What a pass is made of. */
export interface PassExtent {
  readonly rows: number;
  readonly logits: number;
  /** Entries of the past. */
  readonly past: number;
}

/** A model on a device. */
export interface PlacedModel {
  readonly bench: Workbench;
  readonly model: Pick<Model, "shape" | "config" | "tensors">;
  readonly precision: FloatName;
  /** What the device is called. */
  readonly name: string;
}

/** Bytes of the weights. */
export function weightBytes({ model, precision }: PlacedModel): number {
  const numbers = [...model.tensors.values()].reduce((sum, tensor) => sum + valueCount(tensor), 0);
  return FLOAT_BYTES[precision] * numbers;
}

/** Bytes that a pass computes in, beside what is there of the past. */
export function passBytes({ bench, model, precision }: PlacedModel, pass: PassExtent): number {
  const memory = bench.device.limits.maxComputeWorkgroupStorageSize;
  const { rows, logits, past } = pass;
  const { splits } = attentionPlan(model.shape, rows, past + rows, memory);
  const size = { rows, logits, splits, halves: precision === "float16" };
  const words = Object.values(scratchWords(model, precision, size));
  return WORD * words.reduce((sum, of) => sum + of, 0);
}

/** Bytes of keys and values of so many tokens. */
export function cacheBytes({ layers, kvHeads, headDim }: ModelShape, tokens: number): number {
  return WORD * 2 * layers * kvHeads * headDim * tokens;
}

/**
 * Bytes that replaying an example takes at most, about, beside the model: its cache, what is restored
 * of it for a pass, with the room that is left for the next, half as much again for codes, and the
 * logits of both sides. What single families ask for (queries, keys before RoPE) is not in it.
 */
export function replayBytes(placed: PlacedModel, tokens: number, steps: number): number {
  const { shape } = placed.model;
  const cache = cacheBytes(shape, tokens + steps);
  const pass = passBytes(placed, { rows: steps, logits: steps, past: tokens + steps });
  return Math.ceil((1 + 1.25 + 0.5) * cache) + pass + WORD * steps * shape.vocab;
}

/**
 * Makes sure that the device has so much memory.
 *
 * @param what takes it, as a sentence begins
 * @returns a sentence to tell, where it is worth one
 * @throws {UserError} where it has not
 */
export async function requireRoom(
  { bench, name }: PlacedModel,
  bytes: number,
  what: string,
): Promise<string | undefined> {
  const takes = `${what} about ${inWords(bytes)} of the memory of ${name}`;
  const had = await bench.available(bytes);
  if (had < bytes) {
    throw new UserError(
      `${takes}, which has ${
        inWords(had)
      } left: use --precision float16, shorter prompts, a smaller model or --device cpu`,
    );
  }
  return bytes < WORTH_A_WORD ? undefined : takes;
}

function inWords(bytes: number): string {
  return prettyBytes(bytes, { binary: true, maximumFractionDigits: 1 });
}
