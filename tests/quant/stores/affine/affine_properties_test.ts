/** Properties of `uniform`, `kivi` and `skvq`, each on every backend. */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { AffineSettings } from "../../../../quant/stores/affine/affine_settings.ts";
import type { HookAnswers, Store } from "../../../../quant/family.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { PARAMETER_BITS } from "../../../../quant/packing/parameters.ts";
import type { KvShape } from "../../../../quant/tensor.ts";
import { affineContents } from "./affine_contents.ts";
import { answers } from "./affine_answers.ts";
import {
  AFFINE_FAMILIES,
  type AffineFamily,
  type AffineScene,
  affineScene,
  groupsOf,
  sceneData,
} from "./affine_scenes.ts";
import { type TestBackend, testOnBackends } from "../../backends.ts";
import { sourceOf } from "../../golden_cases.ts";
import { kvData } from "../../kv_data.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

/** Software GPUs compile and dispatch slowly. */
function runs(backend: TestBackend, cpu: number): { numRuns: number } {
  return { numRuns: backend.name === "cpu" ? cpu : Math.ceil(cpu / 6) };
}

/** What a target holds before it is restored into. */
const UNTOUCHED = -12345;

interface Opened {
  readonly store: Store<KvShape>;
  /** Grows to each length in turn, then restores into a fresh target with `room` more tokens. */
  restore(lengths: readonly number[], room?: number): Promise<Float32Array<ArrayBuffer>>;
}

function openScene(
  backend: TestBackend,
  scene: AffineScene,
  data = sceneData(scene),
  settings: AffineSettings = scene.settings,
): Opened {
  const { heads, headDim, capacity, tokens } = scene;
  const shape = { heads, headDim, capacity };
  const tensor = backend.upload(data, shape);
  const source = sourceOf(tensor, settings.kind, tokens, settings.layer);
  const store = backend.open(scene.family, source, settings, tokens);
  return {
    store,
    async restore(lengths, room = 0) {
      for (const n of lengths) store.grow(n);
      const larger = { ...shape, capacity: capacity + room };
      const size = heads * larger.capacity * headDim;
      const target = backend.upload(new Float32Array(size).fill(UNTOUCHED), larger);
      store.restore(target);
      await store.settle();
      return await backend.read(target);
    },
  };
}

/** Half a unit in the last place of a stored parameter. */
function storageError(x: number, type: AffineSettings["paramDtype"]): number {
  const [relative, absolute] = type === "fp8" ? [2 ** -4, 2 ** -10] : [2 ** -11, 2 ** -25];
  return Math.max(Math.abs(x) * relative, absolute);
}

function familyTests(family: AffineFamily): void {
  const { name } = family;

  testOnBackends(`${name}: the packed size is the declared size`, async (backend) => {
    await fc.assert(
      fc.asyncProperty(affineScene(family), async (scene) => {
        const { settings, headDim, tokens } = scene;
        const { store } = openScene(backend, scene);
        store.grow(tokens);
        const contents = await store.contents();
        const declared = store.buffers(tokens);
        assertEquals(
          declared.map(({ role, bytes }) => [role, bytes]),
          contents.map(({ role, words }) => [role, words.byteLength]),
        );
        // And from the definition: groups times parameters, codes times their widths, where a row
        // of codes is padded to a word.
        const groups = groupsOf(scene);
        const parameters = groups.length * 2 * PARAMETER_BITS[settings.paramDtype] / 8;
        assertEquals(declared[1]!.bytes, Math.ceil(parameters / 4) * 4);
        const { from, to } = store.quantized;
        const codeBits = settings.bits.reduce((sum, bits) => sum + bits * (to - from) * headDim, 0);
        const bytes = declared[0]!.bytes;
        assert(bytes * 8 >= codeBits, `${bytes} bytes cannot hold ${codeBits} bits`);
        const rows = settings.axis === "channel" ? groups.length : (to - from) * scene.heads;
        assert(bytes * 8 <= codeBits + 31 * rows, `${bytes} bytes are too many`);
        assertEquals(declared[0]!.codes, settings.bits.map(() => (to - from) * headDim));
      }),
      runs(backend, 60),
    );
  });

  testOnBackends(`${name}: a store knows its size at every earlier length`, async (backend) => {
    await fc.assert(
      fc.asyncProperty(affineScene(family), async (scene) => {
        const { store } = openScene(backend, scene);
        for (let n = 0; n <= scene.tokens; n += 7) store.grow(n);
        store.grow(scene.tokens);
        const n = scene.tokens - scene.tokens % 7;
        const smaller = openScene(backend, { ...scene, tokens: n });
        smaller.store.grow(n);
        const sizes = (await smaller.store.contents()).map(({ words }) => words.byteLength);
        assertEquals(store.buffers(n).map(({ bytes }) => bytes), sizes);
      }),
      runs(backend, 30),
    );
  });

  testOnBackends(
    `${name}: errors stay within half a step, clipping and parameter rounding aside`,
    async (backend) => {
      await fc.assert(
        fc.asyncProperty(affineScene(family), async (scene) => {
          const { settings } = scene;
          const data = sceneData(scene);
          const restored = await openScene(backend, scene, data).restore([scene.tokens]);
          for (const { head, indices } of groupsOf(scene)) {
            const entries = indices.map((i) => data[i]!);
            const topCode = settings.topCodes[head]!;
            const low = Math.min(...entries) * settings.clipRatio;
            const high = Math.max(...entries) * settings.clipRatio;
            const step = Math.max((high - low) / topCode, settings.scaleFloor);
            // Codes come from unrounded parameters, values from stored ones.
            const stored = topCode * storageError(step, settings.paramDtype) +
              storageError(low, settings.paramDtype);
            for (const index of indices) {
              const x = data[index]!;
              const outside = Math.max(0, low - x, x - (low + topCode * step));
              const bound = step / 2 + outside + stored + 1e-5 * (Math.abs(x) + step);
              const error = Math.abs(restored[index]! - x);
              assert(error <= bound, `entry ${index}: |${restored[index]} - ${x}| > ${bound}`);
            }
          }
        }),
        runs(backend, 60),
      );
    },
  );

  testOnBackends(
    `${name}: growing token by token equals quantizing at once`,
    async (backend) => {
      await fc.assert(
        fc.asyncProperty(
          affineScene(family),
          fc.array(fc.integer({ min: 0, max: 90 }), { maxLength: 12 }),
          async (scene, stops) => {
            const n = scene.tokens;
            const lengths = [...stops.filter((stop) => stop < n).sort((a, b) => a - b), n];
            const once = openScene(backend, scene);
            const often = openScene(backend, scene);
            assertEquals(await often.restore(lengths, 4), await once.restore([n], 4));
            assertEquals(await often.store.contents(), await once.store.contents());
          },
        ),
        runs(backend, 40),
      );
    },
  );

  testOnBackends(`${name}: only quantized tokens are written`, async (backend) => {
    await fc.assert(
      fc.asyncProperty(affineScene(family), fc.nat({ max: 5 }), async (scene, room) => {
        const { heads, headDim, capacity, tokens } = scene;
        const opened = openScene(backend, scene);
        const restored = await opened.restore([tokens], room);
        const { from, to } = family.quantizedRange(scene.settings, tokens);
        assertEquals(opened.store.quantized, { from, to });
        for (let row = 0; row < heads * (capacity + room); row++) {
          const token = row % (capacity + room);
          const values = restored.subarray(row * headDim, (row + 1) * headDim);
          const quantized = token >= from && token < to;
          assertEquals(values.every((x) => x !== UNTOUCHED), quantized, `token ${token}`);
          assertEquals(values.some((x) => x !== UNTOUCHED), quantized, `token ${token}`);
        }
      }),
      runs(backend, 30),
    );
  });

  testOnBackends(
    `${name}: a group of equal entries is restored from its zero point`,
    async (backend) => {
      const constant = fc.constantFrom(0, 1, -1, 0.375, -40, 1e-3, 2 ** -140);
      await fc.assert(
        fc.asyncProperty(affineScene(family), constant, async (scene, value) => {
          const { settings, tokens } = scene;
          const data = sceneData(scene).fill(value);
          const opened = openScene(backend, scene, data);
          const restored = await opened.restore([tokens]);
          for (const { head, indices } of groupsOf(scene)) {
            // kivi and uniform: the constant times the clip ratio, exactly but for storage; skvq
            // adds up to its top code times the scale floor.
            const zero = Math.fround(value) * settings.clipRatio;
            const floor = settings.topCodes[head]! * settings.scaleFloor;
            const bound = storageError(zero, settings.paramDtype) + 2 * floor + 1e-30;
            for (const index of indices) {
              const error = Math.abs(restored[index]! - zero);
              assert(error <= bound, `${restored[index]} is not ${zero}`);
            }
          }
          if (settings.scaleFloor === 0) {
            const { codes } = await affineContents(opened.store, settings, scene.headDim);
            assert(codes.every((code) => code === 0));
          }
        }),
        runs(backend, 30),
      );
    },
  );

  testOnBackends(
    `${name}: subnormal, huge and mixed-size entries give finite values`,
    async (backend) => {
      const special = [2 ** -149, -(2 ** -130), 1e-40, 3e38, -3e38, 65504, -70000, 0, -0];
      await fc.assert(
        fc.asyncProperty(affineScene(family), async (scene) => {
          const data = sceneData(scene).map((x, i) => i % 5 === 0 ? special[i % 9]! : x);
          const restored = await openScene(backend, scene, data).restore([scene.tokens]);
          assert(restored.every(Number.isFinite));
        }),
        runs(backend, 20),
      );
    },
  );

  testOnBackends(
    `${name}: an entry that is not finite is an error that says where`,
    async (backend) => {
      await fc.assert(
        fc.asyncProperty(
          affineScene(family),
          fc.constantFrom(NaN, Infinity, -Infinity),
          fc.nat(),
          fc.nat(),
          async (scene, value, where, when) => {
            const { heads, headDim, capacity, tokens } = scene;
            const settings = { ...scene.settings, layer: 7 };
            const { from, to } = family.quantizedRange(settings, tokens);
            fc.pre(to > from);
            const token = from + where % (to - from);
            const head = where % heads;
            const data = sceneData(scene);
            data[(head * capacity + token) * headDim + when % headDim] = value;
            const opened = openScene(backend, scene, data, settings);
            const error = await assertRejects(
              async () => await opened.restore([when % tokens, tokens]),
              QuantizerError,
              `head ${head}, token ${token};`,
            );
            assert(error.message.startsWith(`Layer 7 ${settings.kind}s hold `), error.message);
          },
        ),
        runs(backend, 30),
      );
    },
  );

  testOnBackends(`${name}: entries that stay exact need not be finite`, async (backend) => {
    const tokens = 50;
    const given = answers("key", { groupSize: 16, residualLength: 16, sinkTokens: 2 });
    const settings = settingsFor(family, given, { heads: 2, headDim: 64 });
    const scene: AffineScene = {
      family,
      answers: given,
      settings,
      heads: 2,
      headDim: 64,
      tokens,
      capacity: tokens,
      look: "normal",
      seed: 1,
    };
    const data = sceneData(scene);
    const { from, to } = family.quantizedRange(settings, tokens);
    assertEquals([from, to], [2, 34]);
    data.fill(NaN, 0, from * 64);
    data.fill(NaN, to * 64, tokens * 64);
    const restored = await openScene(backend, scene, data).restore([tokens]);
    assert(restored.every(Number.isFinite));
  });

  testOnBackends(
    `${name}: each further bit lowers the root mean square error of random data`,
    async (backend) => {
      const scene = affineScene(family, { clipRatio: 1, fp8: false, look: "normal" })
        .filter(({ tokens, settings }) => tokens >= 40 && settings.groupSize >= 8);
      await fc.assert(
        fc.asyncProperty(scene, async (scene) => {
          const data = sceneData(scene);
          const indices = groupsOf(scene).flatMap((group) => group.indices);
          fc.pre(indices.length >= 2000);
          let before = Infinity;
          for (let bits = 1; bits <= 8; bits++) {
            const widths = scene.settings.bits.map(() => bits);
            const settings = settingsFor(family, { ...scene.answers, bits: widths }, scene);
            const restored = await openScene(backend, scene, data, settings)
              .restore([scene.tokens]);
            const squares = indices.reduce((sum, i) => sum + (restored[i]! - data[i]!) ** 2, 0);
            const error = Math.sqrt(squares / indices.length);
            assert(error < before, `${bits} bits: ${error} after ${before}`);
            before = error;
          }
        }),
        runs(backend, 12),
      );
    },
  );

  testOnBackends(
    `${name}: a head of a mixed-width store is as in a store of that width alone`,
    async (backend) => {
      await fc.assert(
        fc.asyncProperty(affineScene(family), async (scene) => {
          const { heads, headDim, capacity, settings, tokens } = scene;
          const mixed = await openScene(backend, scene).restore([tokens]);
          for (const width of new Set(settings.bits)) {
            const widths = settings.bits.map(() => width);
            const alone = settingsFor(family, { ...scene.answers, bits: widths }, scene);
            const restored = await openScene(backend, scene, sceneData(scene), alone)
              .restore([tokens]);
            for (let head = 0; head < heads; head++) {
              if (settings.bits[head] !== width) continue;
              const from = head * capacity * headDim;
              const to = from + capacity * headDim;
              assertEquals(mixed.subarray(from, to), restored.subarray(from, to));
            }
          }
        }),
        runs(backend, 30),
      );
    },
  );
}

for (const family of Object.values(AFFINE_FAMILIES)) familyTests(family);

/** Settings for keys and for values that a policy might give, different in one respect. */
const DIFFERENT_KINDS: readonly {
  readonly family: string;
  readonly what: string;
  readonly key: Partial<HookAnswers>;
  readonly value: Partial<HookAnswers>;
}[] = [
  { family: "uniform", what: "bits", key: { bits: [2, 2] }, value: { bits: [4, 4] } },
  { family: "uniform", what: "group size", key: { groupSize: 16 }, value: { groupSize: 64 } },
  { family: "kivi", what: "axis", key: { axis: "channel" }, value: { axis: "token" } },
  { family: "kivi", what: "clip ratio", key: { clipRatio: 0.8 }, value: { clipRatio: 1 } },
  { family: "skvq", what: "clip ratio", key: { clipRatio: 0.8 }, value: { clipRatio: 1 } },
  {
    family: "skvq",
    what: "parameter type",
    key: { options: { fp8_params: true } },
    value: { options: { fp8_params: false } },
  },
];

for (const { family: name, what, key, value } of DIFFERENT_KINDS) {
  testOnBackends(`${name}: swapping ${what} of keys and values changes both`, async (backend) => {
    const family = AFFINE_FAMILIES[name]!;
    const restore = (kind: "key" | "value", changes: Partial<HookAnswers>) => {
      const given = answers(kind, { groupSize: 32, sinkTokens: 1, ...changes });
      const shape = { heads: 2, headDim: 64 };
      const settings = settingsFor(family, given, shape);
      const scene: AffineScene = {
        ...shape,
        family,
        answers: given,
        settings,
        tokens: 65,
        capacity: 65,
        look: "normal",
        seed: 3,
      };
      const data = kvData(2 * 65, 64, "normal", kind === "key" ? 11 : 12);
      return openScene(backend, scene, data).restore([65]);
    };
    // The channel axis is for keys alone in skvq, so only what a value may have is swapped.
    assertNotEquals(await restore("key", key), await restore("key", value));
    assertNotEquals(await restore("value", value), await restore("value", key));
  });
}
