import { assert, assertAlmostEquals, assertEquals, assertStrictEquals } from "@std/assert";
import { CpuBackend } from "../../../quant/backend_cpu.ts";
import { GpuBackend } from "../../../quant/gpu/backend_gpu.ts";
import { Workbench } from "../../../quant/gpu/workbench.ts";
import type { Backend, KvShape } from "../../../quant/tensor.ts";
import { device, gpuTest, onGpu } from "../backends.ts";

/** Registers a test of `body` for each backend of the replay. */
function testBackends(name: string, body: (backend: Backend<KvShape>) => Promise<void>): void {
  Deno.test(`${name} (cpu)`, () => body(new CpuBackend()));
  Deno.test({
    name: `${name} (gpu)`,
    ignore: device === undefined,
    fn: () =>
      onGpu(async (_, device) => {
        const backend = new GpuBackend(device);
        await body(backend);
        backend.close();
      }),
  });
}

const SHAPE: KvShape = { heads: 2, capacity: 5, headDim: 3 };

/** Values that name their place: head, token, channel. */
function named({ heads, capacity, headDim }: KvShape, sign = 1): Float32Array<ArrayBuffer> {
  const values = new Float32Array(heads * capacity * headDim);
  for (let i = 0; i < values.length; i++) {
    const token = Math.floor(i / headDim) % capacity;
    const head = Math.floor(i / headDim / capacity);
    values[i] = sign * (100 * (head + 1) + 10 * token + i % headDim);
  }
  return values;
}

testBackends("a new tensor is zero and an uploaded one reads back", async (backend) => {
  const empty = backend.alloc(SHAPE);
  assertEquals(await backend.read(empty), new Float32Array(30));
  const data = named(SHAPE);
  const tensor = backend.upload(data.slice(), SHAPE);
  assertEquals({ ...SHAPE }, pick(tensor));
  assertEquals(await backend.read(tensor), data);
  backend.free(empty);
  backend.free(tensor);
});

function pick({ heads, capacity, headDim }: KvShape): KvShape {
  return { heads, capacity, headDim };
}

testBackends("a copy moves the tokens of every head and nothing else", async (backend) => {
  const source = backend.upload(named(SHAPE), SHAPE);
  const size = { ...SHAPE, capacity: 4 };
  const target = backend.upload(named(size, -1), size);
  backend.copy(source, 3, 2, target, 1);
  const wanted = named(size, -1);
  const values = named(SHAPE);
  for (const head of [0, 1]) {
    for (const t of [0, 1]) {
      for (const c of [0, 1, 2]) {
        wanted[(head * 4 + 1 + t) * 3 + c] = values[(head * 5 + 3 + t) * 3 + c]!;
      }
    }
  }
  assertEquals(await backend.read(target), wanted);
  backend.copy(source, 0, 0, target, 0);
  assertEquals(await backend.read(target), wanted);
  backend.free(source);
  backend.free(target);
});

testBackends("a tensor can be copied within itself", async (backend) => {
  const tensor = backend.upload(named(SHAPE), SHAPE);
  backend.copy(tensor, 0, 2, tensor, 3);
  const wanted = named(SHAPE);
  for (const head of [0, 1]) {
    const at = head * 15;
    wanted.copyWithin(at + 9, at, at + 6);
  }
  assertEquals(await backend.read(tensor), wanted);
  backend.free(tensor);
});

testBackends("scratch memory is used again, at any smaller size", async (backend) => {
  const first = backend.scratch(SHAPE);
  backend.free(first);
  const smaller = { heads: 1, capacity: 2, headDim: 3 };
  const second = backend.scratch(smaller);
  const other = backend.upload(named(smaller), smaller);
  backend.copy(other, 0, 2, second, 0);
  assertEquals(await backend.read(second), named(smaller));
  const buffers = (tensor: KvShape) =>
    "buffer" in tensor ? tensor.buffer : (tensor as { data?: Float32Array }).data?.buffer;
  assert(buffers(first) === buffers(second));
  const third = backend.scratch(SHAPE);
  assert(buffers(third) !== buffers(second));
  for (const tensor of [second, other, third]) backend.free(tensor);
});

testBackends("squares of each head and token are summed over channels", async (backend) => {
  const cases = [
    { heads: 2, headDim: 64, real: 9, restored: 12, tokens: 9 },
    { heads: 3, headDim: 50, real: 7, restored: 5, tokens: 4 },
    { heads: 1, headDim: 2, real: 3, restored: 3, tokens: 0 },
    { heads: 1, headDim: 2, real: 3, restored: 3, tokens: 3 },
  ];
  const wave = (count: number, phase: number) =>
    Float32Array.from({ length: count }, (_, i) => Math.sin(phase + i * 0.7));
  const pairs = cases.map(({ heads, headDim, real, restored, tokens }, i) => ({
    heads,
    headDim,
    tokens,
    capacities: [real, restored] as const,
    real: wave(heads * real * headDim, i),
    restored: wave(heads * restored * headDim, i + 0.3),
  }));
  const tensors = pairs.map(({ heads, headDim, tokens, capacities, real, restored }) => ({
    real: backend.upload(real, { heads, capacity: capacities[0], headDim }),
    restored: backend.upload(restored, { heads, capacity: capacities[1], headDim }),
    tokens,
  }));
  const squares = await backend.tokenSquares(tensors);
  assertEquals(squares.length, pairs.length);
  for (const [i, { heads, headDim, tokens, capacities, real, restored }] of pairs.entries()) {
    const { error, norm } = squares[i]!;
    assertEquals([error.length, norm.length], [heads * tokens, heads * tokens]);
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < tokens; t++) {
        let e = 0, n = 0;
        for (let c = 0; c < headDim; c++) {
          const x = real[(h * capacities[0] + t) * headDim + c]!;
          e += (x - restored[(h * capacities[1] + t) * headDim + c]!) ** 2;
          n += x ** 2;
        }
        assertAlmostEquals(error[h * tokens + t]!, e, 1e-5 * n);
        assertAlmostEquals(norm[h * tokens + t]!, n, 1e-5 * n);
      }
    }
  }
  assertEquals(await backend.tokenSquares([]), []);
  for (const { real, restored } of tensors) {
    backend.free(real);
    backend.free(restored);
  }
});

testBackends(
  "squares of what is not finite are not finite, at its head and token alone",
  async (backend) => {
    const shape = { heads: 2, capacity: 5, headDim: 64 };
    const upload = (at?: number, wrong?: number) => {
      const data = new Float32Array(2 * 5 * 64).fill(0.5);
      if (at !== undefined) data[at] = wrong!;
      return backend.upload(data, shape);
    };
    // Head 1, token 2, channel 3: row 7 of heads and tokens.
    const at = (5 + 2) * 64 + 3;
    for (const wrong of [NaN, Infinity, -Infinity]) {
      const [good, bad] = [upload(), upload(at, wrong)];
      const [restored, real] = await backend.tokenSquares([
        { real: good, restored: bad, tokens: 5 },
        { real: bad, restored: bad, tokens: 5 },
      ]);
      const wrongAt = (sums: Float64Array) =>
        [...sums].flatMap((sum, row) => Number.isFinite(sum) ? [] : [row]);
      assertEquals([wrongAt(restored!.error), wrongAt(restored!.norm)], [[7], []], `${wrong}`);
      assertEquals(wrongAt(real!.norm), [7], `${wrong}`);
      backend.free(good);
      backend.free(bad);
    }
  },
);

testBackends("what is done together is done in order", async (backend) => {
  const source = backend.upload(named(SHAPE), SHAPE);
  const [between, target] = [backend.alloc(SHAPE), backend.alloc(SHAPE)];
  const result = backend.together(() => {
    backend.copy(source, 0, 5, between, 0);
    backend.copy(between, 0, 5, target, 0);
    backend.free(between);
    return 7;
  });
  assertEquals([result, await backend.read(target)], [7, named(SHAPE)]);
  backend.free(source);
  backend.free(target);
});

gpuTest("a tensor in what was scratch before is not kept when it is freed", (device) => {
  const bench = Workbench.of(device);
  const backend = new GpuBackend(device);
  bench.close();
  const before = bench.live;
  const scratch = backend.scratch(SHAPE);
  backend.free(scratch);
  backend.close();
  assertEquals(bench.live, before);
  // Submits, so that what was freed is there again.
  const other = backend.alloc(SHAPE);
  backend.copy(other, 0, 1, other, 1);
  const { size } = scratch.buffer;
  const tensor = backend.alloc({ heads: 1, capacity: size / 4, headDim: 1 });
  assertStrictEquals(tensor.buffer, scratch.buffer);
  backend.free(tensor);
  backend.free(other);
  assertEquals(bench.live, before);
});
