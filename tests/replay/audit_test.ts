/** One body over both machines: honest stores pass, whatever lies is caught. */
import { InternalError, UserError } from "../../errors.ts";
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { GpuBackend } from "../../quant/gpu/backend_gpu.ts";
import type { HookAnswers, Store, StoredBuffer } from "../../quant/family.ts";
import { exactSettings } from "../../quant/families/exact/exact.ts";
import { builtInFamilies } from "../../quant/registry.ts";
import type { Backend, CpuTensor, KvShape } from "../../quant/tensor.ts";
import { audit, type PeakStep } from "../../replay/audit.ts";
import type { Engine } from "../../engine/engine.ts";
import { entriesPerToken } from "../../replay/metric.ts";
import { type OpenStore, type Plan, QuantizedCache, storesBeside } from "../../replay/quantize.ts";
import type { Reference } from "../../replay/reference.ts";
import { snapshot, Sources } from "../../replay/snapshot.ts";
import { randomCache } from "../../evaluation/random_cache.ts";
import { auditTable } from "../../report/audit_table.ts";
import { plainRotary } from "../../engine/rotary.ts";
import { device, onGpu } from "../quant/backends.ts";
import { settingsFor } from "../../quant/settings_for.ts";

const STEPS = 5;
const SHAPE = {
  layers: 2,
  hidden: 64,
  queryHeads: 4,
  kvHeads: 2,
  headDim: 32,
  vocab: 1,
  maxPositions: 256,
  rotary: plainRotary(32, 1e4),
};

interface Machine<T extends KvShape> {
  readonly engine: Engine<T>;
  readonly open: OpenStore<T>;
  readonly reference: Reference<T>;
}

/** A prompt of 91 tokens and five steps, without a model. */
function machine<T extends KvShape>(
  upload: (tensor: CpuTensor) => T,
  backend: Backend<T>,
  gpu: { readonly gpu?: GPUDevice } = {},
): Machine<T> {
  const { engine, reference } = randomCache(SHAPE, 90 + STEPS);
  return {
    engine: { ...engine, backend } as unknown as Engine<T>,
    open: storesBeside<T>(gpu, builtInFamilies),
    reference: {
      ...reference,
      prompt: reference.prompt.slice(0, 91),
      layers: reference.layers.map(({ key, value }) => ({
        key: upload(key),
        value: upload(value),
      })),
    } as unknown as Reference<T>,
  };
}

function onBothMachines(
  name: string,
  body: <T extends KvShape>(machine: Machine<T>) => Promise<void>,
): void {
  Deno.test(`${name} (cpu)`, () => {
    const { engine } = randomCache(SHAPE, 1);
    return body(machine((tensor) => tensor, engine.backend));
  });
  Deno.test({
    name: `${name} (gpu)`,
    ignore: device === undefined,
    fn: () =>
      onGpu(async (_, device) => {
        const backend = new GpuBackend(device);
        const made = machine((t) => backend.upload(t.data, t), backend, { gpu: device });
        await body(made);
        for (const { key, value } of made.reference.layers) {
          backend.free(key);
          backend.free(value);
        }
        backend.close();
      }),
  });
}

const answersFor = (layer: number, kind: "key" | "value"): HookAnswers => ({
  layer,
  kind,
  bits: [2, 4],
  axis: kind === "key" ? "channel" : "token",
  residualLength: 20,
  groupSize: 16,
  calibrationMode: "none",
});

const tensors = [0, 1].flatMap((layer) =>
  (["key", "value"] as const).map((kind) => answersFor(layer, kind))
);

const planOf = (family: string, given: readonly HookAnswers[] = tensors): Plan =>
  given.map((answers) =>
    settingsFor(builtInFamilies.of(family), answers, {
      heads: SHAPE.kvHeads,
      headDim: SHAPE.headDim,
    })
  );

/** The last step as a replay counts it, the stores grown step by step. */
async function lastStep<T extends KvShape>(m: Machine<T>, plan: Plan): Promise<PeakStep> {
  const step = STEPS - 1;
  const { tokens } = snapshot(m.reference, step);
  const cache = new QuantizedCache(new Sources(m.reference, {}), m.open, SHAPE.layers, tokens);
  for (let s = 0; s <= step; s++) cache.grow(plan, snapshot(m.reference, s).tokens);
  await cache.settle();
  const perToken = entriesPerToken({ heads: SHAPE.kvHeads, headDim: SHAPE.headDim });
  const bytes = cache.ranges().reduce(
    (sum, range, i) => sum + cache.bytes(i, tokens, range, perToken),
    0,
  );
  const { constantBytes } = cache;
  cache.free();
  return { step, tokens, bytes, constantBytes, plan, begun: plan.map(() => 0), needs: {} };
}

const run = <T extends KvShape>(
  m: Machine<T>,
  peak: PeakStep,
  answersOf: (cell: Plan[number]) => HookAnswers | undefined = () => undefined,
) =>
  audit({
    ...m,
    rope: () => {
      throw new Error("nothing here is quantized before RoPE");
    },
    policy: "kivi",
    example: "e",
    peak,
    answersOf,
    familyOf: ({ family }) => builtInFamilies.of(family),
  });

/** Stores whose declared buffers are changed. */
function lying<T extends KvShape>(
  open: OpenStore<T>,
  lie: (buffer: StoredBuffer) => StoredBuffer,
): OpenStore<T> {
  return (...args) => {
    const store = open(...args);
    return new Proxy(store, {
      get(target, name) {
        if (name === "buffers") return (n: number) => target.buffers(n).map(lie);
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }) as Store<T>;
  };
}

onBothMachines("honest stores add up, and hashes tell contents apart", async (m) => {
  const plan: Plan = [...planOf("kivi").slice(0, 3), exactSettings(1, "value", SHAPE.kvHeads)];
  const peak = await lastStep(m, plan);
  // Nobody asks for what is exact.
  const found = await run(m, peak, (settings) => tensors.slice(0, 3)[plan.indexOf(settings)]);
  assertEquals(found.bytes, peak.bytes);
  assertEquals(found.tensors.map((c) => c.exactTokens), [30, 20, 30, 94]);
  assertEquals(found.tensors.map((c) => c.codeBits), [[2, 4], [2, 4], [2, 4], []]);
  // 64 tokens of keys, 32 channels, 2 and 4 bits; a scale and zero point for each group of 16.
  assertEquals(found.tensors[0]!.buffers, [
    { role: "codes", bytes: 64 * 32 * 6 / 8 },
    { role: "scale_zero", bytes: 64 * 64 / 16 * 4 },
  ]);
  assertMatch(found.tensors[0]!.wordsHash!, /^[0-9a-f]{12}$/);
  assertNotEquals(found.tensors[0]!.wordsHash, found.tensors[2]!.wordsHash);
  assertNotEquals(found.tensors[0]!.restoredHash, found.tensors[2]!.restoredHash);
  assertEquals(await run(m, peak), found);
  assertMatch(auditTable("p", found), new RegExp(`\nsum ${peak.bytes} bytes = `));
});

onBothMachines("constants are counted once, however many layers share them", async (m) => {
  const { headDim, kvHeads } = SHAPE;
  const whole = { axis: "token" as const, bits: [2, 2], groupSize: -1 };
  const rotated = tensors.map((a) => ({ ...a, ...whole }));
  const plan = planOf("turboquant", rotated);
  const peak = await lastStep(m, plan);
  const found = await run(m, peak);
  // A rotation and its inverse, and the levels; in host memory they are float64.
  const wide = m.engine.backend instanceof GpuBackend ? 4 : 8;
  const least = wide * (2 * headDim * headDim + 2 ** 2);
  const sum = found.constants.reduce((all, { bytes }) => all + bytes, 0);
  assertEquals([found.constantBytes, sum], [peak.constantBytes, peak.constantBytes]);
  assert(sum >= least && sum <= least + 16 * kvHeads + 64, `${sum} for ${least}`);
  assertMatch(
    auditTable("p", found),
    new RegExp(`\nsum ${sum} bytes = [\\d.]+ MiB = constants_mb`),
  );
  // KIVI needs none.
  const plain = await run(m, await lastStep(m, planOf("kivi")));
  assertEquals([plain.constantBytes, plain.constants], [0, []]);
  await assertRejects(
    () => run(m, { ...peak, constantBytes: 0 }),
    InternalError,
    `the stores need constants of ${sum} bytes, but 0 were reported`,
  );
});

onBothMachines("caches that quantize themselves again are grown through every step", async (m) => {
  const online = tensors.map((a) => ({
    ...a,
    bits: [4, 4],
    axis: "token" as const,
    residualLength: 2,
  }));
  const plan = planOf("hf_quanto", online);
  const peak = await lastStep(m, plan);
  assertEquals((await run(m, peak)).bytes, peak.bytes);
});

onBothMachines("a store that lies about its size is caught", async (m) => {
  for (const [role, factor] of [["codes", 0.5], ["scale_zero", 2]] as const) {
    const open = lying(
      m.open,
      (b) => b.role === role ? { ...b, bytes: b.bytes * factor } : b,
    );
    const liar = { ...m, open };
    await assertRejects(
      async () => await run(liar, await lastStep(liar, planOf("kivi"))),
      InternalError,
      `Audit of policy kivi, layer 0 key: buffer ${role} has `,
    );
  }
  const wide = { ...m, open: lying(m.open, (b) => b.bits ? { ...b, bits: [8, 8] } : b) };
  await assertRejects(
    async () => await run(wide, await lastStep(wide, planOf("kivi"))),
    InternalError,
    "too few for",
  );
});

onBothMachines("a store that lies is its caller's fault where the family is", async (m) => {
  const mine = planOf("kivi").map((settings) => ({ ...settings, family: "mine" }));
  const open: typeof m.open = (sources, settings, tokens) =>
    m.open(sources, { ...settings, family: "kivi" }, tokens);
  const liar = { ...m, open: lying(open, (b) => ({ ...b, bytes: 2 * b.bytes })) };
  await assertRejects(
    async () => await run(liar, await lastStep(liar, mine)),
    UserError,
    "Audit of policy kivi, layer 0 key: buffer codes has ",
  );
});

onBothMachines("a sum that is not the reported one is caught", async (m) => {
  const peak = await lastStep(m, planOf("kivi"));
  await assertRejects(
    () => run(m, { ...peak, bytes: peak.bytes - 4 }),
    InternalError,
    `hold ${peak.bytes} bytes, but ${peak.bytes - 4} were reported`,
  );
});

onBothMachines("a setting that was not applied is caught", async (m) => {
  const plan = planOf("kivi");
  const peak = await lastStep(m, plan);
  const asking = (change: Partial<HookAnswers>) => () =>
    run(m, peak, (cell) => ({ ...tensors[plan.indexOf(cell)]!, ...change }));
  const wrong: [Partial<HookAnswers>, string][] = [
    [{ bits: [2, 2] }, "choose_bits asked for [2,2], applied is [2,4]"],
    [{ axis: "token" }, 'choose_axis asked for "token", applied is "channel"'],
    [{ residualLength: 33 }, "residual_length asked for 33, applied is 32"],
    [{ groupSize: 32 }, "group_size asked for 32, applied is 16"],
    [{ sinkTokens: 4 }, "sink_tokens asked for 4, applied is 0"],
    [{ clipRatio: 0.9 }, "clip_ratio asked for 0.9, applied is 1"],
  ];
  for (const [change, message] of wrong) {
    await assertRejects(asking(change), InternalError, message);
  }
  // A hook that the family does not use is reported elsewhere, not an error here.
  await asking({ outliersRatio: 0.1 })();
});
