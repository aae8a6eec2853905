/** The number formats of `pack.wgsl`, for every bit pattern that is stored. */
import { assert, assertEquals } from "@std/assert";
import { fromFloat8Bits, toFloat8Bits } from "../../../quant/packing/float8.ts";
import { roundEven } from "../../../quant/numerics/round_even.ts";
import { fromHalfBits, toHalfBits } from "../../../quant/packing/half.ts";
import { Kernels } from "../../../quant/gpu/kernels.ts";
import { Workbench } from "../../../quant/gpu/workbench.ts";
import pack from "../../../quant/packing/pack.wgsl" with { type: "text" };
import { gpuTest } from "../backends.ts";
import { randomNumbers } from "../kv_data.ts";

/** Runs `expression` of `x: u32` on the device for each of the first `count` input words. */
async function mapWords(
  device: GPUDevice,
  expression: string,
  inputs: Uint32Array<ArrayBuffer>,
  count = inputs.length,
): Promise<Uint32Array<ArrayBuffer>> {
  const map = `
    struct Job { count: u32 }
    @group(0) @binding(2) var<storage, read_write> words: array<u32>;
    @compute @workgroup_size(workgroup_threads)
    fn map(@builtin(global_invocation_id) id: vec3u) {
      if (id.x < job.count) {
        let x = words[id.x];
        words[id.x] = ${expression};
      }
    }`;
  const bench = Workbench.of(device);
  const words = bench.buffer("words", inputs);
  try {
    Kernels.of(device, "pack", [pack, map]).run("map", { threads: count }, {
      job: { count },
      words,
    });
    return await bench.read([{ buffer: words, at: 0, words: inputs.length }]);
  } finally {
    bench.free(words);
  }
}

/** Float32 values around every stored value, its ties among them, and random ones. */
function probes(values: readonly number[]): Float32Array<ArrayBuffer> {
  const random = randomNumbers(5);
  const between = values.slice(1).map((high, i) => (values[i]! + high) / 2);
  const next = between.map((x) => x * (1 + 2 ** -23));
  const before = between.map((x) => x * (1 - 2 ** -23));
  const scattered = Array.from(
    { length: 4096 },
    () => (random() - 0.5) * 2 ** (random() * 60 - 30),
  );
  const positive = [...values, ...between, ...next, ...before, 0, 1e6, 3e38].filter(
    Number.isFinite,
  );
  // Subnormal float32 values may be flushed by a device; none is needed for either format.
  return Float32Array.from([...positive, ...positive.map((x) => -x), ...scattered]);
}

const halves = Array.from({ length: 0x7c00 }, (_, bits) => fromHalfBits(bits));
const float8s = Array.from({ length: 0x7f }, (_, bits) => fromFloat8Bits(bits));

gpuTest("half_bits rounds to nearest even and saturates", async (device) => {
  const inputs = probes(halves);
  const words = new Uint32Array(inputs.buffer);
  const got = await mapWords(device, "half_bits(bitcast<f32>(x))", words);
  assertEquals(got, Uint32Array.from(inputs, (x) => toHalfBits(x)));
});

gpuTest("half_value restores every half", async (device) => {
  const bits = Uint32Array.from({ length: 0x7c00 }, (_, i) => i);
  const both = Uint32Array.from([...bits, ...bits.map((b) => b | 0x8000)]);
  const got = await mapWords(device, "bitcast<u32>(half_value(x))", both);
  const values = new Float32Array(got.buffer);
  assertEquals(Array.from(values), Array.from(both, (b) => fromHalfBits(b)));
});

gpuTest("float8_bits rounds to nearest even and saturates", async (device) => {
  const inputs = probes(float8s);
  const words = new Uint32Array(inputs.buffer);
  const got = await mapWords(device, "float8_bits(bitcast<f32>(x))", words);
  assertEquals(got, Uint32Array.from(inputs, (x) => toFloat8Bits(x)));
});

gpuTest("float8_value restores every e4m3fn", async (device) => {
  const bits = Uint32Array.from({ length: 0x7f }, (_, i) => i);
  const both = Uint32Array.from([...bits, ...bits.map((b) => b | 0x80)]);
  const got = await mapWords(device, "bitcast<u32>(float8_value(x))", both);
  const values = new Float32Array(got.buffer);
  assertEquals(Array.from(values), Array.from(both, (b) => fromFloat8Bits(b)));
});

gpuTest("is_finite_value tells NaN and infinities by their bits", async (device) => {
  const inputs = Float32Array.from([0, -0, 1, 3e38, -3e38, NaN, Infinity, -Infinity]);
  const words = new Uint32Array(inputs.buffer);
  const got = await mapWords(device, "u32(is_finite_value(bitcast<f32>(x)))", words);
  assertEquals(Array.from(got), [1, 1, 1, 1, 1, 0, 0, 0]);
});

gpuTest("divide rounds as float32 division does", async (device) => {
  const random = randomNumbers(9);
  // Dividends and divisors side by side: any, ties of a whole number of steps, and exact quotients.
  const pairs = Array.from({ length: 20000 }, (_, i) => {
    const b = Math.fround((random() + 0.01) * 2 ** Math.round(random() * 20 - 10));
    const steps = Math.floor(random() * 256) + (i % 3 === 1 ? 0.5 : 0);
    const a = i % 3 === 0 ? Math.fround((random() - 0.5) * 100) : Math.fround(steps * b);
    return [a, b] as const;
  });
  const dividends = Float32Array.from(pairs, ([a]) => a);
  const divisors = Float32Array.from(pairs, ([, b]) => b);
  const words = new Uint32Array(2 * pairs.length);
  words.set(new Uint32Array(dividends.buffer));
  words.set(new Uint32Array(divisors.buffer), pairs.length);
  // Each invocation reads its divisor from the second half, which is therefore left alone.
  const half = `(arrayLength(&words) / 2u)`;
  const quotient = `bitcast<u32>(divide(bitcast<f32>(x), bitcast<f32>(words[id.x + ${half}])))`;
  const got = await mapWords(device, quotient, words, pairs.length);
  const quotients = new Float32Array(got.buffer, 0, pairs.length);
  assertEquals(Array.from(quotients), pairs.map(([a, b]) => Math.fround(a / b)));
});

gpuTest("divide_by_whole rounds as float32 division does", async (device) => {
  const random = randomNumbers(10);
  const pairs = Array.from({ length: 20000 }, (_, i) => {
    const b = 1 + i % 255;
    const a = i % 2 === 0
      ? (random() - 0.5) * 2 ** Math.round(random() * 120 - 60)
      : Math.floor(random() * 65536) * b * 2 ** (i % 64 - 32);
    return [Math.fround(a), b] as const;
  });
  const words = new Uint32Array(Float32Array.from(pairs, ([a]) => a).buffer);
  const quotient = "bitcast<u32>(divide_by_whole(bitcast<f32>(x), f32(1u + id.x % 255u)))";
  const got = await mapWords(device, quotient, words);
  assertEquals(
    Array.from(new Float32Array(got.buffer)),
    pairs.map(([a, b]) => Math.fround(a / b)),
  );
});

const CODER = `
  struct Job { count: u32, top: f32 }
  @group(0) @binding(2) var<storage, read> differences: array<f32>;
  @group(0) @binding(3) var<storage, read> scales: array<f32>;
  @group(0) @binding(4) var<storage, read_write> codes: array<u32>;
  @compute @workgroup_size(workgroup_threads)
  fn code(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < job.count) {
      let difference = differences[id.x];
      let scale = scales[id.x];
      let exact = nearest_code(divide_to_round(difference, scale), job.top);
      var far = 0.0;
      let quick = quick_code(difference, 1.0 / scale, job.top, &far) & 0xffffu;
      let decided = far < quick_limit(job.top);
      codes[id.x] = exact | select(exact, quick, decided) << 8u | select(0u, 1u << 16u, decided);
    }
  }`;

gpuTest("codes are those of exact quotients, on ties, beside them and outside", async (device) => {
  const bench = Workbench.of(device);
  const differences: number[] = [];
  const scales: number[] = [];
  for (let i = 0; i < 2000; i++) {
    const scale = Math.fround(2 ** (i % 40 - 20) * (1 + i / 2000));
    const code = i * 7 % 256;
    const tie = Math.fround((code + 0.5) * scale);
    const ulp = 2 ** (Math.floor(Math.log2(tie)) - 23);
    for (const x of [tie - ulp, tie, tie + ulp, code * scale, -code * scale, 300 * scale]) {
      differences.push(Math.fround(x));
      scales.push(scale);
    }
  }
  const count = differences.length;
  const buffers = {
    differences: bench.buffer("differences", Float32Array.from(differences)),
    scales: bench.buffer("scales", Float32Array.from(scales)),
    codes: bench.buffer("codes", count),
  };
  const kernels = Kernels.of(device, "coder", [pack, CODER]);
  for (const top of [1, 3, 15, 255]) {
    kernels.run("code", { threads: count }, { job: { count, top }, ...buffers });
    const codes = await bench.read([{ buffer: buffers.codes, at: 0, words: count }]);
    const expected = differences.map((x, i) =>
      Math.min(Math.max(roundEven(Math.fround(x / scales[i]!)), 0), top)
    );
    assertEquals(
      [...codes].map((word) => [word & 255, word >> 8 & 255]),
      expected.map((code) => [code + 0, code + 0]),
    );
    const undecided = [...codes].filter((word) => word >> 16 === 0).length;
    assert(undecided > 0 && undecided < count, `${undecided} of ${count} are near a tie`);
  }
  bench.free(...Object.values(buffers));
});
