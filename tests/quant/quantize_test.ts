/** Quantizing a tensor without a model, in both memories. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { KvKind } from "../../quant/family.ts";
import { uniform } from "../../quant/families/uniform/uniform.ts";
import { plainRotary } from "../../engine/rotary.ts";
import { quantize, type QuantizeOptions } from "../../quant/quantize.ts";
import { QuantizerError } from "../../quant/quantizer_error.ts";
import type { CpuTensor, GpuTensor } from "../../quant/tensor.ts";
import { device, onGpu } from "./backends.ts";
import { kvData } from "./kv_data.ts";

const HEADS = 2, TOKENS = 96, HEAD_DIM = 64;

const random = (heads: number, headDim: number, seed: number): CpuTensor => ({
  heads,
  capacity: TOKENS,
  headDim,
  data: kvData(heads * TOKENS, headDim, "normal", seed),
});

const tensor = random(HEADS, HEAD_DIM, 1);
const queries = random(2 * HEADS, HEAD_DIM, 2);
/** Angle 0 at every position: keys before RoPE are the keys. */
const half = { heads: 1, capacity: TOKENS, headDim: HEAD_DIM / 2 };
const rope = {
  cos: { ...half, data: new Float32Array(TOKENS * HEAD_DIM / 2).fill(1) },
  sin: { ...half, data: new Float32Array(TOKENS * HEAD_DIM / 2) },
};
const samples = {
  rotary: plainRotary(HEAD_DIM, 1e4),
  layers: [{ keys: [tensor], preRopeKeys: [tensor], values: [tensor], queries: [queries] }],
};

interface Given {
  readonly kind: KvKind;
  readonly options: Omit<QuantizeOptions<CpuTensor>, "kind">;
  /** Bits per entry where they can be told by hand. */
  readonly bits?: number;
}

/** Every family, with what it wants to be given. */
const GIVEN: Record<string, Given> = {
  // A half-precision scale and zero point for each group of 64 entries of a head.
  uniform: { kind: "value", options: { family: "uniform", bits: 4 }, bits: 4 + 32 / 64 },
  "kivi, keys of 4 and 2 bits": {
    kind: "key",
    options: { family: "kivi", bits: [4, 2], groupSize: 32 },
    bits: 3 + 32 / 32,
  },
  "kivi, a window": {
    kind: "value",
    options: { family: "kivi", bits: 2, groupSize: 32, residualLength: 32 },
    bits: (16 + 2 * (2 + 32 / 32)) / 3,
  },
  "skvq, sinks": {
    kind: "value",
    options: { family: "skvq", bits: 2, groupSize: 128, sinkTokens: 4, clipRatio: 0.9 },
    bits: (4 * 16 + 92 * (2 + 32 / 128)) / 96,
  },
  "qaq, by attention": {
    kind: "value",
    options: {
      family: "qaq",
      bits: 4,
      useAttentions: true,
      bitRange: [2, 4],
      outliersRatio: 0.01,
      queries,
      keys: tensor,
    },
  },
  "kvquant, keys before RoPE": {
    kind: "key",
    options: { family: "kvquant", bits: 3, axis: "channel", preRope: tensor, rope, samples },
  },
  hf_quanto: { kind: "value", options: { family: "hf_quanto", bits: 4, groupSize: 64 } },
  hf_hqq: { kind: "key", options: { family: "hf_hqq", bits: 2, axis: "token", groupSize: 64 } },
  kvtuner: {
    kind: "value",
    options: { family: "kvtuner", bits: 4, groupSize: 32, samples },
  },
  squat: { kind: "key", options: { family: "squat", bits: 2, queries } },
  turboquant: { kind: "key", options: { family: "turboquant", bits: 3, axis: "token" } },
  transform: {
    kind: "key",
    options: { family: "transform", bits: 4, axis: "token", preRope: tensor, rope, samples },
  },
};

for (const [name, { kind, options, bits }] of Object.entries(GIVEN)) {
  Deno.test(`${name}: restored near the original, at the size of what is packed (cpu)`, async () => {
    const made = await quantize(tensor, { ...options, kind });
    const { restored, packed, bytes, bitsPerEntry, quantized } = made;
    assertEquals(restored.data.length, tensor.data.length);
    const error = distance(restored.data, tensor.data);
    assert(error > 0 && error < 0.7, `relative error ${error}`);
    const exact = TOKENS - (quantized.to - quantized.from);
    const held = packed.reduce((sum, { words }) => sum + words.byteLength, 0);
    assertEquals(bytes, held + exact * HEADS * HEAD_DIM * 2);
    assertEquals(bitsPerEntry, 8 * bytes / tensor.data.length);
    if (bits !== undefined) assertEquals(bitsPerEntry, bits);
    for (let head = 0; head < HEADS; head++) {
      for (let token = 0; token < TOKENS; token++) {
        if (token >= quantized.from && token < quantized.to) continue;
        const at = (head * TOKENS + token) * HEAD_DIM;
        const row = (data: Float32Array) => data.subarray(at, at + HEAD_DIM);
        assertEquals(row(restored.data), row(tensor.data));
      }
    }
  });

  Deno.test({
    name: `${name}: a GPU device that is handed in gives what cpu memory does`,
    ignore: device === undefined,
    fn: () =>
      onGpu(async (machine, gpu) => {
        const up = (t: CpuTensor) => machine.upload(t.data, t) as GpuTensor;
        const { preRope, rope, queries, keys, ...plain } = options;
        const onDevice = await quantize(up(tensor), {
          ...plain,
          kind,
          device: gpu,
          ...(preRope && { preRope: up(preRope) }),
          ...(rope && { rope: { cos: up(rope.cos), sin: up(rope.sin) } }),
          ...(queries && { queries: up(queries) }),
          ...(keys && { keys: up(keys) }),
        });
        const inMemory = await quantize(tensor, { ...options, kind });
        const restored = await machine.read(onDevice.restored);
        onDevice.restored.buffer.destroy();
        assert(distance(restored, inMemory.restored.data) < 1e-3);
        assertEquals(onDevice.quantized, inMemory.quantized);
        assertEquals(
          onDevice.packed.map(({ role }) => role).toSorted(),
          inMemory.packed.map(({ role }) => role).toSorted(),
        );
      }),
  });
}

/** Relative Frobenius distance. */
function distance(a: Float32Array, b: Float32Array): number {
  let error = 0, norm = 0;
  for (let i = 0; i < b.length; i++) {
    error += (a[i]! - b[i]!) ** 2;
    norm += b[i]! ** 2;
  }
  return Math.sqrt(error / norm);
}

Deno.test("a family of one's own is given as an object", async () => {
  const mine = { ...uniform, name: "mine" };
  const own = await quantize(tensor, { family: mine, bits: 2, kind: "value" });
  const built = await quantize(tensor, { family: "uniform", bits: 2, kind: "value" });
  assertEquals(own.restored, built.restored);
  assertEquals([own.settings.family, own.bitsPerEntry], ["mine", built.bitsPerEntry]);
});

Deno.test("what is missing or wrong is said in one sentence", async () => {
  const holed = { ...tensor, data: tensor.data.slice() };
  holed.data[5] = NaN;
  const wrong = (shape: object, options: object = {}) => () =>
    quantize(
      { ...tensor, ...shape } as CpuTensor,
      { family: "kivi", bits: 2, ...options } as QuantizeOptions<CpuTensor>,
    );
  const refused: [() => Promise<unknown>, string][] = [
    [
      () => quantize({ ...tensor, capacity: 7 }, { family: "kivi", bits: 2 }),
      "holds 12288 entries",
    ],
    [() => quantize(tensor, { family: "kiwi" as "kivi", bits: 2 }), 'no quantizer family "kiwi"'],
    [() => quantize(tensor, { family: "kivi", bits: 9 }), "9 bits"],
    [() => quantize(tensor, { family: "squat", bits: 2 }), "reads queries"],
    [() => quantize(tensor, { family: "transform", bits: 2, axis: "token" }), "offline"],
    [() => quantize(tensor, { family: "kvquant", bits: 3, samples }), "reads preRope and rope"],
    [() => quantize(null as unknown as CpuTensor, { family: "kivi", bits: 2 }), "tensor is null"],
    [() => quantize({ ...tensor, heads: NaN }, { family: "kivi", bits: 2 }), "[NaN, 96, 64]"],
    [wrong({ data: tensor.data.slice(1) }), "holds 12287 entries"],
    [wrong({ data: new Float64Array(tensor.data) }), "data of another type"],
    [wrong({ data: undefined }), "has no data"],
    [wrong({}, { bits: "2" }), 'The option bits is "2"; expected an integer'],
    [wrong({}, { bits: [2, NaN] }), "The option bits is NaN"],
    [wrong({}, { kind: "keys" }), 'The option kind is "keys"; expected "key" or "value"'],
    [wrong({}, { axis: null }), "The option axis is null"],
    [wrong({}, { residualLength: -1 }), "The option residualLength is -1"],
    [wrong({}, { seed: -1 }), "The option seed is -1; expected an integer from 0"],
    [wrong({}, { groupsize: 32 }), 'Family "kivi" takes no groupsize; expected some of family'],
    [wrong({}, { family: null }), "A quantizer family is null"],
    [wrong({}, { preRope: { ...tensor, headDim: 32 } }), "The tensor preRope holds 12288"],
    [wrong({}, { queries: random(3, HEAD_DIM, 3) }), "goes with the tensor when it is [4, 96, 64]"],
    [wrong({}, { samples: { layers: [] } }), "The samples have an empty list as layers"],
    [
      wrong({}, { family: { ...uniform, name: "mine", openCpu: () => ({ grow: null }) } }),
      'Family "mine": ',
    ],
    [
      () => quantize(holed, { family: "uniform", bits: 2, kind: "value" }),
      "NaN at head 0, token 0",
    ],
  ];
  for (const [run, sentence] of refused) {
    const error = await assertRejects(run, QuantizerError);
    assert(error.message.includes(sentence), error.message);
  }
});

Deno.test("a tensor that begins inside a larger array is quantized like a copy of it", async () => {
  const room = new Float32Array(tensor.data.length + 37);
  room.set(tensor.data, 37);
  const inside = { ...tensor, data: room.subarray(37) };
  for (const [name, { kind, options }] of Object.entries(GIVEN)) {
    const [within, copied] = await Promise.all(
      [inside, tensor].map((given) => quantize(given, { ...options, kind })),
    );
    assertEquals(within!.restored.data, copied!.restored.data, name);
  }
});

Deno.test({
  name: "a device that cannot read the tensor is told, and no buffer is left behind",
  ignore: device === undefined,
  fn: () =>
    onGpu(async (machine, gpu) => {
      const options = { family: "uniform", bits: 2, kind: "value", device: gpu } as const;
      const up = () => machine.upload(tensor.data, tensor) as GpuTensor;
      const { device: _, ...without } = options;
      const small = gpu.createBuffer({ size: 64, usage: 140 });
      const unreadable = gpu.createBuffer({ size: 49152, usage: GPUBufferUsage.COPY_DST });
      const destroyed = gpu.createBuffer({ size: 49152, usage: 140 });
      destroyed.destroy();
      const other = await (await navigator.gpu.requestAdapter())!.requestDevice();
      const foreign = other.createBuffer({ size: 49152, usage: 140 });
      const shape = { heads: HEADS, capacity: TOKENS, headDim: HEAD_DIM };
      const refused: [() => Promise<unknown>, string][] = [
        [() => quantize(up(), without as typeof options), "the device is undefined"],
        [() => quantize({ ...shape, buffer: small }, options), "a buffer of 64 bytes"],
        [() => quantize({ ...shape, buffer: unreadable }, options), "with usage 8"],
        [() => quantize({ ...shape, buffer: destroyed }, options), "The device cannot read"],
        [() => quantize({ ...shape, buffer: foreign }, options), "The device cannot read"],
        [
          () =>
            quantize(up(), {
              ...options,
              family: { ...uniform, name: "mine", openGpu: undefined } as never,
            }),
          "has no openGpu",
        ],
        [
          () =>
            quantize(up(), {
              ...options,
              family: {
                ...uniform,
                name: "mine",
                openGpu(...given: Parameters<typeof uniform.openGpu>) {
                  const store = uniform.openGpu(...given);
                  store.restore = () => {
                    throw new TypeError("no such table");
                  };
                  return store;
                },
              },
            }),
          "restore threw TypeError: no such table",
        ],
      ];
      for (const [run, sentence] of refused) {
        const error = await assertRejects(run, QuantizerError);
        assert(error.message.includes(sentence), error.message);
      }
      for (const buffer of [small, unreadable, foreign]) buffer.destroy();
      other.destroy();
    }),
});
