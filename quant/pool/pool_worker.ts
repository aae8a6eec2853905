/**
 * A thread of a pool: it holds stores of some layers, and does with them what it is told.
 *
 * @module
 */
import { parentPort } from "node:worker_threads";
import type { Calibration } from "../calibration.ts";
import type { Source, Store } from "../family.ts";
import { builtInFamilies } from "../registry.ts";
import type { CpuTensor } from "../tensor.ts";
import {
  type Answer,
  ANSWERED,
  type Begin,
  type Grown,
  READY,
  type Request,
  type SharedSiblings,
  type SharedSource,
  type SharedTensor,
} from "./messages.ts";

/** A store, or why there is none. */
interface Held {
  readonly store?: Store<CpuTensor>;
  readonly error?: unknown;
  readonly source: Source<CpuTensor>;
  readonly tokens: number;
  /** The layers that it is coupled with. */
  readonly layers?: Layers;
}

/** All layers of one kind, and how many stores look at them. */
interface Layers {
  readonly id: number;
  readonly siblings: readonly Source<CpuTensor>[];
  stores: number;
}

const held = new Map<number, Held>();
const layersById = new Map<number, Layers>();
const tensors = new Map<number, CpuTensor>();
const calibrations = new Map<number, Calibration>();
let begin: Begin | undefined;

parentPort!.on("message", async (data: Begin | Request) => {
  if ("answers" in data) {
    begin = data;
    tell(READY);
    return;
  }
  let answer: Answer | undefined;
  try {
    answer = await done(data);
  } catch (error) {
    const { name, message } = error as Error;
    answer = { name, message };
  }
  if (answer === undefined) return;
  begin!.answers.postMessage(answer);
  tell(ANSWERED);
});

function tell(what: number): void {
  const state = new Int32Array(begin!.state);
  Atomics.add(state, what, 1);
  Atomics.notify(state, what);
}

/** Does what is asked; undefined where no answer is waited for. */
function done(request: Request): undefined | Answer | Promise<Answer> {
  if ("open" in request) return void open(request);
  if ("grow" in request) return { value: grown(request.grow, request.n) };
  if ("buffers" in request) return { value: store(request.buffers).buffers(request.n) };
  if ("restore" in request) {
    const { heads, headDim } = held.get(request.restore)!.source.tensor;
    const data = floats(request.into, heads * request.room * headDim);
    store(request.restore).restore({ heads, capacity: request.room, headDim, data });
    return {};
  }
  if ("contents" in request) {
    return store(request.contents).contents().then((value) => ({ value }));
  }
  if ("free" in request) {
    const { store, layers } = held.get(request.free) ?? {};
    store?.free();
    held.delete(request.free);
    if (layers !== undefined && --layers.stores === 0) layersById.delete(layers.id);
    return undefined;
  }
  tensors.delete(request.forget);
  calibrations.delete(request.forget);
  return undefined;
}

function store(id: number): Store<CpuTensor> {
  const { store, error } = held.get(id)!;
  if (store === undefined) throw error;
  return store;
}

/** What is wrong is told when it is first asked for something. */
function open({ open: id, source: sent, siblings, ...rest }: OpenRequest): void {
  const { settings, calibration, tokens } = rest;
  const layers = siblings === undefined ? undefined : layersOf(siblings);
  const source = layers?.siblings.find(({ layer }) => layer === sent.layer) ??
    sourceOf(sent, [], new Map());
  const common = { source, tokens, ...(layers === undefined ? {} : { layers }) };
  if (calibration?.arrays !== undefined) calibrations.set(calibration.id, calibration.arrays);
  const learned = calibration === undefined
    ? {}
    : { calibration: calibrations.get(calibration.id)! };
  try {
    const family = builtInFamilies.of(settings.family);
    const store = family.openCpu(source, { ...settings, ...learned }, tokens);
    held.set(id, { store, ...common });
  } catch (error) {
    held.set(id, { error, ...common });
  }
}

type OpenRequest = Extract<Request, { readonly open: number }>;

function layersOf({ id, sources }: SharedSiblings): Layers {
  let layers = layersById.get(id);
  if (layers === undefined) {
    const [siblings, shared] = [[] as Source<CpuTensor>[], new Map<string, unknown>()];
    for (const source of sources) sourceOf(source, siblings, shared);
    layersById.set(id, layers = { id, siblings, stores: 0 });
  }
  layers.stores++;
  return layers;
}

/** A source, which joins its siblings. */
function sourceOf(
  sent: SharedSource,
  siblings: Source<CpuTensor>[],
  shared: Map<string, unknown>,
): Source<CpuTensor> {
  const { layer, kind, promptTokens, preRope, rope, queries, keys } = sent;
  const source: Source<CpuTensor> = {
    layer,
    kind,
    promptTokens,
    tensor: tensorOf(sent.tensor),
    siblings,
    shared,
    ...(preRope === undefined ? {} : { preRope: tensorOf(preRope) }),
    ...(rope === undefined ? {} : { rope: { cos: tensorOf(rope.cos), sin: tensorOf(rope.sin) } }),
    ...(queries === undefined ? {} : { queries: tensorOf(queries) }),
    ...(keys === undefined ? {} : { keys: tensorOf(keys) }),
  };
  siblings.push(source);
  return source;
}

function tensorOf({ id, heads, capacity, headDim, memory }: SharedTensor): CpuTensor {
  const known = tensors.get(id);
  if (known !== undefined) return known;
  const data = floats(memory, heads * capacity * headDim);
  const tensor = { heads, capacity, headDim, data };
  tensors.set(id, tensor);
  return tensor;
}

/** Stores only read and write such arrays, which is the same on memory that threads share. */
function floats(memory: SharedArrayBuffer, count: number): Float32Array<ArrayBuffer> {
  return new Float32Array(memory, 0, count) as Float32Array<ArrayBufferLike> as Float32Array<
    ArrayBuffer
  >;
}

function grown(id: number, n: number): Grown {
  const { tokens, layers } = held.get(id)!;
  const grown = store(id);
  grown.grow(n);
  const { from, to } = grown.quantized;
  let at = n + 1;
  while (at <= tokens && !grown.rewrites(at)) at++;
  return {
    quantized: { from, to },
    ...(layers === undefined ? { buffers: grown.buffers(n) } : {}),
    ...(at > tokens ? {} : { rewritesAt: at }),
  };
}
