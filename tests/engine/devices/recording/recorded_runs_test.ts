/** What a small runtime of one's own submits is submitted again, where that gives the same. */
import { assertEquals } from "@std/assert";
import { findAdapter, openDevice } from "../../../../engine/devices/adapter.ts";
import {
  RecordedRuns,
  type RunOutputs,
} from "../../../../engine/devices/recording/recorded_runs.ts";
import { Workbench } from "../../../../quant/gpu/workbench.ts";

const found = await findAdapter();
const ignore = Deno.env.get("KVREPLAY_REQUIRE_GPU") !== "1" && found === undefined;

const COUNT = 64;
const USAGE = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;

/** `made = given * factor`, and `made += given`, which takes zeros for granted. */
const CODE = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> given: array<f32>;
@group(0) @binding(1) var<storage, read_write> made: array<f32>;
@group(0) @binding(2) var<uniform> factor: vec4f;
@compute @workgroup_size(64) fn times(@builtin(global_invocation_id) id: vec3u) {
  made[id.x] = given[id.x] * factor.x;
}
@compute @workgroup_size(64) fn add(@builtin(global_invocation_id) id: vec3u) {
  made[id.x] += given[id.x] * factor.x;
}`;

/** How a runtime goes about it. */
interface Manners {
  /** Of the run of that number. */
  readonly factor?: (run: number) => number;
  readonly entry?: "times" | "add";
  readonly readsBack?: boolean;
}

/** A runtime that multiplies twice, over memory that it uses again. */
class Runtime implements Disposable {
  asked = 0;
  readonly #pipeline: Readonly<Record<string, GPUComputePipeline>>;
  readonly #layout: GPUBindGroupLayout;
  readonly #pool: GPUBuffer[] = [];

  constructor(readonly device: GPUDevice, readonly manners: Manners) {
    const module = device.createShaderModule({ code: CODE });
    const visibility = GPUShaderStage.COMPUTE;
    this.#layout = device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility, buffer: { type: "storage" } },
        { binding: 1, visibility, buffer: { type: "storage" } },
        { binding: 2, visibility, buffer: { type: "uniform" } },
      ],
    });
    const layout = device.createPipelineLayout({ bindGroupLayouts: [this.#layout] });
    this.#pipeline = Object.fromEntries(
      ["times", "add"].map((entryPoint) => [
        entryPoint,
        device.createComputePipeline({ layout, compute: { module, entryPoint } }),
      ]),
    );
  }

  run(input: GPUBuffer): Promise<RunOutputs> {
    const { device, manners: { factor = () => 3, entry = "times", readsBack = false } } = this;
    this.asked++;
    const scratch = this.#memory(0, USAGE);
    const made = this.#memory(1, USAGE);
    const uniform = this.#memory(2, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    if (readsBack) {
      const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
      device.createBuffer({ size: 16, usage }).destroy();
    }
    device.queue.writeBuffer(uniform, 0, Float32Array.of(factor(this.asked), 0, 0, 0));
    const encoder = device.createCommandEncoder();
    encoder.clearBuffer(scratch);
    const pass = encoder.beginComputePass();
    this.#launch(pass, entry, input, scratch, uniform);
    this.#launch(pass, "times", scratch, made, uniform);
    pass.end();
    device.queue.submit([encoder.finish()]);
    const output = { buffer: made, dims: [COUNT], bytes: 4 * COUNT };
    return Promise.resolve({ tensors: { made: output }, dispose() {} });
  }

  #memory(number: number, usage: number): GPUBuffer {
    return this.#pool[number] ??= this.device.createBuffer({ size: 4 * COUNT, usage });
  }

  #launch(
    pass: GPUComputePassEncoder,
    entry: string,
    from: GPUBuffer,
    to: GPUBuffer,
    uniform: GPUBuffer,
  ): void {
    pass.setPipeline(this.#pipeline[entry]!);
    const entries = [from, to, uniform].map((buffer, binding) => ({
      binding,
      resource: { buffer },
    }));
    pass.setBindGroup(0, this.device.createBindGroup({ layout: this.#layout, entries }));
    pass.dispatchWorkgroups(1);
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#pool) buffer.destroy();
  }
}

/** How often the runtime was asked in eight runs of one size over different inputs, each checked. */
async function askedInEight(manners: Manners): Promise<number> {
  const device = await openDevice(found!.adapter);
  const runs = new RecordedRuns(device);
  using runtime = new Runtime(device, manners);
  const factor = manners.factor ?? (() => 3);
  for (let run = 1; run <= 8; run++) {
    const values = Float32Array.from({ length: COUNT }, (_, i) => i + 10 * run);
    const input = device.createBuffer({ size: 4 * COUNT, usage: USAGE });
    device.queue.writeBuffer(input, 0, values);
    const outputs = await runs.run("one size", [input], () => runtime.run(input));
    const { buffer } = outputs.tensors.made!;
    const words = await Workbench.of(device).read([{ buffer, at: 0, words: COUNT }]);
    assertEquals([...new Float32Array(words.buffer)], [...values].map((v) => v * factor(run) ** 2));
    outputs.dispose();
    input.destroy();
  }
  runs.close();
  Workbench.of(device).close();
  device.destroy();
  return runtime.asked;
}

const cases: readonly [what: string, asked: number, manners: Manners][] = [
  ["a run that gives the same commands twice is not asked for again", 2, {}],
  ["one whose parameters differ is always asked for", 8, { factor: (run) => run }],
  ["one that takes memory to be cleared is always asked for", 8, { entry: "add" }],
  ["one that reads anything back is always asked for", 8, { readsBack: true }],
];
for (const [name, asked, manners] of cases) {
  Deno.test({ name, ignore, fn: async () => assertEquals(await askedInEight(manners), asked) });
}

Deno.test({
  name: "buffers that are given twice are one size, and buffers that are not another",
  ignore,
  fn: async () => {
    const device = await openDevice(found!.adapter);
    const runs = new RecordedRuns(device);
    using runtime = new Runtime(device, {});
    const input = () => device.createBuffer({ size: 4 * COUNT, usage: USAGE });
    const [a, b] = [input(), input()];
    for (let i = 0; i < 3; i++) {
      for (const inputs of [[a, a], [a, b]]) await runs.run("", inputs, () => runtime.run(a));
    }
    assertEquals(runtime.asked, 4);
    for (const buffer of [a, b]) buffer.destroy();
    runs.close();
    device.destroy();
  },
});
