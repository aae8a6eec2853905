/**
 * Runs the golden vectors of `tests/golden/<family>` on every backend. A family's test says how to
 * turn a case's parameters into settings and how to read its store; the comparison is here.
 *
 * A case has inputs and expected results of the official code (`provenance` says which), and a
 * tolerance: all elements within `atol`, except at most a share `flip_frac` of them, a rounding tie
 * apart, within `flip_atol`.
 */
import { assert, assertEquals } from "@std/assert";
import type { Family, KvKind, Settings, Source, Store } from "../../quant/family.ts";
import type { KvShape, TokenRange } from "../../quant/tensor.ts";
import { type TestBackend, testOnBackends } from "./backends.ts";
import { readSafetensors, type StoredTensor } from "./safetensors_file.ts";

/** How far a result may be from the official one. */
export interface Tolerance {
  readonly atol: number;
  readonly flip_frac: number;
  readonly flip_atol: number;
}

/** One case of `cases.json`. */
export interface GoldenCase {
  readonly id: string;
  readonly kind: string;
  readonly kv_kind: "key" | "value" | "both";
  readonly params: Readonly<Record<string, unknown>>;
  readonly shape: readonly number[];
  readonly tensors: Readonly<Record<string, string>>;
  readonly tolerance: Tolerance;
}

/** A case with its tensors. */
export interface Golden extends GoldenCase {
  /** The tensor in this role; undefined when the case has none. */
  tensor(role: string): StoredTensor | undefined;
}

/** What a store holds, unpacked: integer roles are compared exactly but for rounding ties. */
export type Inspected = Readonly<Record<string, ArrayLike<number>>>;

/** What the runner must know of a family. */
export interface GoldenFamily<S extends Settings> {
  readonly family: Family<S>;
  /** Settings of a case for one kind. */
  settings(golden: Golden, kind: KvKind): S;
  /** Results beside the restored tensor, named by role and ordered as the golden tensors. */
  inspect(store: Store<KvShape>, settings: S, golden: Golden): Promise<Inspected>;
  /** Adds what the family reads beside keys and values. */
  extend?(source: Source<KvShape>, golden: Golden, backend: TestBackend): Source<KvShape>;
  /** Cases this family does not run, with the reason. */
  readonly except?: Readonly<Record<string, string>>;
}

/** The cases of one family. */
export function loadGolden(family: string): Golden[] {
  const folder = new URL(`../golden/${family}/`, import.meta.url);
  const { cases } = JSON.parse(Deno.readTextFileSync(new URL("cases.json", folder))) as {
    cases: GoldenCase[];
  };
  const tensors = readSafetensors(new URL("tensors.safetensors", folder));
  return cases.map((golden) => ({
    ...golden,
    tensor: (role) => {
      const name = golden.tensors[role];
      return name === undefined ? undefined : tensors.get(name);
    },
  }));
}

/** Asserts that `got` is within the tolerance of `expected`, element by element. */
export function assertWithin(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
  what: string,
): void {
  assertEquals(got.length, expected.length, `${what}: number of elements`);
  let flips = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(got[i]! - expected[i]!);
    if (!(error <= tolerance.atol)) flips++;
    // NaN must not pass as a small error.
    worst = error <= worst ? worst : error;
  }
  assert(worst <= tolerance.flip_atol, `${what}: error ${worst} above ${tolerance.flip_atol}`);
  assert(
    flips <= tolerance.flip_frac * expected.length,
    `${what}: ${flips} of ${expected.length} elements off by more than ${tolerance.atol}`,
  );
}

/** Asserts that codes are the official ones but for a step of 1 at rounding ties. */
export function assertCodes(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
  what: string,
): void {
  assertWithin(got, expected, { atol: 0, flip_frac: tolerance.flip_frac, flip_atol: 1 }, what);
}

/** Asserts that scales, zeros, shifts or norms are within `max(atol, 2e-3 |expected|)`. */
export function assertParameters(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
  what: string,
): void {
  assertEquals(got.length, expected.length, `${what}: number of elements`);
  for (let i = 0; i < expected.length; i++) {
    const bound = Math.max(tolerance.atol, 2e-3 * Math.abs(expected[i]!));
    const error = Math.abs(got[i]! - expected[i]!);
    assert(error <= bound, `${what}: element ${i} is ${got[i]}, not ${expected[i]}`);
  }
}

const EXACT_ROLES = ["n_bits", "outlier_mask", "packed"];
const CODE_ROLES = ["codes"];

function floats(tensor: StoredTensor): Float32Array<ArrayBuffer> {
  return Float32Array.from(tensor.data);
}

/** The first `tokens` tokens of each head of `[heads, capacity, headDim]`. */
export function firstTokens(
  data: Float32Array<ArrayBuffer>,
  shape: KvShape,
  tokens: number,
): Float32Array<ArrayBuffer> {
  const row = tokens * shape.headDim;
  const out = new Float32Array(shape.heads * row);
  for (let head = 0; head < shape.heads; head++) {
    const from = head * shape.capacity * shape.headDim;
    out.set(data.subarray(from, from + row), head * row);
  }
  return out;
}

/** Copies what `range` leaves exact from `real` to `restored`, both of the same shape. */
function keepExactTokens(
  restored: Float32Array,
  real: Float32Array,
  { heads, capacity, headDim }: KvShape,
  { from, to }: TokenRange,
): void {
  for (let row = 0; row < heads * capacity; row++) {
    const token = row % capacity;
    if (token >= from && token < to) continue;
    restored.set(real.subarray(row * headDim, (row + 1) * headDim), row * headDim);
  }
}

/** A source of one tensor alone. */
export function sourceOf<T extends KvShape>(
  tensor: T,
  kind: KvKind,
  promptTokens: number,
  layer = 0,
): Source<T> {
  return { layer, kind, tensor, promptTokens, siblings: [], shared: new Map() };
}

async function roundTrip<S extends Settings>(
  golden: Golden,
  subject: GoldenFamily<S>,
  backend: TestBackend,
): Promise<void> {
  const [, heads, tokens, headDim] = golden.shape as [number, number, number, number];
  const kind = golden.kv_kind === "value" ? "value" : "key";
  const settings = subject.settings(golden, kind);
  const shape = { heads, capacity: tokens, headDim };
  const tensor = backend.upload(floats(golden.tensor("input")!), shape);
  const plain = sourceOf(tensor, kind, tokens);
  const source = subject.extend?.(plain, golden, backend) ?? plain;
  const store = backend.open(subject.family, source, settings, tokens);
  store.grow(tokens);
  // A target with more room than the source, so that neither stride can stand in for the other.
  const room = { heads, capacity: tokens + 3, headDim };
  const target = backend.upload(new Float32Array(heads * room.capacity * headDim), room);
  store.restore(target);
  await store.settle();
  const restored = firstTokens(await backend.read(target), room, tokens);
  keepExactTokens(restored, floats(golden.tensor("input")!), shape, store.quantized);
  assertWithin(restored, golden.tensor("restored")!.data, golden.tolerance, "restored");
  const results = await subject.inspect(store, settings, golden);
  for (const [role, got] of Object.entries(results)) {
    const expected = golden.tensor(role)?.data;
    if (expected === undefined) continue;
    if (EXACT_ROLES.includes(role)) assertEquals(Array.from(got), Array.from(expected), role);
    else if (CODE_ROLES.includes(role)) assertCodes(got, expected, golden.tolerance, role);
    else assertParameters(got, expected, golden.tolerance, role);
  }
}

/** Attention of one query per head, with the softmax in double precision. */
function attend(
  query: Float32Array,
  keys: Float32Array,
  values: Float32Array,
  shape: KvShape,
  tokens: number,
): Float32Array {
  const { heads, capacity, headDim } = shape;
  const out = new Float32Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const scores = Array.from({ length: tokens }, (_, token) => {
      const base = (head * capacity + token) * headDim;
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += query[head * headDim + d]! * keys[base + d]!;
      return dot / Math.sqrt(headDim);
    });
    const top = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - top));
    const total = weights.reduce((a, b) => a + b);
    for (let d = 0; d < headDim; d++) {
      let sum = 0;
      weights.forEach((weight, token) => {
        sum += weight / total * values[(head * capacity + token) * headDim + d]!;
      });
      out[head * headDim + d] = sum;
    }
  }
  return out;
}

async function stream<S extends Settings>(
  golden: Golden,
  subject: GoldenFamily<S>,
  backend: TestBackend,
): Promise<void> {
  const params = golden.params as Record<string, number>;
  const prefill = params["prefill"]!;
  const steps = params["decode_steps"]!;
  const tokens = prefill + steps;
  const [, heads, capacity, headDim] = golden.tensor("keys")!.shape as number[];
  const shape = { heads: heads!, capacity: capacity!, headDim: headDim! };

  const open = (kind: KvKind) => {
    const real = floats(golden.tensor(kind === "key" ? "keys" : "values")!);
    const tensor = backend.upload(real, shape);
    const settings = subject.settings(golden, kind);
    const store = backend.open(subject.family, sourceOf(tensor, kind, prefill), settings, tokens);
    return { real, settings, store };
  };
  const key = open("key");
  const value = open("value");

  /** The whole cache of a kind as attention sees it: restored where quantized, else exact. */
  const content = async ({ real, store }: typeof key) => {
    const target = backend.upload(real.slice(), shape);
    store.restore(target);
    await store.settle();
    return await backend.read(target);
  };

  const output = golden.tensor("attention_output");
  const queries = golden.tensor("queries");
  const attended = new Float32Array(heads! * steps * headDim!);
  const lastSeen = golden.tensor("returned_keys_last_step");
  for (let n = prefill; n <= tokens; n++) {
    key.store.grow(n);
    value.store.grow(n);
    const step = n - prefill;
    if (step === steps - 1 && lastSeen !== undefined) {
      const seen = firstTokens(await content(key), shape, tokens);
      assertWithin(seen, lastSeen.data, golden.tolerance, "returned_keys_last_step");
    }
    if (step === steps || output === undefined || queries === undefined) continue;
    // The step sees the cache of n tokens and its own new token exact.
    const [keys, values] = [await content(key), await content(value)];
    const query = new Float32Array(heads! * headDim!);
    for (let head = 0; head < heads!; head++) {
      const from = (head * queries.shape[2]! + n) * headDim!;
      query.set(queries.data.subarray(from, from + headDim!), head * headDim!);
    }
    const result = attend(query, keys, values, shape, n + 1);
    for (let head = 0; head < heads!; head++) {
      attended.set(
        result.subarray(head * headDim!, (head + 1) * headDim!),
        (head * steps + step) * headDim!,
      );
    }
  }
  if (output !== undefined) {
    assertWithin(attended, output.data, golden.tolerance, "attention_output");
  }
  for (const [role, side] of [["restored_keys", key], ["restored_values", value]] as const) {
    const got = firstTokens(await content(side), shape, tokens);
    assertWithin(got, golden.tensor(role)!.data, golden.tolerance, role);
  }
  const count = ({ from, to }: TokenRange) => to - from;
  const residual = params["expect_residual_tokens"];
  const all = residual === undefined ? params["expect_quantized_tokens"] : tokens - residual;
  const keyTokens = params["expect_quantized_key_tokens"] ?? all;
  const valueTokens = params["expect_quantized_value_tokens"] ?? all;
  assertEquals(count(key.store.quantized), keyTokens);
  assertEquals(count(value.store.quantized), valueTokens);
}

/** Registers a test per golden case and backend. */
export function testGoldenCases<S extends Settings>(subject: GoldenFamily<S>): void {
  const { name } = subject.family;
  const cases = loadGolden(name);
  Deno.test(`${name}: every golden case is run or excepted by name`, () => {
    const runnable = cases.filter(({ id, kind }) =>
      kind === "roundtrip" || kind === "stream" || subject.except?.[id] !== undefined
    );
    assertEquals(runnable.length, cases.length);
    for (const id of Object.keys(subject.except ?? {})) {
      assert(cases.some((golden) => golden.id === id), `there is no case ${id}`);
    }
  });
  for (const golden of cases) {
    if (subject.except?.[golden.id] !== undefined) continue;
    const run = golden.kind === "stream" ? stream : roundTrip;
    testOnBackends(`${name}: golden ${golden.id}`, (backend) => run(golden, subject, backend));
  }
}
