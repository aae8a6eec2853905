/** Properties of `qaq`, each on every backend. */
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { HookAnswers, KvKind } from "../../../../quant/family.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { qaq } from "../../../../quant/families/qaq/qaq.ts";
import {
  momentOf,
  qaqLayout,
  type QaqSettings,
} from "../../../../quant/families/qaq/qaq_settings.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { testOnBackends } from "../../backends.ts";
import { runs, testCacheProperties, testMoreBits } from "../../cache_properties.ts";
import { type CacheScene, layerData, layerQueries, OpenCache } from "../../cache_scenes.ts";
import { KV_LOOKS } from "../../kv_data.ts";
import { qaqContents } from "./qaq_contents.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

type Scene = CacheScene<QaqSettings>;

/** What a test pins down; the rest is drawn. */
interface Choice {
  readonly kind?: KvKind;
  readonly attention?: boolean;
  readonly answers?: Partial<HookAnswers>;
}

interface Draw {
  readonly scene: Scene;
  /** The scene under other settings. */
  with(changes: Partial<HookAnswers>): Scene;
}

function draws(choice: Choice = {}): fc.Arbitrary<Draw> {
  return fc.record({
    kind: fc.constantFrom<KvKind>("key", "value"),
    layers: fc.integer({ min: 1, max: 3 }),
    heads: fc.integer({ min: 1, max: 3 }),
    headDim: fc.constantFrom(64, 80, 96, 128),
    level: fc.constantFrom("token" as const, "layer" as const, "head" as const),
    method: fc.constantFrom("uniform" as const, "uniform" as const, "normal" as const),
    symmetric: fc.boolean(),
    widths: fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 3, maxLength: 3 }),
    ratio: fc.constantFrom(0, 0.01, 0.01, 0.1),
    attention: fc.boolean(),
    range: fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 8 })),
    lastN: fc.integer({ min: 1, max: 5 }),
    error: fc.constantFrom(0.01, 0.1, 1, 3, 30),
    residual: fc.constantFrom(0, 0, 7),
    tokens: fc.integer({ min: 2, max: 48 }),
    prompt: fc.nat(),
    room: fc.integer({ min: 0, max: 5 }),
    group: fc.integer({ min: 1, max: 3 }),
    look: fc.constantFrom(...KV_LOOKS),
    seed: fc.nat({ max: 1e6 }),
  }).map((draw) => {
    const kind = choice.kind ?? draw.kind;
    const attention = choice.attention ?? draw.attention;
    const level = choice.answers?.quantizationLevel ?? draw.level;
    const widths = draw.widths.slice(0, draw.heads);
    const { heads, headDim, tokens, look, seed } = draw;
    const withAnswers = (changes: Partial<HookAnswers>): Scene => ({
      family: qaq,
      kind,
      settings: Array.from({ length: draw.layers }, (_, layer) =>
        settingsFor(
          qaq,
          answers(kind, {
            layer,
            bits: level === "head" ? widths : widths.map(() => widths[0]!),
            residualLength: draw.residual,
            quantizationLevel: level,
            quantizationMethod: attention ? "uniform" : draw.method,
            symmetric: draw.symmetric,
            outliersRatio: draw.ratio,
            useAttentions: attention,
            bitRange: [Math.min(...draw.range), Math.max(...draw.range)],
            lastNAttentions: draw.lastN,
            targetQuantizationError: draw.error,
            ...choice.answers,
            ...changes,
          }),
          { heads, headDim },
        )),
      heads,
      headDim,
      tokens,
      promptTokens: 1 + draw.prompt % tokens,
      capacity: tokens + draw.room,
      look,
      seed,
      ...(attention && kind === "value" ? { queryGroup: draw.group } : {}),
    });
    return { scene: withAnswers({}), with: withAnswers };
  });
}

testCacheProperties("qaq", draws().map(({ scene }) => scene));

for (const level of ["token", "layer", "head"] as const) {
  for (const method of ["uniform", "normal"] as const) {
    const pinned = {
      quantizationLevel: level,
      quantizationMethod: method,
      outliersRatio: 0.01,
      residualLength: 0,
    };
    testMoreBits(
      `qaq ${method} at level ${level}`,
      draws({ attention: false, answers: pinned }).filter(({ scene }) => scene.tokens >= 20)
        .map((draw) => {
          const withBits = (bits: number): Scene => ({
            ...draw.with({ bits: Array(draw.scene.heads).fill(bits) }),
            look: "normal",
          });
          return { scene: withBits(1), withBits };
        }),
    );
  }
}

/** Entries of every group of the quantized tokens: layer and index into its tensor. */
function groupsOf(scene: Scene) {
  const { heads, headDim, capacity, tokens, settings } = scene;
  const layout = qaqLayout(settings[0]!, scene, settings.length);
  const { from, to } = qaq.quantizedRange(settings[0]!, tokens);
  const groups: { token: number; head: number; entries: { layer: number; index: number }[] }[] = [];
  for (let token = from; token < to; token++) {
    const row = settings.flatMap((_, layer) =>
      Array.from({ length: heads * headDim }, (_, i) => ({
        layer,
        index: (Math.floor(i / headDim) * capacity + token) * headDim + i % headDim,
      }))
    );
    for (let at = 0; at < row.length; at += layout.groupSize) {
      const head = Math.floor(at / headDim) % heads;
      groups.push({ token, head, entries: row.slice(at, at + layout.groupSize) });
    }
  }
  return groups;
}

/** Outliers by sorting, as the definition has it: those at both ends, the upper one excluded. */
function sortedMask(values: readonly number[], ratio: number): boolean[] {
  if (ratio === 0) return values.map(() => false);
  const sorted = [...values].sort((a, b) => a - b);
  const n = values.length;
  const low = sorted[Math.ceil(ratio / 2 * n) - 1]!;
  const high = sorted[Math.floor((1 - ratio / 2) * n) - 1]!;
  return values.map((x) => x <= low || x > high);
}

testOnBackends(
  "qaq: outliers are kept, and the rest is the nearest code of its group",
  async (backend) => {
    const uniform = { quantizationMethod: "uniform" as const };
    await fc.assert(
      fc.asyncProperty(draws({ attention: false, answers: uniform }), async ({ scene }) => {
        const data = layerData(scene);
        const restored = await (await new OpenCache(backend, scene).grow([scene.tokens])).restore();
        const { outliersRatio, symmetric, bits } = scene.settings[0]!;
        for (const { head, entries } of groupsOf(scene)) {
          const values = entries.map(({ layer, index }) => data[layer]![index]!);
          const mask = sortedMask(values, outliersRatio);
          const kept = values.filter((_, i) => !mask[i]);
          const most = Math.max(...kept.map(Math.abs));
          const mean = symmetric ? 0 : kept.reduce((a, b) => a + b, 0) / kept.length;
          const range = symmetric ? 2 * most : Math.max(...kept) - Math.min(...kept);
          const scale = range / 2 ** bits[head]!;
          const half = 2 ** (bits[head]! - 1);
          for (const [i, { layer, index }] of entries.entries()) {
            const got = restored[layer]![index]!;
            const x = values[i]!;
            const stored = Math.abs(x) * 2 ** -11 + 2 ** -25;
            if (mask[i]) {
              assert(Math.abs(got - x) <= stored, `outlier ${x} became ${got}`);
              continue;
            }
            // Codes are centred on the mean, so tails saturate.
            const steps = Math.min(Math.max((x - mean) / scale, -half), half - 1);
            const wanted = scale === 0 ? mean : mean + steps * scale;
            const rounding = (Math.abs(mean) + half * scale) * 2 ** -11 + (1 + half) * 2 ** -25;
            const bound = scale / 2 + rounding + 1e-5 * (most + scale);
            assert(Math.abs(got - wanted) <= bound, `${x} became ${got}, not ${wanted}`);
          }
        }
      }),
      runs(backend, 40),
    );
  },
);

testOnBackends("qaq: constant and zero groups come back as they are", async (backend) => {
  await fc.assert(
    fc.asyncProperty(
      draws({ attention: false }),
      fc.constantFrom(0, 1, -0.375, -40, 2 ** -10),
      async ({ scene }, value) => {
        const data = layerData(scene).map((entries) => entries.fill(value));
        const { from, to } = qaq.quantizedRange(scene.settings[0]!, scene.tokens);
        const cache = await new OpenCache(backend, scene, data).grow([scene.tokens]);
        const { symmetric, outliersRatio, bits, method } = scene.settings[0]!;
        for (const restored of await cache.restore()) {
          for (const x of restored.subarray(from * scene.headDim, to * scene.headDim)) {
            // Symmetric codes of entries that are no outliers are centred on 0: half a range off.
            if (!symmetric || outliersRatio > 0 || value === 0) {
              // A GPU's mean is not the constant to the last bit.
              assert(Math.abs(x - value) <= 1e-6 * Math.abs(value), `${value} became ${x}`);
            } else if (method === "uniform") {
              const bound = Math.abs(value) * (2 ** (1 - bits[0]!) + 2 ** -10);
              assert(Math.abs(x - value) <= bound, `${value} became ${x}`);
            }
          }
        }
      },
    ),
    runs(backend, 25),
  );
});

/** Softmax weights of one query row over the tokens up to itself. */
function weights(query: ArrayLike<number>, keys: Float32Array, rows: number, headDim: number) {
  const scores = Array.from({ length: rows }, (_, token) => {
    let dot = 0;
    for (let d = 0; d < headDim; d++) dot += query[d]! * keys[token * headDim + d]!;
    return dot / Math.sqrt(headDim);
  });
  const top = Math.max(...scores);
  const total = scores.reduce((sum, score) => sum + Math.exp(score - top), 0);
  return scores.map((score) => Math.exp(score - top) / total);
}

/** Width of every group, straight from the definition. */
function definedWidths(scene: Scene): { exact: number; near: boolean }[] {
  const { headDim, capacity, settings, kind } = scene;
  const data = layerData(scene);
  const queries = layerQueries(scene);
  const { queryGroup = 1, promptTokens } = scene;
  const [first] = settings;
  const [least, most] = first!.bitRange;
  const headsEach = qaqLayout(first!, scene, settings.length).groupSize / headDim;
  return groupsOf(scene).map(({ token, entries }) => {
    const values = entries.map(({ layer, index }) => data[layer]![index]!);
    const mask = sortedMask(values, first!.outliersRatio);
    const kept = values.filter((_, i) => !mask[i]);
    const range = kept.length === 0
      ? 0
      : first!.symmetric
      ? 2 * Math.max(...kept.map(Math.abs))
      : Math.max(...kept) - Math.min(...kept);
    const n = momentOf(first!, token, promptTokens!);
    if (token > n - first!.lastNAttentions) return { exact: most, near: false };
    const e = first!.targetQuantizationError;
    let error: number;
    if (kind === "key") {
      error = Math.sqrt(12 / first!.qNorm * Math.log(n ** 3 / (n - 1) * e ** 2 + 1));
    } else {
      let largest = 0;
      for (let h = 0; h < headsEach; h++) {
        const { layer, index } = entries[h * headDim]!;
        const head = Math.floor(index / (capacity * headDim));
        const keys = data[layer]!.subarray(head * capacity * headDim);
        for (let g = 0; g < queryGroup; g++) {
          for (let row = Math.max(0, n - first!.lastNAttentions); row < n; row++) {
            if (row < token) continue;
            const at = ((head * queryGroup + g) * capacity + row) * headDim;
            const query = queries[layer]!.subarray(at, at + headDim);
            largest = Math.max(largest, weights(query, keys, row + 1, headDim)[token]!);
          }
        }
      }
      error = Math.sqrt(12 / n) * e / largest;
    }
    const wanted = Math.log2(range / (2 * error) + 1);
    const exact = Math.min(Math.max(Math.ceil(wanted), least), most);
    // Float32 ranges and attention may fall on the other side of a whole number.
    return { exact, near: Math.abs(wanted - Math.round(wanted)) < 1e-3 };
  });
}

for (const kind of ["key", "value"] as const) {
  testOnBackends(
    `qaq: widths of ${kind}s follow range and attention of the moment they are quantized`,
    async (backend) => {
      await fc.assert(
        fc.asyncProperty(draws({ kind, attention: true }), async ({ scene }) => {
          const { settings, tokens } = scene;
          const lengths = Array.from(
            { length: tokens - scene.promptTokens! + 1 },
            (_, i) => scene.promptTokens! + i,
          );
          const cache = await new OpenCache(backend, scene).grow(lengths);
          const to = qaq.quantizedRange(settings[0]!, tokens).to;
          const wanted = definedWidths(scene);
          const perToken = wanted.length / Math.max(1, to);
          let group = 0;
          for (const contents of await cache.contents()) {
            if (contents.length === 0) continue;
            const packed = settings[0]!.level === "token" ? settings.length : 1;
            const { widths } = qaqContents(contents, settings[0]!, scene, packed, to);
            const groups = widths.length / Math.max(1, to);
            widths.forEach((width, i) => {
              const at = Math.floor(i / groups) * perToken + group + i % groups;
              const { exact, near } = wanted[at]!;
              assert(near || width === exact, `group ${at}: ${width} bits, not ${exact}`);
            });
            group += groups;
          }
        }),
        runs(backend, 30),
      );
    },
  );
}

testOnBackends("qaq: with one layer, level token is level layer", async (backend) => {
  await fc.assert(
    fc.asyncProperty(draws({ attention: false }), async (draw) => {
      const [a, b] = (["token", "layer"] as const).map((level) => {
        const bits = Array<number>(draw.scene.heads).fill(3);
        const scene = draw.with({ quantizationLevel: level, bits });
        return { ...scene, settings: scene.settings.slice(0, 1) };
      });
      const restore = async (scene: Scene) => {
        const cache = await new OpenCache(backend, scene).grow([scene.tokens]);
        return [await cache.restore(), await cache.contents()];
      };
      assertEquals(await restore(a!), await restore(b!));
    }),
    runs(backend, 15),
  );
});

testOnBackends("qaq: a layer changes what level token restores of the others", async (backend) => {
  const settings = [0, 1].map((layer) =>
    settingsFor(qaq, answers("key", { layer, quantizationLevel: "token" }), {
      heads: 2,
      headDim: 64,
    })
  );
  const scene: Scene = {
    family: qaq,
    kind: "key",
    settings,
    heads: 2,
    headDim: 64,
    tokens: 9,
    capacity: 9,
    look: "normal",
    seed: 5,
  };
  const [first, second] = layerData(scene);
  const restore = async (data: Float32Array<ArrayBuffer>[]) =>
    (await (await new OpenCache(backend, scene, data).grow([9])).restore())[0];
  const larger = second!.map((x) => 10 * x);
  assertNotEquals(await restore([first!, second!]), await restore([first!, larger]));
});

testOnBackends("qaq: level token needs every layer to have its settings", async (backend) => {
  const resolve = (layer: number, bits: number) =>
    settingsFor(qaq, answers("value", { layer, bits: [bits, bits], quantizationLevel: "token" }), {
      heads: 2,
      headDim: 64,
    });
  const scene: Scene = {
    family: qaq,
    kind: "value",
    settings: [resolve(0, 4), resolve(1, 2)],
    heads: 2,
    headDim: 64,
    tokens: 5,
    capacity: 5,
    look: "normal",
    seed: 1,
  };
  await assertRejects(
    async () => await new OpenCache(backend, scene).grow([5]),
    QuantizerError,
    "layer 1 has other settings",
  );
});

testOnBackends(
  "qaq: a store that starts again joins the others at level token",
  async (backend) => {
    const { scene } = fc.sample(
      draws({
        attention: false,
        answers: { quantizationLevel: "token", residualLength: 2 },
      })
        .filter(({ scene }) => scene.settings.length === 3 && scene.tokens >= 10),
      { numRuns: 1, seed: 4 },
    )[0]!;
    const cache = await new OpenCache(backend, scene).grow([6, scene.tokens]);
    const before = await cache.restore();
    for (const layer of [0, 1, 2]) cache.reopen(layer);
    await cache.grow([scene.tokens]);
    assertEquals(await cache.restore(), before);
  },
);

testOnBackends("qaq: swapping settings of keys and values changes both", async (backend) => {
  for (
    const [a, b] of [
      [{ bits: [2, 2] }, { bits: [4, 4] }],
      [{ quantizationLevel: "head" }, { quantizationLevel: "layer" }],
      [{ quantizationMethod: "uniform" }, { quantizationMethod: "normal" }],
      [{ symmetric: true }, { symmetric: false }],
      [{ outliersRatio: 0 }, { outliersRatio: 0.1 }],
      [{ useAttentions: true, bitRange: [1, 3] }, { useAttentions: true, bitRange: [3, 6] }],
    ] as const
  ) {
    for (const kind of ["key", "value"] as const) {
      const restore = async (changes: Partial<HookAnswers>) => {
        const scene: Scene = {
          family: qaq,
          kind,
          settings: [settingsFor(qaq, answers(kind, changes), { heads: 2, headDim: 64 })],
          heads: 2,
          headDim: 64,
          tokens: 21,
          capacity: 21,
          look: "normal",
          seed: 2,
          queryGroup: 2,
        };
        return await (await new OpenCache(backend, scene).grow([21])).restore();
      };
      assertNotEquals(await restore(a), await restore(b));
    }
  }
});

Deno.test("qaq: what it cannot express is refused in one sentence", () => {
  const shape = { heads: 2, headDim: 64 };
  for (
    const [changes, part] of [
      [{ axis: "channel" }, 'choose_axis must be "token"'],
      [{ bits: [2, 4], quantizationLevel: "layer" }, "2 and 4 bits"],
      [{ useAttentions: true, quantizationMethod: "normal" }, '"uniform" only'],
      [{ useAttentions: true, targetQuantizationError: 0 }, "above 0"],
      [{ calibrationMode: "offline" }, "nothing to calibrate"],
      [{ lastNAttentions: 0 }, "last_n_attentions is 0"],
      [{ options: { a: 1 } }, 'no option "a"'],
    ] as const
  ) {
    assertThrows(() => settingsFor(qaq, answers("key", changes), shape), QuantizerError, part);
  }
});

testOnBackends("qaq: widths by attention need the model's queries", (backend) => {
  const scene: Scene = {
    family: qaq,
    kind: "value",
    settings: [
      settingsFor(qaq, answers("value", { useAttentions: true }), { heads: 2, headDim: 64 }),
    ],
    heads: 2,
    headDim: 64,
    tokens: 4,
    capacity: 4,
    look: "normal",
    seed: 1,
  };
  assertThrows(() => new OpenCache(backend, scene), QuantizerError, "queries are not at hand");
});
