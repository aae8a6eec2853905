/** Properties of `squat`, each on every backend, and of its corrections. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import type { BufferContents, HookAnswers, KvKind } from "../../../../quant/family.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { kivi } from "../../../../quant/families/kivi/kivi.ts";
import { secondMoment } from "../../../../quant/numerics/second_moment.ts";
import { squat } from "../../../../quant/families/squat/squat.ts";
import {
  correctionBlocks,
  type SquatCorrection,
  type SquatSettings,
} from "../../../../quant/families/squat/squat_settings.ts";
import { squatCorrections } from "../../../../quant/families/squat/squat_subspace.ts";
import { answers } from "../../stores/affine/affine_answers.ts";
import { testOnBackends } from "../../backends.ts";
import { runs, testCacheProperties, testMoreBits } from "../../cache_properties.ts";
import {
  type CacheScene,
  layerData,
  layerQueries,
  OpenCache,
  rotaryOf,
} from "../../cache_scenes.ts";
import { KV_LOOKS, kvData, type KvLook } from "../../kv_data.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

interface Scene extends CacheScene<SquatSettings> {
  readonly answers: HookAnswers;
}

type Cache = Pick<Scene, "heads" | "headDim" | "tokens" | "capacity" | "look" | "seed">;

function sceneOf(given: HookAnswers, cache: Cache, queryGroup = 2): Scene {
  const { heads, headDim, tokens, capacity, look, seed } = cache;
  return {
    family: squat,
    kind: given.kind,
    settings: [settingsFor(squat, given, cache)],
    answers: given,
    heads,
    headDim,
    tokens,
    capacity,
    look,
    seed,
    // Values need no queries, and properties that allow none are theirs.
    ...(given.kind === "key" ? { queryGroup, promptTokens: Math.ceil(tokens / 2) } : {}),
  };
}

/** What a test pins down; the rest is drawn. */
interface Choice {
  readonly kind?: KvKind;
  readonly look?: KvLook;
  readonly tokens?: number;
  readonly lambda?: number;
}

function scenes(choice: Choice = {}): fc.Arbitrary<Scene> {
  return fc.record({
    kind: fc.constantFrom<KvKind>("key", "value"),
    heads: fc.integer({ min: 1, max: 3 }),
    headDim: fc.constantFrom(64, 80, 96, 128),
    widths: fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 3, maxLength: 3 }),
    group: fc.constantFrom(5, 8, 16),
    parts: fc.constantFrom(1, 2, 4, 8),
    subspace: fc.constantFrom(1, 5, 20, 200),
    lambda: fc.constantFrom(0, 0.001, 0.1),
    queryRope: fc.constantFrom("after", "before"),
    keyRope: fc.constantFrom("after", "before"),
    residual: fc.constantFrom(0, 7, 16),
    tokens: fc.integer({ min: 1, max: 60 }),
    room: fc.integer({ min: 0, max: 5 }),
    shared: fc.integer({ min: 1, max: 3 }),
    look: fc.constantFrom(...KV_LOOKS),
    seed: fc.nat({ max: 1e6 }),
  }).map((draw) => {
    const kind = choice.kind ?? draw.kind;
    const { heads, headDim, seed } = draw;
    const tokens = choice.tokens ?? draw.tokens;
    const given = answers(kind, {
      bits: draw.widths.slice(0, heads),
      axis: kind === "key" ? "channel" : "token",
      groupSize: kind === "key" ? draw.group : headDim / draw.parts,
      residualLength: draw.residual,
      ...(kind === "value" ? {} : {
        options: {
          quant_group_size: headDim / draw.parts,
          subspace_dim: draw.subspace,
          lambda: choice.lambda ?? draw.lambda,
          query_rope: draw.queryRope,
          key_rope: draw.keyRope,
        },
      }),
    });
    return sceneOf(given, {
      heads,
      headDim,
      tokens,
      capacity: tokens + draw.room,
      look: choice.look ?? draw.look,
      seed,
    }, draw.shared);
  });
}

testCacheProperties("squat", scenes());

for (const kind of ["key", "value"] as const) {
  testMoreBits(
    `squat ${kind}s`,
    scenes({ kind, look: "normal", tokens: 50, lambda: 0.001 }).map((scene) => {
      // Restored keys that were quantized before RoPE are rotated, and not to be compared.
      const options = kind === "key" ? { ...scene.answers.options, key_rope: "after" } : {};
      const given = { ...scene.answers, residualLength: 0, options };
      const withBits = (bits: number) =>
        sceneOf({ ...given, bits: given.bits.map(() => bits) }, scene, scene.queryGroup);
      return { scene: withBits(1), withBits };
    }),
  );
}

testOnBackends(
  "squat: without a weight on the subspace it is KIVI",
  async (backend) => {
    await fc.assert(
      fc.asyncProperty(scenes({ lambda: 0 }), async (scene) => {
        const { options: _, ...given } = scene.answers;
        const plain = { ...scene, family: kivi, settings: [settingsFor(kivi, given, scene)] };
        const corrected = await new OpenCache(backend, scene).grow([scene.tokens]);
        const uncorrected = await new OpenCache(backend, plain).grow([scene.tokens]);
        assertEquals(corrected.bytes(scene.tokens), uncorrected.bytes(scene.tokens));
        const [codes, parameters] = (await corrected.contents())[0]! as [
          BufferContents,
          BufferContents,
        ];
        const [plainCodes, plainParameters] = (await uncorrected.contents())[0]! as [
          BufferContents,
          BufferContents,
        ];
        assertEquals(codes, plainCodes);
        // Adding a correction of 0 turns a zero point of -0 into 0.
        const positive = (word: number) => (word >>> 16) === 0x8000 ? word & 0xffff : word;
        assertEquals(parameters.words.map(positive), plainParameters.words.map(positive));
      }),
      runs(backend, 40),
    );
  },
);

/** Sum over queries and keys of what an error does to their product, squared. */
function seenByQueries(
  scene: Scene,
  restored: Float32Array,
  data: Float32Array,
  quantized: number,
): number {
  const { heads, headDim, capacity, queryGroup = 1, promptTokens = 0 } = scene;
  const [queries] = layerQueries(scene);
  let total = 0;
  for (let head = 0; head < heads; head++) {
    for (let q = 0; q < queryGroup * promptTokens; q++) {
      const row = (head * queryGroup + Math.floor(q / promptTokens)) * capacity + q % promptTokens;
      for (let token = 0; token < quantized; token++) {
        let dot = 0;
        for (let d = 0; d < headDim; d++) {
          const at = (head * capacity + token) * headDim + d;
          dot += queries![row * headDim + d]! * (restored[at]! - data[at]!);
        }
        total += dot * dot;
      }
    }
  }
  return total;
}

testOnBackends("squat: corrections lower the errors that queries see", async (backend) => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: 1e6 }),
      fc.constantFrom(64, 80, 96, 128),
      async (seed, headDim) => {
        const cache = {
          heads: 2,
          headDim,
          tokens: 64,
          capacity: 64,
          look: "normal" as const,
          seed,
        };
        const total = async (lambda: number) => {
          const given = answers("key", {
            bits: [2, 2],
            axis: "channel",
            options: { lambda, subspace_dim: 10, quant_group_size: 16 },
          });
          const scene = sceneOf(given, cache, 1);
          const data = layerData(scene);
          const opened = await new OpenCache(backend, scene, data).grow([64]);
          const [restored] = await opened.restore();
          return seenByQueries(scene, restored!, data[0]!, 64);
        };
        const [plain, corrected] = [await total(0), await total(0.1)];
        assert(corrected < 0.9 * plain, `${corrected} is not well below ${plain}`);
      },
    ),
    runs(backend, 6),
  );
});

testOnBackends("squat: keys quantized before RoPE come back rotated", async (backend) => {
  const cache = {
    heads: 1,
    headDim: 64,
    tokens: 32,
    capacity: 40,
    look: "normal" as const,
    seed: 3,
  };
  const restore = async (key_rope: string) => {
    const given = answers("key", { bits: [8], axis: "channel", options: { key_rope } });
    const [restored] = await (await new OpenCache(backend, sceneOf(given, cache)).grow([32]))
      .restore();
    return restored!;
  };
  // The scene's keys before RoPE are those after it, so only the rotation differs.
  const [plain, rotated] = [await restore("after"), await restore("before")];
  const { scale } = rotaryOf(64);
  for (let token = 0; token < 32; token++) {
    for (let pair = 0; pair < 32; pair++) {
      const angle = token * 1000 ** (-pair / 32);
      const [a, b] = [plain[token * 64 + pair]!, plain[token * 64 + 32 + pair]!];
      const [c, s] = [scale * Math.cos(angle), scale * Math.sin(angle)];
      assertAlmostEquals(rotated[token * 64 + pair]!, a * c - b * s, 1e-3);
      assertAlmostEquals(rotated[token * 64 + 32 + pair]!, b * c + a * s, 1e-3);
    }
  }
});

testOnBackends("squat: swapping settings of keys and values changes both", async (backend) => {
  const cache = { heads: 2, headDim: 64, tokens: 64, capacity: 64, look: "normal" as const };
  const restore = async (kind: KvKind, changes: Partial<HookAnswers>) => {
    const given = answers(kind, { bits: [4, 4], axis: "channel", ...changes });
    const scene = sceneOf(given, { ...cache, seed: kind === "key" ? 1 : 2 });
    return await (await new OpenCache(backend, scene).grow([64])).restore();
  };
  for (
    const [key, value] of [
      [{ bits: [2, 2] }, { bits: [4, 4] }],
      [{ groupSize: 16 }, { groupSize: 32 }],
    ] as const
  ) {
    assertNotEquals(await restore("key", key), await restore("key", value));
    assertNotEquals(await restore("value", value), await restore("value", key));
  }
});

Deno.test("squat: corrections minimise the weighted error", () => {
  fc.assert(
    fc.property(
      fc.constantFrom([8, 4], [16, 4], [12, 3]),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(),
      ([headDim, blockChannels], subspaceDim, seed) => {
        const correction: SquatCorrection = {
          subspaceDim,
          lambda: 0.3,
          blockChannels: blockChannels!,
          queryRope: "after",
          keyRope: "after",
        };
        const n = headDim!;
        const rows = Float64Array.from(kvData(30, n, "normal", seed));
        const gram = secondMoment(rows, n).map((mean) => mean * 30);
        const corrections = squatCorrections(gram, 30, n, correction);
        // With all of the subspace the weights need no singular vectors.
        if (subspaceDim < n) return;
        const weight = gram.map((g, i) => 0.3 * g + (Math.floor(i / n) === i % n ? 1 : 0));
        const cost = (e: Float64Array) => {
          let sum = 0;
          for (let a = 0; a < n; a++) {
            for (let b = 0; b < n; b++) sum += e[a]! * weight[a * n + b]! * e[b]!;
          }
          return sum;
        };
        for (const { firstChannel, later, offset } of correctionBlocks(n, blockChannels!)) {
          const error = new Float64Array(n);
          for (let i = 0; i < blockChannels!; i++) error[firstChannel + i] = Math.sin(seed + i);
          for (let row = 0; row < later; row++) {
            for (let i = 0; i < blockChannels!; i++) {
              error[n - later + row]! += corrections[offset + row * blockChannels! + i]! *
                error[firstChannel + i]!;
            }
          }
          const best = cost(error);
          for (let row = n - later; row < n; row++) {
            for (const step of [1e-3, -1e-3]) {
              const other = error.slice();
              other[row]! += step;
              assert(cost(other) >= best - 1e-12);
            }
          }
        }
      },
    ),
  );
});

const REFUSED: readonly [KvKind, Partial<HookAnswers>, string][] = [
  ["key", { axis: "token" }, 'choose_axis must be "channel"'],
  ["key", { axis: "channel", options: { quant_group_size: 48 } }, "must divide the 64 channels"],
  ["key", { axis: "channel", options: { subspace_dim: 0 } }, "at least 1"],
  ["key", { axis: "channel", options: { lambda: -1 } }, "a finite number of at least 0"],
  ["key", { axis: "channel", options: { lambda: "0.1" } }, "must be a finite number of at least 0"],
  ["key", { axis: "channel", options: { query_rope: "never" } }, '"after" or "before"'],
  ["key", { axis: "channel", options: { rank: 5 } }, 'no option "rank"'],
  ["value", { groupSize: 48 }, "48 does not divide the 64 channels"],
  ["value", { calibrationMode: "offline" }, "nothing to calibrate"],
];

for (const [kind, changes, says] of REFUSED) {
  Deno.test(`squat: ${kind}s with ${JSON.stringify(changes)} are refused`, () => {
    const given = answers(kind, changes);
    assertThrows(() => settingsFor(squat, given, { heads: 2, headDim: 64 }), QuantizerError, says);
  });
}

Deno.test("squat: blocks of half a head, which is the official 64 for heads of 128", () => {
  for (const headDim of [64, 80, 96, 128]) {
    const settings = settingsFor(squat, answers("key", { axis: "channel" }), { heads: 2, headDim });
    assertEquals(settings.correction?.blockChannels, headDim / 2);
  }
});
