/** One pass of a calibration set through the model: what is held while it goes on. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { runSamples } from "../../calibration/calibration_samples.ts";
import { transformNoise } from "../../quant/families/transform/transform_noise.ts";
import type { Backend, CpuTensor, KvShape } from "../../quant/tensor.ts";
import type { ForwardInput, ForwardOutput } from "../../engine/engine.ts";
import { SyntheticEngine } from "../engine/synthetic_engine.ts";

/** Counts the bytes of tensors that were made and not freed, those that `forward` gives included. */
class CountingEngine extends SyntheticEngine {
  readonly #live = new Map<CpuTensor, number>();
  most = 0;

  override readonly backend: Backend<CpuTensor>;

  constructor() {
    super();
    const plain = new SyntheticEngine().backend;
    this.backend = {
      ...plain,
      alloc: (shape: KvShape) => this.#made(plain.alloc(shape)),
      upload: (data: Float32Array<ArrayBuffer>, shape: KvShape) =>
        this.#made(plain.upload(data, shape)),
      free: (tensor: CpuTensor) => {
        assert(this.#live.delete(tensor), "a tensor is freed once");
      },
    };
  }

  get live(): number {
    return this.#live.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  override async forward(input: ForwardInput<CpuTensor>): Promise<ForwardOutput<CpuTensor>> {
    const output = await super.forward(input);
    for (const layer of output.layers) {
      for (const tensor of Object.values(layer)) this.#made(tensor);
    }
    return output;
  }

  #made(tensor: CpuTensor): CpuTensor {
    this.#live.set(tensor, tensor.data.byteLength);
    this.most = Math.max(this.most, this.live);
    return tensor;
  }
}

/** Samples of 40 tokens. */
const samplesOf = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    ids: Array.from({ length: 40 }, (_, t) => (t * (i % 7 + 3)) % 10),
    reply: 5,
  }));

Deno.test("tensors of one sample at a time are held, whatever the number of samples", async () => {
  const noises = new Map([["transform", transformNoise]]);
  const most = [];
  for (const count of [2, 4, 40]) {
    const engine = new CountingEngine();
    const { samples } = await runSamples(engine, samplesOf(count), { noises });
    assertEquals([samples.samples, samples.tokens], [count, 40 * count]);
    assertEquals(engine.live, 0);
    most.push(engine.most);
  }
  assertEquals(most, [most[0], most[0], most[0]]);
});

Deno.test("what is kept does not hang on whether predictions are watched", async () => {
  const run = async (noises: Map<string, typeof transformNoise>) =>
    (await runSamples(new SyntheticEngine(), samplesOf(6), { noises })).samples;
  const [plain, watched] = [
    await run(new Map()),
    await run(new Map([["transform", transformNoise]])),
  ];
  const { layers, ...rest } = plain;
  const { layers: others, ...otherRest } = watched;
  assertEquals(otherRest, rest);
  for (const [l, { queries: _, ...layer }] of layers.entries()) {
    const { queries: __, ...other } = others[l]!;
    assertEquals(other, layer);
  }
});

Deno.test("a pass ends at once when it is aborted, and leaves no tensor", async () => {
  const abort = new AbortController();
  const engine = new CountingEngine();
  const forward = engine.forward.bind(engine);
  let runs = 0;
  engine.forward = async (input) => {
    if (++runs === 3) abort.abort(new Error("enough"));
    return await forward(input);
  };
  await assertRejects(
    () => runSamples(engine, samplesOf(12), { signal: abort.signal }),
    Error,
    "enough",
  );
  assertEquals([engine.runs, engine.live], [3, 0]);
});
