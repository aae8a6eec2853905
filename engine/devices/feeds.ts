/**
 * From a forward call to onnxruntime's inputs and outputs, whatever memory the KV tensors live in.
 *
 * @module
 */
import { InternalError } from "../../errors.ts";
import type { Tensor } from "onnxruntime-common";
import type { KvShape } from "../../quant/tensor.ts";
import type { ForwardInput, LayerOutput, ModelShape } from "../engine.ts";
import { names } from "../onnx/decoder.ts";
import type { Runtime } from "./runtime.ts";

/**
 * Inputs of one run, but for the mask.
 *
 * @param wrap a KV tensor as onnxruntime's, `[1, heads, capacity, headDim]`
 */
export function feedsOf<T extends KvShape>(
  runtime: Runtime,
  input: ForwardInput<T>,
  wrap: (tensor: T) => Tensor,
): Record<string, Tensor> {
  const fed = input.ids.length;
  const int64 = (values: readonly number[], dims: number[]) =>
    new runtime.Tensor("int64", BigInt64Array.from(values, BigInt), dims);
  const feeds: Record<string, Tensor> = {
    [names.ids]: int64(input.ids, [1, fed]),
    [names.positions]: int64(input.positions, [1, fed]),
    [names.keep]: int64([input.logits], []),
  };
  for (const [l, { key, value }] of input.past.entries()) {
    feeds[names.pastKey(l)] = wrap(key);
    feeds[names.pastValue(l)] = wrap(value);
  }
  return feeds;
}

/** Entries that a query may see: the past and what is fed. */
export function columnsOf({ ids, past }: ForwardInput<KvShape>): number {
  return past[0]!.key.capacity + ids.length;
}

/** Names of the outputs that a run fetches. */
export function fetchesOf(
  shape: ModelShape,
  outputs: NonNullable<ForwardInput<KvShape>["outputs"]>,
): string[] {
  const fetches: string[] = [names.logits];
  for (let l = 0; l < shape.layers; l++) {
    if (outputs !== "none") fetches.push(names.key(l), names.value(l));
    if (outputs === "all") fetches.push(names.preRopeKey(l), names.query(l));
  }
  return fetches;
}

/** The layers' tensors among the outputs of a run. */
export function layersOf<T extends KvShape>(
  shape: ModelShape,
  outputs: NonNullable<ForwardInput<KvShape>["outputs"]>,
  results: Readonly<Record<string, Tensor>>,
  unwrap: (tensor: Tensor) => T,
): LayerOutput<T>[] {
  if (outputs === "none") return [];
  const at = (name: string) => unwrap(results[name]!);
  return Array.from({ length: shape.layers }, (_, l) => ({
    key: at(names.key(l)),
    value: at(names.value(l)),
    ...(outputs === "all"
      ? { preRopeKey: at(names.preRopeKey(l)), query: at(names.query(l)) }
      : {}),
  }));
}

/** Sizes of an output tensor `[1, heads, capacity, headDim]`. */
export function kvShapeOf(tensor: Tensor): KvShape {
  const [, heads, capacity, headDim] = tensor.dims as [number, number, number, number];
  return { heads, capacity, headDim };
}

/**
 * Checks a run.
 *
 * @throws {InternalError} when sizes, ids or positions do not fit the model or each other
 */
export function checkSizes<T extends KvShape>(shape: ModelShape, input: ForwardInput<T>): void {
  const { ids, positions, past, maskLayers, logits, causal } = input;
  const wrong = (what: string) => new InternalError(`A forward pass needs ${what}`);
  if (past.length !== shape.layers) {
    throw wrong(`the past of ${shape.layers} layers, not of ${past.length}`);
  }
  const entries = past[0]!.key.capacity;
  for (const tensor of past.flatMap(({ key, value }) => [key, value])) {
    const { heads, capacity, headDim } = tensor;
    if (heads !== shape.kvHeads || headDim !== shape.headDim || capacity !== entries) {
      throw wrong(
        `past tensors of [${shape.kvHeads}, ${entries}, ${shape.headDim}], not [${heads}, ${capacity}, ${headDim}]`,
      );
    }
  }
  if (entries < 1) throw wrong("at least one entry in the past");
  const fed = ids.length;
  if (fed < 1 || positions.length !== fed) {
    throw wrong(`one position for each of at least one id, not ${positions.length} for ${fed}`);
  }
  if (!Number.isInteger(logits) || logits < 1 || logits > fed) {
    throw wrong(`between 1 and ${fed} rows of logits, not ${logits}`);
  }
  const id = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < shape.vocab));
  if (id !== undefined) throw wrong(`token ids below ${shape.vocab}, not ${id}`);
  const position = positions.find((p) =>
    !(Number.isInteger(p) && p >= 0 && p < shape.maxPositions)
  );
  if (position !== undefined) {
    throw wrong(`positions below ${shape.maxPositions}, not ${position}`);
  }
  if (maskLayers !== 1 && maskLayers !== shape.layers) {
    throw wrong(`a mask for 1 or ${shape.layers} layers, not for ${maskLayers}`);
  }
  if (causal !== undefined) {
    if (Number.isInteger(causal) && causal >= 0 && causal <= entries) return;
    throw wrong(`between 0 and ${entries} entries of the past that all see, not ${causal}`);
  }
  const { mask } = input;
  const columns = columnsOf(input);
  if (mask.length !== maskLayers * fed * columns) {
    throw wrong(
      `a mask of [${maskLayers}, ${fed}, ${columns}] values, not of ${mask.length} values`,
    );
  }
}
