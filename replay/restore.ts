/**
 * Step 3 of a replayed step: restore. Consecutive steps under one plan go through the model together:
 * the memory is the union of the versions a token takes over those steps (exact while it is in the
 * window, restored after it), and an additive mask shows each step exactly one version of every
 * earlier token, and of the new tokens only its own.
 *
 * @module
 */
import { KV_KINDS } from "../quant/family.ts";
import type { KvShape, TokenRange } from "../quant/tensor.ts";
import { type Engine, type LayerKv, MASKED } from "../engine/engine.ts";
import type { QuantizedCache } from "./quantize.ts";

/** One step of a pass: its snapshot's length and what was quantized, per layer and kind. */
export interface PassStep {
  readonly step: number;
  readonly tokens: number;
  readonly ranges: readonly TokenRange[];
}

/** A run of consecutive tokens in one version, seen by the steps `first .. last` of the pass. */
interface Entry {
  readonly token: number;
  readonly count: number;
  /** Per kind: whether this version is the restored one. */
  readonly restored: readonly [boolean, boolean];
  readonly first: number;
  readonly last: number;
}

/** Memory and mask for one forward pass over several steps. */
export interface Memory<T extends KvShape> {
  readonly past: LayerKv<T>[];
  /** `[maskLayers, steps, capacity + steps]`. */
  readonly mask: Float32Array<ArrayBuffer>;
  readonly maskLayers: number;
}

/**
 * Versions of the tokens of one layer over a pass. The last version of token `t` sits at position
 * `t`; earlier versions follow behind position `n`, in the order returned.
 */
export function versions(
  steps: readonly PassStep[],
  layer: number,
): { current: Entry[]; earlier: Entry[] } {
  const last = steps.length - 1;
  const n = steps[last]!.tokens;
  const known = steps[0]!.tokens;
  const rangesOf = (kind: 0 | 1) => steps.map((s) => s.ranges[layer * KV_KINDS.length + kind]!);
  const kinds = [rangesOf(0), rangesOf(1)] as const;
  /** First step at which the token is quantized; `steps.length` when never. */
  const since = (kind: 0 | 1, token: number): number => {
    const ranges = kinds[kind];
    if (token < ranges[last]!.from || token >= ranges[last]!.to) return steps.length;
    let s = last;
    while (s > 0 && token >= ranges[s - 1]!.from && token < ranges[s - 1]!.to) s--;
    return s;
  };
  const current: Entry[] = [];
  /** First, second and so on versions apart: of one version, neighbours are copied together. */
  const earlier: Entry[][] = [];
  // Tokens between two boundaries behave alike.
  const cuts = new Set([0, n, known]);
  for (const ranges of kinds) {
    for (const r of ranges) {
      cuts.add(Math.min(r.from, n));
      cuts.add(Math.min(r.to, n));
    }
  }
  for (let t = known; t < n; t++) cuts.add(t);
  const edges = [...cuts].sort((a, b) => a - b);
  for (let i = 0; i + 1 < edges.length; i++) {
    const token = edges[i]!;
    const count = edges[i + 1]! - token;
    // Steps may be some tokens apart.
    const born = token < known ? 0 : steps.findIndex(({ tokens }) => tokens > token);
    const [key, value] = [since(0, token), since(1, token)];
    const starts = [...new Set([born, Math.max(born, key), Math.max(born, value)])]
      .filter((s) => s <= last)
      .sort((a, b) => a - b);
    starts.forEach((first, j) => {
      const entry: Entry = {
        token,
        count,
        restored: [key <= first, value <= first],
        first,
        last: (starts[j + 1] ?? steps.length) - 1,
      };
      (j === starts.length - 1 ? current : earlier[j] ??= []).push(entry);
    });
  }
  return { current, earlier: earlier.flat() };
}

/** Entries one behind the other whose tokens are, too, and that are alike in one kind. */
function runsOf(entries: readonly Entry[], kind: 0 | 1) {
  const runs: { restored: boolean; token: number; count: number }[] = [];
  for (const { token, count, restored } of entries) {
    const last = runs.at(-1);
    if (last?.restored === restored[kind] && last.token + last.count === token) last.count += count;
    else runs.push({ restored: restored[kind], token, count });
  }
  return runs;
}

/** Builds memory and mask of a pass. The caller frees `past`. */
export function restore<T extends KvShape>(
  { backend }: Pick<Engine<T>, "backend">,
  reference: readonly LayerKv<T>[],
  cache: Pick<QuantizedCache<T>, "restore">,
  steps: readonly PassStep[],
): Memory<T> {
  const n = steps.at(-1)!.tokens;
  const layers = reference.map((_, layer) => versions(steps, layer));
  const extra = Math.max(
    ...layers.map((l) => l.earlier.reduce((sum, entry) => sum + entry.count, 0)),
  );
  const capacity = Math.max(1, n + extra);
  const made: T[] = [];
  const restoredLayer = (kv: LayerKv<T>, layer: number) => {
    const restoredKind = (kind: 0 | 1): T => {
      const real = kind === 0 ? kv.key : kv.value;
      const filled = layers[layer]!.earlier.reduce((sum, entry) => sum + entry.count, n);
      const size = { heads: real.heads, capacity, headDim: real.headDim };
      // Entries that no version fills are masked, but must still be numbers.
      const memory = filled === capacity ? backend.scratch(size) : backend.alloc(size);
      made.push(memory);
      const { from, to } = steps.at(-1)!.ranges[layer * KV_KINDS.length + kind]!;
      if (from > 0) backend.copy(real, 0, from, memory, 0);
      if (to < n) backend.copy(real, to, n - to, memory, to);
      cache.restore(layer, kind, memory);
      let at = n;
      for (const { restored, token, count } of runsOf(layers[layer]!.earlier, kind)) {
        backend.copy(restored ? memory : real, token, count, memory, at);
        at += count;
      }
      return memory;
    };
    return { key: restoredKind(0), value: restoredKind(1) };
  };
  let past: LayerKv<T>[];
  try {
    past = reference.map(restoredLayer);
  } catch (error) {
    for (const memory of made) backend.free(memory);
    throw error;
  }
  const alike = layers.every((l) => sameVersions(l, layers[0]!));
  const masked = alike ? layers.slice(0, 1) : layers;
  const columns = capacity + steps.length;
  const mask = new Float32Array(masked.length * steps.length * columns);
  masked.forEach(({ current, earlier }, m) => {
    const show = (entry: Entry, at: number) => {
      for (let row = 0; row < steps.length; row++) {
        if (row >= entry.first && row <= entry.last) continue;
        const base = (m * steps.length + row) * columns + at;
        mask.fill(MASKED, base, base + entry.count);
      }
    };
    for (const entry of current) show(entry, entry.token);
    let at = n;
    for (const entry of earlier) {
      show(entry, at);
      at += entry.count;
    }
    for (let row = 0; row < steps.length; row++) {
      const base = (m * steps.length + row) * columns;
      mask.fill(MASKED, base + at, base + columns);
      mask[base + capacity + row] = 0;
    }
  });
  return { past, mask, maskLayers: masked.length };
}

function sameVersions(
  a: { current: readonly Entry[]; earlier: readonly Entry[] },
  b: { current: readonly Entry[]; earlier: readonly Entry[] },
): boolean {
  const same = (x: readonly Entry[], y: readonly Entry[]) =>
    x.length === y.length && x.every((e, i) => {
      const f = y[i]!;
      return e.token === f.token && e.count === f.count && e.first === f.first && e.last === f.last;
    });
  return same(a.current, b.current) && same(a.earlier, b.earlier);
}
