import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CpuBackend } from "../../quant/backend_cpu.ts";
import type { CpuTensor, TokenRange } from "../../quant/tensor.ts";
import { MASKED } from "../../engine/engine.ts";
import { type PassStep, restore } from "../../replay/restore.ts";

const HEADS = 2;
const HEAD_DIM = 3;

/** Ranges that only ever grow at their end, as a family's do. */
const growingRanges = (known: number, steps: number): fc.Arbitrary<TokenRange[]> =>
  fc.tuple(
    fc.nat({ max: known }),
    fc.array(fc.nat({ max: 7 }), { minLength: steps, maxLength: steps }),
    fc.nat({ max: known }),
  ).map(([from, growth, start]) => {
    let to = Math.max(from, start);
    return growth.map((more, s) => {
      to = Math.min(to + more, known + s);
      return to > from ? { from, to } : { from: 0, to: 0 };
    });
  });

interface Case {
  readonly layers: number;
  readonly known: number;
  /** Per layer and kind, per step. */
  readonly ranges: readonly TokenRange[][];
}

const cases: fc.Arbitrary<Case> = fc.tuple(
  fc.integer({ min: 1, max: 3 }),
  fc.nat({ max: 24 }),
  fc.integer({ min: 1, max: 9 }),
).chain(([layers, known, steps]) =>
  fc.array(growingRanges(known, steps), { minLength: 2 * layers, maxLength: 2 * layers })
    .map((ranges) => ({ layers, known, ranges }))
);

/** A tensor whose entries tell layer, kind, token and whether they were restored. */
function marked(layer: number, kind: number, restored: boolean, capacity: number): CpuTensor {
  const data = new Float32Array(HEADS * capacity * HEAD_DIM);
  for (let head = 0; head < HEADS; head++) {
    for (let t = 0; t < capacity; t++) {
      data.fill(
        mark(layer, kind, t, restored) + head * 0.25,
        (head * capacity + t) * HEAD_DIM,
        (head * capacity + t + 1) * HEAD_DIM,
      );
    }
  }
  return { heads: HEADS, capacity, headDim: HEAD_DIM, data };
}

const mark = (layer: number, kind: number, token: number, restored: boolean) =>
  layer * 10_000 + kind * 4_000 + token * 2 + (restored ? 1 : 0);

Deno.test("every step sees each earlier token exactly once, in the version of that step", () => {
  fc.assert(fc.property(cases, ({ layers, known, ranges }) => {
    const steps: PassStep[] = ranges[0]!.map((_, s) => ({
      step: s,
      tokens: known + s,
      ranges: ranges.map((r) => r[s]!),
    }));
    const capacity = known + steps.length;
    const reference = Array.from({ length: layers }, (_, l) => ({
      key: marked(l, 0, false, capacity),
      value: marked(l, 1, false, capacity),
    }));
    const backend = new CpuBackend();
    const last = steps.at(-1)!;
    const cache = {
      restore(layer: number, kind: 0 | 1, target: CpuTensor) {
        const { from, to } = last.ranges[layer * 2 + kind]!;
        if (to > from) {
          backend.copy(marked(layer, kind, true, capacity), from, to - from, target, from);
        }
      },
    };
    const memory = restore({ backend }, reference, cache, steps);

    for (let layer = 0; layer < layers; layer++) {
      const { key, value } = memory.past[layer]!;
      const columns = key.capacity + steps.length;
      const maskLayer = Math.min(layer, memory.maskLayers - 1);
      for (const [row, { tokens, ranges: quantized }] of steps.entries()) {
        const base = (maskLayer * steps.length + row) * columns;
        const seen = [...memory.mask.subarray(base, base + columns).entries()]
          .filter(([, m]) => m === 0).map(([i]) => i);
        assert(memory.mask.subarray(base, base + columns).every((m) => m === 0 || m === MASKED));
        assertEquals(seen.filter((i) => i >= key.capacity), [key.capacity + row]);
        for (const [kind, tensor] of [key, value].entries()) {
          const range = quantized[layer * 2 + kind]!;
          const got = seen.filter((i) => i < key.capacity).map((i) => tensor.data[i * HEAD_DIM]!);
          const expected = Array.from(
            { length: tokens },
            (_, t) => mark(layer, kind, t, t >= range.from && t < range.to),
          );
          assertEquals(got.toSorted((a, b) => a - b), expected);
        }
      }
    }
  }));
});
