/** Stores on another thread against the same stores here, to the last bit. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { FamilyName } from "../../../quant/registry.ts";
import { builtInFamilies } from "../../../quant/registry.ts";
import type { KvKind, Settings, Source, Store } from "../../../quant/family.ts";
import { StorePool, WORTH } from "../../../quant/pool/store_pool.ts";
import { QuantizerError } from "../../../quant/quantizer_error.ts";
import { settingsFor } from "../../../quant/settings_for.ts";
import type { CpuTensor } from "../../../quant/tensor.ts";
import { learn } from "../../../quant/learned.ts";
import { keepSamples } from "../../../quant/sample_keeper.ts";
import { calibratedOn } from "../calibrated_scenes.ts";
import { rotaryOf } from "../cache_scenes.ts";
import { kvData } from "../kv_data.ts";

const SHAPE = { heads: 2, capacity: 1100, headDim: 64 };
/** As a replay asks: the prompt, some steps, and one behind which `hf_hqq` quantizes again. */
const LENGTHS = [900, 901, 904, 1030, 1100];

function tensor(seed: number, heads = SHAPE.heads): CpuTensor {
  const { capacity, headDim } = SHAPE;
  const data = kvData(heads * capacity, headDim, "normal", seed) as Float32Array<ArrayBuffer>;
  return { heads, capacity, headDim, data };
}

function rotaryTables(): { readonly cos: CpuTensor; readonly sin: CpuTensor } {
  const table = (of: (angle: number) => number): CpuTensor => ({
    heads: 1,
    capacity: SHAPE.capacity,
    headDim: SHAPE.headDim / 2,
    data: Float32Array.from({ length: SHAPE.capacity * SHAPE.headDim / 2 }, (_, i) => of(i)),
  });
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

function sourceOf(layer: number, kind: KvKind, keys = tensor(layer)): Source<CpuTensor> {
  const siblings: Source<CpuTensor>[] = [];
  const source: Source<CpuTensor> = {
    layer,
    kind,
    tensor: keys,
    promptTokens: LENGTHS[0]!,
    queries: tensor(99, 4),
    ...(kind === "key" ? { preRope: keys, rope: rotaryTables() } : {}),
    keys,
    siblings,
    shared: new Map(),
  };
  siblings.push(source);
  return source;
}

/** Families that learn are asked to. */
const LEARNS: readonly string[] = ["kvquant", "nova", "transform"];

function settingsOf(name: FamilyName, layer: number, kind: KvKind): Settings {
  const family = builtInFamilies.of(name);
  const axis = kind === "key" && (name === "squat" || name === "kvquant") ? "channel" : "token";
  const bits = family.widths.includes(4) ? 4 : family.widths[0]!;
  const settings = settingsFor(family, {
    layer,
    kind,
    bits: [bits, bits],
    axis,
    residualLength: name === "hf_hqq" || name === "squat" ? 128 : 0,
    calibrationMode: LEARNS.includes(name) ? "offline" : "none",
  }, SHAPE);
  const draw = { ...SHAPE, kind, tokens: SHAPE.capacity, look: "normal", seed: 5 } as const;
  return calibratedOn(family, settings, draw, 200, 2);
}

/** A pool of one helper that is ready, and its first store. */
async function readyPool(): Promise<StorePool> {
  const pool = new StorePool(1);
  for (;;) {
    const store = pool.open(sourceOf(0, "key"), settingsOf("turboquant", 0, "key"), 1100);
    if (store !== undefined) {
      store.free();
      return pool;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function restored(store: Store<CpuTensor>): Float32Array {
  const capacity = SHAPE.capacity + 3;
  const data = new Float32Array(SHAPE.heads * capacity * SHAPE.headDim);
  store.restore({ ...SHAPE, capacity, data });
  return data;
}

Deno.test("another thread's stores are those of this one, bit for bit", async (t) => {
  const pool = await readyPool();
  try {
    for (const name of WORTH) {
      // Its layers are coupled, see below.
      if (name === "kvtc") continue;
      await t.step(name, async () => {
        for (const kind of ["key", "value"] as const) {
          const settings = settingsOf(name, 0, kind);
          const source = sourceOf(0, kind);
          const here = builtInFamilies.of(name).openCpu(source, settings, 1100);
          const there = pool.open(source, settings, 1100);
          assert(there !== undefined);
          for (const n of LENGTHS) {
            assertEquals(there.rewrites(n), here.rewrites(n));
            there.grow(n);
            here.grow(n);
            assertEquals(there.quantized, { ...here.quantized });
            assertEquals(there.buffers(n), here.buffers(n));
            assertEquals(there.buffers(LENGTHS[0]!), here.buffers(LENGTHS[0]!));
            there.prepare!();
            assertEquals(restored(there), restored(here));
            assertEquals(restored(there), restored(here));
          }
          assertEquals(await there.contents(), await here.contents());
          assertEquals(there.constants?.(), here.constants?.() ?? []);
          there.free();
          here.free();
        }
      });
    }
  } finally {
    pool.close();
  }
});

Deno.test("layers that are coupled are on one thread, keys on another than values", async () => {
  const pool = await readyPool();
  try {
    const family = builtInFamilies.of("kvtc");
    const layers = [tensor(1), tensor(2)];
    const kept = keepSamples({
      rotary: rotaryOf(SHAPE.headDim),
      layers: layers.map((t) => ({ keys: [t], preRopeKeys: [t], values: [t], queries: [] })),
    });
    const cacheOf = (kind: KvKind) => {
      const siblings: Source<CpuTensor>[] = [];
      const shared = new Map();
      for (const [layer, data] of layers.entries()) {
        siblings.push({ ...sourceOf(layer, kind, data), siblings, shared });
      }
      const settings = siblings.map((_, layer) => {
        const plain = settingsFor(family, {
          layer,
          kind,
          bits: [2, 2],
          axis: "token",
          residualLength: 64,
          calibrationMode: "offline",
        }, SHAPE);
        return { ...plain, calibration: learn(family, kept, plain) };
      });
      return { siblings, settings };
    };
    const there = cacheOf("key");
    const remote = there.settings.map((own, i) => pool.open(there.siblings[i]!, own, 1100)!);
    const here = cacheOf("key");
    const local = here.settings.map((own, i) => family.openCpu(here.siblings[i]!, own, 1100));
    for (const n of LENGTHS) {
      for (const store of [...remote, ...local]) store.grow(n);
      for (const [i, store] of remote.entries()) {
        assertEquals(store.quantized, { ...local[i]!.quantized });
        assertEquals(store.buffers(n), local[i]!.buffers(n));
        assertEquals(restored(store), restored(local[i]!));
      }
    }
    for (const [i, store] of remote.entries()) {
      await store.settle();
      assertEquals(await store.contents(), await local[i]!.contents());
      assertEquals(store.constants?.(), local[i]!.constants?.());
    }
    for (const store of [...remote, ...local]) store.free();
    // One that comes alone is told so here, as it is on this thread.
    const alone = pool.open(there.siblings[0]!, there.settings[0]!, 1100)!;
    alone.grow(900);
    await assertRejects(() => alone.settle(), QuantizerError, "layer 1 has other settings");
    alone.free();
    const values = cacheOf("value");
    assertEquals(pool.open(values.siblings[0]!, values.settings[0]!, 1100), undefined);
  } finally {
    pool.close();
  }
});

Deno.test("another thread sees tokens that come when the store is open", async () => {
  const pool = await readyPool();
  try {
    const [keys, later] = [tensor(3), tensor(3)];
    for (const head of [0, 1]) {
      later.data.fill(0, (head * 1100 + 900) * 64, (head + 1) * 1100 * 64);
    }
    const settings = settingsOf("hf_hqq", 0, "value");
    const here = builtInFamilies.of("hf_hqq").openCpu(sourceOf(0, "value", keys), settings, 1100);
    const there = pool.open(sourceOf(0, "value", later), settings, 1100)!;
    for (const n of [900, 1100]) {
      here.grow(n);
      there.grow(n);
      assertEquals(restored(there), restored(here));
      later.data.set(keys.data);
    }
    there.free();
    pool.forget(later);
  } finally {
    pool.close();
  }
});

Deno.test("what goes wrong on another thread is told here, and the next store works", async () => {
  const pool = await readyPool();
  try {
    const keys = tensor(1);
    keys.data[5 * 64 + 7] = NaN;
    const settings = settingsOf("turboquant", 0, "key");
    const bad = pool.open(sourceOf(0, "key", keys), settings, 1100)!;
    bad.grow(900);
    const here = builtInFamilies.of("turboquant").openCpu(sourceOf(0, "key", keys), settings, 1100);
    const { message } = assertThrows(() => here.grow(900), QuantizerError);
    assertThrows(() => bad.finish!(), QuantizerError, message);
    bad.free();
    const good = pool.open(sourceOf(0, "key"), settings, 1100)!;
    good.grow(900);
    assertEquals(good.quantized, { from: 0, to: 900 });
    // One that is freed before its answers came leaves none behind.
    good.prepare!();
    good.grow(901);
    good.free();
  } finally {
    pool.close();
  }
});

Deno.test("small tensors, other families and every second layer stay on this thread", async () => {
  const pool = await readyPool();
  try {
    const settings = settingsOf("turboquant", 0, "key");
    assertEquals(pool.open(sourceOf(0, "key"), settings, 1000), undefined);
    assertEquals(pool.open(sourceOf(1, "key"), { ...settings, layer: 1 }, 1100), undefined);
    assertEquals(pool.open(sourceOf(0, "key"), { ...settings, family: "mine" }, 1100), undefined);
    const none = new StorePool(0);
    assertEquals(none.open(sourceOf(0, "key"), settings, 1100), undefined);
  } finally {
    pool.close();
  }
});
