/**
 * Runs of the model that the device is given again without the runtime being asked.
 *
 * On a GPU a pass waits for the host: onnxruntime spends a tenth of a millisecond on each of some
 * hundred launches, and the device a fraction of that. But what it submits depends on the sizes of its
 * inputs alone. So the commands of a run are written down on their way to the device, and when the same
 * sizes come again they are submitted as they stand, over the inputs of the day. (onnxruntime can do
 * the like by itself, `enableGraphCapture`, for one size in a session; here sizes come and go.)
 *
 * The runtime promises nothing of that, so it is not taken on trust. A run is written down twice; both
 * must give the same commands with the same parameters. Then these are submitted once, over scratch
 * memory full of what is no number, and must give every output of the runtime again, bit by bit:
 * whatever a kernel expects of memory that no kernel before it wrote would show there, too, which is why
 * the runtime's clearing of memory need not be done again. A size that fails any of it, and a run that
 * reads anything back, is always left to the runtime.
 *
 * @module
 */
import { Workbench } from "../../../quant/gpu/workbench.ts";
import { ReadyRun } from "./ready_run.ts";
import { Scratch } from "./scratch.ts";
import { alike, type OutputBuffers, type Script } from "./script.ts";
import { Tape } from "./tape.ts";

/** Sizes whose commands are kept: those that were used last. */
const MOST_KEPT = 32;

/** What a run gives, until it is let go. */
export interface RunOutputs {
  readonly tensors: OutputBuffers;
  dispose(): void;
}

/** What is known of a size: a first script, the run that two scripts agree on, or that there is none. */
type Known = Script | ReadyRun | "unlike";

/** The runs of one device. */
export class RecordedRuns {
  readonly #known = new Map<string, Known>();
  readonly #scratch: Scratch;
  /** Memory that the runtime made for runs, and uses for others. */
  readonly #passing = new WeakSet<GPUBuffer>();
  #asking = false;
  #tape: Tape | undefined;

  /** @param device whose buffers and commands are watched from here on; its weights are there already */
  constructor(private readonly device: GPUDevice) {
    this.#scratch = new Scratch(device);
    const { queue } = device;
    const createBuffer = device.createBuffer.bind(device);
    const createBindGroup = device.createBindGroup.bind(device);
    const createCommandEncoder = device.createCommandEncoder.bind(device);
    const writeBuffer = queue.writeBuffer.bind(queue);
    const submit = queue.submit.bind(queue);
    device.createBuffer = (descriptor) => {
      const buffer = createBuffer(descriptor);
      if (this.#asking) this.#passing.add(buffer);
      this.#tape?.made(buffer);
      return buffer;
    };
    device.createBindGroup = (descriptor) => {
      const group = createBindGroup(descriptor);
      this.#tape?.bound(group, descriptor);
      return group;
    };
    device.createCommandEncoder = (descriptor) => {
      const encoder = createCommandEncoder(descriptor);
      this.#tape?.watch(encoder);
      return encoder;
    };
    queue.writeBuffer = (buffer, at, data, from, size) => {
      this.#tape?.wrote(buffer, at, data, from, size);
      writeBuffer(buffer, at, data, from, size);
    };
    queue.submit = (buffers) => {
      this.#tape?.submitted(buffers);
      submit(buffers);
    };
  }

  /**
   * A run of the model.
   *
   * @param sizes all that decides which commands there are; absent for a run that will not come again
   * @param inputs buffers that the run reads, in the same order for the same sizes
   * @param ask has the runtime do it
   */
  async run(
    sizes: string | undefined,
    inputs: readonly GPUBuffer[],
    ask: () => Promise<RunOutputs>,
  ): Promise<RunOutputs> {
    if (sizes === undefined) return await this.#asked(ask);
    // Buffers that are given several times are others' places, too.
    const key = JSON.stringify([sizes, inputs.map((buffer) => inputs.indexOf(buffer))]);
    const known = this.#known.get(key);
    this.#known.delete(key);
    this.#known.set(key, known ?? "unlike");
    if (known === "unlike") return await this.#asked(ask);
    if (known instanceof ReadyRun) {
      known.submit(inputs);
      return { tensors: known.outputs, dispose() {} };
    }
    const tape = this.#tape = new Tape(inputs);
    const outputs = await this.#asked(ask);
    this.#known.set(key, await this.#learned(known, tape.script(outputs.tensors), inputs));
    this.#forgetOldest();
    this.#scratch.keep(new Set(this.#ready().flatMap(({ scratch }) => scratch)));
    return outputs;
  }

  async #asked(ask: () => Promise<RunOutputs>): Promise<RunOutputs> {
    this.#asking = true;
    try {
      return await ask();
    } finally {
      this.#asking = false;
      this.#tape = undefined;
    }
  }

  async #learned(
    first: Script | undefined,
    script: Script | undefined,
    inputs: readonly GPUBuffer[],
  ): Promise<Known> {
    if (script === undefined) return "unlike";
    if (first === undefined) return script;
    if (!alike(first, script)) return "unlike";
    const ready = new ReadyRun(
      this.device,
      script,
      this.#scratch,
      (buffer) => !this.#passing.has(buffer),
    );
    if (await this.#givesAgain(ready, script.outputs, inputs)) return ready;
    ready.free();
    return "unlike";
  }

  /** Whether a run, over memory that holds nothing, gives what the runtime gave. */
  async #givesAgain(
    run: ReadyRun,
    outputs: OutputBuffers,
    inputs: readonly GPUBuffer[],
  ): Promise<boolean> {
    const { device } = this;
    device.pushErrorScope("validation");
    this.#scratch.spoil(run.scratch);
    run.submit(inputs);
    const invalid = await device.popErrorScope();
    if (invalid !== null) return false;
    const regions = [outputs, run.outputs].flatMap((tensors) =>
      Object.values(tensors).map(({ buffer, bytes }) => ({
        buffer,
        at: 0,
        words: Math.floor(bytes / Uint32Array.BYTES_PER_ELEMENT),
      }))
    );
    const words = await Workbench.of(device).read(regions);
    const half = words.length / 2;
    return words.subarray(0, half).every((word, i) => word === words[half + i]);
  }

  #ready(): ReadyRun[] {
    return [...this.#known.values()].filter((known) => known instanceof ReadyRun);
  }

  #forgetOldest(): void {
    for (const [key, known] of this.#known) {
      if (this.#known.size <= MOST_KEPT) return;
      this.#known.delete(key);
      if (known instanceof ReadyRun) known.free();
    }
  }

  /** Frees what was kept. */
  close(): void {
    for (const run of this.#ready()) run.free();
    this.#known.clear();
    this.#scratch.free();
  }
}
