/** What must come out perfect comes out perfect, what must come out bad comes out bad. */
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertRejects,
} from "@std/assert";
import { InternalError } from "../../errors.ts";
import { InProcessHost, type PolicyHost } from "../../policies/host.ts";
import type { Policy } from "../../policies/policy.ts";
import { hostBuiltin, type PolicyName, policyNames } from "../../policies/registry.ts";
import { uniformQuant2bit } from "../../policies/uniform_quant.ts";
import type { Store } from "../../quant/family.ts";
import type { KvShape } from "../../quant/tensor.ts";
import { Calibrator } from "../../calibration/calibrator.ts";
import type { Engine } from "../../engine/engine.ts";
import { type Device, openEngine } from "../../engine/devices/open.ts";
import { loadModel } from "../../engine/checkpoint/model.ts";
import type { SliceResult } from "../../evaluation/results.ts";
import { runSlice } from "../../evaluation/slice_run.ts";
import { builtInFamilies, type Families } from "../../quant/registry.ts";
import { assertNoBuffersLeft } from "../engine/devices/engines.ts";
import { device as gpu } from "../quant/backends.ts";
import { randomNumbers } from "../quant/kv_data.ts";
import { WrappedFamilies } from "./wrapped_families.ts";

const model = await loadModel("models/mini");

const text = (about: string, sentences: number) =>
  `${
    Array.from(
      { length: sentences },
      (_, i) => `The ${about} number ${i} is kept in box ${(i * 37 + about.length) % 100}.`,
    ).join(" ")
  } Where is the ${about} number 3?`;

const prompt = (sentences: number) =>
  model.tokenizer.encode(
    model.renderChat([{ role: "user", content: text("key", sentences) }]),
  );

async function onEngine(
  device: Device,
  body: (engine: Engine) => Promise<void>,
): Promise<void> {
  const engine = await openEngine(model, device);
  try {
    await body(engine);
  } finally {
    await engine.close();
  }
  assertNoBuffersLeft(engine);
}

function replay(
  engine: Engine,
  hosts: readonly PolicyHost[],
  options: {
    readonly steps?: number;
    readonly stepwise?: boolean;
    readonly sentences?: number;
    readonly audit?: boolean;
    readonly families?: Families;
  } = {},
): Promise<SliceResult> {
  const { steps = 4, stepwise = false, sentences = 6, audit = false } = options;
  const { families = builtInFamilies } = options;
  return runSlice({
    slice: "control",
    engine,
    families,
    examples: [{ id: "c", dataset: "control", prompt: prompt(sentences), score: () => 1 }],
    hosts,
    maxNewTokens: steps,
    budgetBits: 4,
    eosIds: model.eosIds,
    decode: (ids) => model.tokenizer.decode(ids),
    stepwise,
    audit,
    calibration: new Calibrator({
      engine,
      families,
      samples: ["coin", "lamp"].map((about) => ({
        ids: model.tokenizer.encode(text(about, 12)),
        reply: 4,
      })),
    }),
  });
}

for (const device of ["cpu", "wasm", "webgpu"] as const) {
  Deno.test({
    name: `the reference policy scores exactly 100 (${device})`,
    ignore: device === "webgpu" && gpu === undefined,
    fn: () =>
      onEngine(device, async (engine) => {
        // Stepwise is the same code on every engine; a software GPU takes seconds for it.
        for (const stepwise of device === "webgpu" ? [false] : [false, true]) {
          const { results, failures } = await replay(engine, [hostBuiltin("reference")], {
            stepwise,
            steps: 2,
            audit: true,
          });
          assertEquals(failures, []);
          const { numbers, audit } = results[0]!;
          assertEquals(numbers.quality_main, 100);
          assertEquals(numbers.quality_delta_vs_ref, 0);
          assertEquals([numbers.cache_error, numbers.greedy_match_ratio], [0, 1]);
          // exp(-KL) is 1: the divergence is 0 in the digits that are reported.
          assertEquals(numbers.replay_agreement, 1);
          assertEquals([numbers.avg_bits_per_kv_token, numbers.code_bits], [16, 16]);
          assert(audit?.tensors.every(({ buffers }) => buffers.length === 0));
        }
      }),
  });
}

Deno.test({
  name: "a replay frees the stores that it opened (webgpu)",
  ignore: gpu === undefined,
  fn: () =>
    onEngine("webgpu", async (engine) => {
      const hosts = (
        ["kivi_overlap_2bit", "qaq_uniform", "turboquant_2bit", "hf_quanto_4bit"] as const
      ).map(hostBuiltin);
      const { failures } = await replay(engine, hosts, { steps: 2, audit: true });
      assertEquals(failures, []);
    }),
});

/** Stores that keep their scales and zero points, but whose codes are drawn at random. */
function randomCodes(): Families {
  const random = randomNumbers(1);
  return new WrappedFamilies(<T extends KvShape>(store: Store<T>) => {
    const scramble = async () => {
      await store.settle();
      for (const { role, words } of await store.contents()) {
        if (role !== "codes") continue;
        for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32;
      }
    };
    return new Proxy(store, {
      get(target, name) {
        if (name === "settle") return scramble;
        // Makes the replay settle, and so scramble, before it restores.
        if (name === "sizesNeedSettle") return true;
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }) as Store<T>;
  });
}

Deno.test("random codes are worse than every real policy of two bits", () =>
  onEngine("cpu", async (engine) => {
    // Longer than the windows of 128 exact tokens.
    const long = { sentences: 12 };
    const real = await replay(engine, policyNames.map(hostBuiltin), long);
    assertEquals(real.failures, []);
    const twoBits = real.results.filter(({ numbers }) => numbers.code_bits <= 2.5);
    for (const policy of ["uniform_quant_2bit", "kivi_overlap_2bit", "skvq_overlap_2bit"]) {
      assert(twoBits.some((r) => r.policy === policy), `${policy} has no codes of 2 bits`);
    }
    const host = new InProcessHost("random_codes", uniformQuant2bit());
    const { results, failures } = await replay(engine, [host], {
      ...long,
      families: randomCodes(),
    });
    assertEquals(failures, []);
    const { numbers } = results[0]!;
    const honest = real.results.find(({ policy }) => policy === "uniform_quant_2bit")!;
    assertEquals(numbers.peak_kv_memory_mb, honest.numbers.peak_kv_memory_mb);
    for (const { policy, numbers: other } of twoBits) {
      assertLess(numbers.quality_main, other.quality_main, policy);
      assertGreater(numbers.cache_error, other.cache_error, policy);
    }
  }));

Deno.test("hooks that no family uses are reported", () =>
  onEngine("cpu", async (engine) => {
    const policy: Policy = {
      ...uniformQuant2bit(),
      clip_ratio: () => 0.9,
      q_norm: () => 300,
      group_size: () => 32,
    };
    const { results, failures } = await replay(engine, [
      new InProcessHost("heedless", policy),
      hostBuiltin("uniform_quant_2bit"),
    ], { steps: 1 });
    assertEquals(failures, []);
    assertEquals(results.map((r) => r.ignoredHooks), [
      ["clip_ratio (uniform)", "q_norm (uniform)"],
      [],
    ]);
  }));

Deno.test("stores that under-report their memory end the run, as no fault of the policy's", () =>
  onEngine("cpu", async (engine) => {
    const families = new WrappedFamilies((store) => {
      const buffers = store.buffers.bind(store);
      store.buffers = (n) => buffers(n).map((b) => ({ ...b, bytes: b.bytes / 2 }));
      return store;
    });
    const { message } = await assertRejects(
      () =>
        replay(
          engine,
          ["reference", "uniform_quant_2bit"].map((name) => hostBuiltin(name as PolicyName)),
          { steps: 1, audit: true, families },
        ),
      InternalError,
    );
    assertMatch(
      message,
      /^Audit of policy uniform_quant_2bit, layer 0 key: buffer codes has \d+ bytes, but its store declares \d+$/,
    );
  }));
