/**
 * Writes down what a run gives to the device.
 *
 * @module
 */
import type { Binding, Command, OutputBuffers, Place, Script } from "./script.ts";

type CopyCall = (
  from: GPUBuffer,
  fromOffset: number,
  to: GPUBuffer,
  toOffset: number,
  size: number,
) => void;

/** A launch or copy as it is called, its buffers not looked up yet. */
type Called =
  | {
    readonly pipeline: GPUComputePipeline;
    readonly group: GPUBindGroup;
    readonly workgroups: readonly [number, number, number];
  }
  | { readonly copied: Parameters<CopyCall> };

/** One run. That memory is cleared is not written down: see `RecordedRuns`. */
export class Tape {
  readonly #commands: Command[] = [];
  readonly #written: Uint8Array<ArrayBuffer>[] = [];
  readonly #groups = new WeakMap<GPUBindGroup, GPUBindGroupDescriptor>();
  readonly #finished = new WeakMap<GPUCommandBuffer, readonly Called[]>();
  /** What is in buffers that the runtime wrote, and under which number that is kept. */
  readonly #contents = new Map<GPUBuffer, { bytes: Uint8Array<ArrayBuffer>; number?: number }>();
  readonly #inputs = new Map<GPUBuffer, number>();
  #fails = false;

  /** @param inputs buffers that the run is given; one that is given twice is its first place */
  constructor(inputs: readonly GPUBuffer[]) {
    for (const [i, buffer] of inputs.entries()) {
      if (!this.#inputs.has(buffer)) this.#inputs.set(buffer, i);
    }
  }

  /** What was written down; undefined where it cannot be done again. */
  script(outputs: OutputBuffers): Script | undefined {
    if (this.#fails) return undefined;
    return { commands: this.#commands, written: this.#written, outputs };
  }

  /** A buffer was made. */
  made({ usage }: GPUBuffer): void {
    // What the host reads may decide what it does next.
    if (usage & GPUBufferUsage.MAP_READ) this.#fails = true;
  }

  /** A bind group was made. */
  bound(group: GPUBindGroup, descriptor: GPUBindGroupDescriptor): void {
    this.#groups.set(group, descriptor);
  }

  /** A buffer was written from the host. */
  wrote(buffer: GPUBuffer, at: number, data: BufferSource, from = 0, size?: number): void {
    // Memory that kernels write, too, is no constant.
    if (buffer.usage & GPUBufferUsage.STORAGE) this.#fails = true;
    const whole = new Uint8Array(buffer.size);
    whole.set(this.#contents.get(buffer)?.bytes ?? []);
    whole.set(bytesOf(data, from, size), at);
    this.#contents.set(buffer, { bytes: whole });
  }

  /** An encoder was made: from here on it tells what it is told. */
  watch(encoder: GPUCommandEncoder): void {
    const called: Called[] = [];
    const beginComputePass = encoder.beginComputePass.bind(encoder);
    const copy = encoder.copyBufferToBuffer.bind(encoder) as CopyCall;
    const finish = encoder.finish.bind(encoder);
    encoder.beginComputePass = (descriptor) => {
      const pass = beginComputePass(descriptor);
      this.#watchPass(pass, called);
      return pass;
    };
    encoder.copyBufferToBuffer = ((...copied: Parameters<CopyCall>) => {
      called.push({ copied });
      copy(...copied);
    }) as GPUCommandEncoder["copyBufferToBuffer"];
    encoder.finish = (descriptor) => {
      const buffer = finish(descriptor);
      this.#finished.set(buffer, called);
      return buffer;
    };
  }

  #watchPass(pass: GPUComputePassEncoder, called: Called[]): void {
    let pipeline: GPUComputePipeline | undefined;
    let group: GPUBindGroup | undefined;
    const setPipeline = pass.setPipeline.bind(pass);
    const setBindGroup = pass.setBindGroup.bind(pass) as (...given: unknown[]) => void;
    const dispatch = pass.dispatchWorkgroups.bind(pass);
    const indirect = pass.dispatchWorkgroupsIndirect.bind(pass);
    pass.setPipeline = (given) => {
      pipeline = given;
      setPipeline(given);
    };
    pass.setBindGroup = ((index: number, given: GPUBindGroup, ...offsets: unknown[]) => {
      if (index !== 0 || offsets.length > 0) this.#fails = true;
      group = given;
      setBindGroup(index, given, ...offsets);
    }) as GPUComputePassEncoder["setBindGroup"];
    pass.dispatchWorkgroups = (x, y = 1, z = 1) => {
      if (pipeline === undefined || group === undefined) this.#fails = true;
      else called.push({ pipeline, group, workgroups: [x, y, z] });
      dispatch(x, y, z);
    };
    pass.dispatchWorkgroupsIndirect = (...given) => {
      this.#fails = true;
      indirect(...given);
    };
  }

  /** Command buffers go to the device. */
  submitted(buffers: Iterable<GPUCommandBuffer>): void {
    for (const buffer of buffers) {
      const called = this.#finished.get(buffer);
      if (called === undefined) this.#fails = true;
      for (const call of called ?? []) this.#keep(call);
    }
  }

  #keep(call: Called): void {
    if ("copied" in call) {
      const [from, fromOffset, to, toOffset, size] = call.copied;
      if (this.#contents.has(to)) this.#fails = true;
      const places = { from: this.#place(from), to: this.#place(to) };
      this.#commands.push({ ...places, fromOffset, toOffset, size });
      return;
    }
    const group = this.#groups.get(call.group);
    if (group === undefined) {
      this.#fails = true;
      return;
    }
    const bindings = Array.from(group.entries, ({ binding, resource }): Binding => {
      const { buffer, offset = 0, size } = resource as GPUBufferBinding;
      return { binding, place: this.#place(buffer), offset, size };
    });
    const { pipeline, workgroups } = call;
    this.#commands.push({ pipeline, layout: group.layout, bindings, workgroups });
  }

  #place(buffer: GPUBuffer): Place {
    const input = this.#inputs.get(buffer);
    if (input !== undefined) return { input };
    const contents = this.#contents.get(buffer);
    if (contents === undefined) return buffer;
    contents.number ??= this.#written.push(contents.bytes) - 1;
    return { written: contents.number };
  }
}

/** Bytes of what is written; `from` and `size` count the elements of a typed array, as WebGPU has it. */
function bytesOf(data: BufferSource, from: number, size: number | undefined): Uint8Array {
  const view = ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
  const unit = "BYTES_PER_ELEMENT" in data ? Number(data.BYTES_PER_ELEMENT) : 1;
  return view.subarray(from * unit, size === undefined ? undefined : (from + size) * unit);
}
