/**
 * Commands that are submitted as they stand.
 *
 * @module
 */
import type { Scratch } from "./scratch.ts";
import {
  type Binding,
  type Command,
  type Dispatch,
  type OutputBuffers,
  type Place,
  placesOf,
  type Script,
} from "./script.ts";

/** A bind group, and the inputs it was made for. */
interface KeptGroup {
  readonly inputs: readonly GPUBuffer[];
  readonly group: GPUBindGroup;
}

/** A script over memory of its own. */
export class ReadyRun {
  /** Where the outputs are once it was submitted. */
  readonly outputs: OutputBuffers;
  /** Its scratch memory. */
  readonly scratch: readonly GPUBuffer[];
  readonly #commands: readonly Command[];
  readonly #own = new Map<GPUBuffer, GPUBuffer>();
  /** What the runtime wrote, and where in it each piece is. */
  readonly #constants: GPUBuffer;
  readonly #pieces: readonly { readonly start: number; readonly bytes: number }[];
  readonly #groups: KeptGroup[] = [];

  /** @param stays whether a buffer is no scratch memory: weights */
  constructor(
    private readonly device: GPUDevice,
    { commands, written, outputs }: Script,
    scratch: Scratch,
    stays: (buffer: GPUBuffer) => boolean,
  ) {
    this.#commands = commands;
    const used = new Map<number, number>();
    for (const place of commands.flatMap(placesOf)) {
      if ("input" in place || "written" in place || stays(place) || this.#own.has(place)) continue;
      const number = used.get(place.size) ?? 0;
      used.set(place.size, number + 1);
      this.#own.set(place, scratch.buffer(place.size, number));
    }
    this.scratch = [...this.#own.values()];
    this.outputs = Object.fromEntries(
      Object.entries(outputs).map(([name, output]) => [
        name,
        { ...output, buffer: this.#own.get(output.buffer) ?? output.buffer },
      ]),
    );
    const { minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment } = device.limits;
    const step = Math.max(minUniformBufferOffsetAlignment, minStorageBufferOffsetAlignment);
    let size = 0;
    this.#pieces = written.map(({ length }) => {
      const start = size;
      size += Math.ceil(length / step) * step;
      return { start, bytes: length };
    });
    const all = new Uint8Array(Math.max(step, size));
    for (const [i, bytes] of written.entries()) all.set(bytes, this.#pieces[i]!.start);
    this.#constants = device.createBuffer({
      label: "parameters of a recorded run",
      size: all.length,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC |
        GPUBufferUsage.COPY_DST,
    });
    device.queue.writeBuffer(this.#constants, 0, all);
  }

  /** Gives everything to the device, over some inputs. */
  submit(inputs: readonly GPUBuffer[]): void {
    const encoder = this.device.createCommandEncoder();
    let pass: GPUComputePassEncoder | undefined;
    for (const [i, command] of this.#commands.entries()) {
      if ("pipeline" in command) {
        pass ??= encoder.beginComputePass();
        pass.setPipeline(command.pipeline);
        pass.setBindGroup(0, this.#group(i, command, inputs));
        pass.dispatchWorkgroups(...command.workgroups);
        continue;
      }
      pass?.end();
      pass = undefined;
      const { from, fromOffset, to, toOffset, size } = command;
      const [source, start] = this.#at(from, inputs);
      const [target] = this.#at(to, inputs);
      encoder.copyBufferToBuffer(source, start + fromOffset, target, toOffset, size);
    }
    pass?.end();
    this.device.queue.submit([encoder.finish()]);
  }

  /** The bind group of a launch: that of the last time, where it has the same inputs. */
  #group(i: number, { layout, bindings }: Dispatch, inputs: readonly GPUBuffer[]): GPUBindGroup {
    const own = bindings.flatMap(({ place }) => "input" in place ? [inputs[place.input]!] : []);
    const last = this.#groups[i];
    if (last?.inputs.every((buffer, n) => buffer === own[n])) return last.group;
    const entries = bindings.map((binding) => this.#entry(binding, inputs));
    const group = this.device.createBindGroup({ layout, entries });
    this.#groups[i] = { inputs: own, group };
    return group;
  }

  #entry({ binding, place, offset, size }: Binding, inputs: readonly GPUBuffer[]) {
    const [buffer, start] = this.#at(place, inputs);
    const bytes = size ??
      ("written" in place ? this.#pieces[place.written]!.bytes - offset : undefined);
    const sized = bytes === undefined ? {} : { size: bytes };
    return { binding, resource: { buffer, offset: start + offset, ...sized } };
  }

  #at(place: Place, inputs: readonly GPUBuffer[]): [GPUBuffer, number] {
    if ("input" in place) return [inputs[place.input]!, 0];
    if ("written" in place) return [this.#constants, this.#pieces[place.written]!.start];
    return [this.#own.get(place) ?? place, 0];
  }

  free(): void {
    this.#constants.destroy();
  }
}
