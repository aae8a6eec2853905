/**
 * The kernels of one WGSL text on one device, launched by the names that the text gives to things.
 *
 * Nothing is counted by hand. Were parameters a list of words, and buffers bound by number, then a
 * member added in the middle of a struct would move all behind it, and nothing but wrong results would
 * say so. Here the text is the only place: where a member lies, how far apart the elements of a table
 * are, which number a binding has, which buffers an entry point reaches and how many invocations its
 * workgroups have are all read from it. A name that the text does not have, or one left out, is an
 * error before anything is launched.
 *
 * Each text stands in the frame (`frame.wgsl`): it brings the struct `Job` of its parameters, and
 * takes flat indices, sums over a workgroup and the report of input that is not finite from there.
 *
 * @module
 */
import { InternalError } from "../../errors.ts";
import frame from "./frame.wgsl" with { type: "text" };
import { type BufferVariable, WgslDeclarations } from "./wgsl_declarations.ts";
import { layoutOf, type TypeLayout, type WgslValue, type WgslValues } from "./wgsl_layout.ts";
import { Workbench } from "./workbench.ts";

/** Most workgroups WebGPU guarantees along one dimension. */
const MOST_WORKGROUPS = 65535;

/** What a kernel goes over: at least so many invocations, or so many workgroups. */
export type Extent = { readonly threads: number } | { readonly workgroups: number };

/**
 * What a kernel is given, by the names of its variables: values for the struct of a uniform variable,
 * a buffer for each of the others, or `undefined` where there is nothing to read. What an entry point
 * does not reach may be given all the same, so that the kernels of one text can share a list.
 */
export type Bindings = Readonly<Record<string, GPUBuffer | WgslValues | undefined>>;

/** Launches a kernel over the buffers it is bound to, with the values of its uniform variables. */
export type BoundKernel = (
  over: Extent,
  values: Readonly<Record<string, WgslValues>>,
) => void;

/** A variable that a kernel reaches, and how its type lies in memory. */
interface Reached extends BufferVariable {
  readonly layout: TypeLayout;
}

/** An entry point, compiled. */
interface Kernel {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** In the order of their bindings. */
  readonly reached: readonly Reached[];
  readonly threads: number;
  /** Buffers in its places that it was launched with, by their numbers; the oldest goes first. */
  readonly groups: Map<string, GPUBindGroup>;
}

/** Groups of buffers that are kept for a kernel. */
const MOST_GROUPS = 256;

const numbers = new WeakMap<GPUBuffer, number>();
let numbered = 0;

/** Tells buffers apart. */
function numberOf(buffer: GPUBuffer): number {
  let number = numbers.get(buffer);
  if (number === undefined) numbers.set(buffer, number = ++numbered);
  return number;
}

const known = new WeakMap<GPUDevice, Map<string, Kernels>>();

/**
 * See the module.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Kernels } from "./kernels.ts";
 * import { Workbench } from "./workbench.ts";
 *
 * const scaling = `
 *   struct Job { factor: f32, count: u32 }
 *   @group(0) @binding(2) var<storage, read_write> numbers: array<f32>;
 *   @compute @workgroup_size(workgroup_threads)
 *   fn scale(@builtin(global_invocation_id) id: vec3u) {
 *     if (id.x < job.count) { numbers[id.x] *= job.factor; }
 *   }`;
 * const device = await (await navigator.gpu?.requestAdapter())?.requestDevice();
 * if (device !== undefined) {
 *   const bench = Workbench.of(device);
 *   const numbers = bench.buffer("numbers", Float32Array.of(1, 2, 3));
 *   Kernels.of(device, "scaling", [scaling]).run("scale", { threads: 3 }, {
 *     job: { count: 3, factor: 2.5 },
 *     numbers,
 *   });
 *   const words = await bench.read([{ buffer: numbers, at: 0, words: 3 }]);
 *   assertEquals([...new Float32Array(words.buffer)], [2.5, 5, 7.5]);
 *   device.destroy();
 * }
 * ```
 */
export class Kernels {
  readonly #bench: Workbench;
  readonly #name: string;
  readonly #code: string;
  readonly #constants: Record<string, number>;
  readonly #declarations: WgslDeclarations;
  readonly #layouts = new Map<string, TypeLayout>();
  readonly #kernels = new Map<string, Kernel>();
  #module: GPUShaderModule | undefined;

  private constructor(
    device: GPUDevice,
    name: string,
    code: string,
    constants: Record<string, number>,
  ) {
    this.#bench = Workbench.of(device);
    this.#name = name;
    this.#code = code;
    this.#constants = constants;
    this.#declarations = new WgslDeclarations(code);
  }

  /**
   * The kernels of a text; compiled once per device, each when it is first launched.
   *
   * @param name what the kernels are called in errors
   * @param texts WGSL, put together in this order behind the frame
   * @param constants values of the texts' `override` declarations
   */
  static of(
    device: GPUDevice,
    name: string,
    texts: readonly string[],
    constants: Readonly<Record<string, number | boolean>> = {},
  ): Kernels {
    const code = enablesFirst([frame, ...texts].join("\n"));
    const numbers = Object.fromEntries(Object.entries(constants).map(([k, v]) => [k, Number(v)]));
    const key = JSON.stringify(numbers) + code;
    let ofDevice = known.get(device);
    if (ofDevice === undefined) known.set(device, ofDevice = new Map());
    let kernels = ofDevice.get(key);
    if (kernels === undefined) {
      ofDevice.set(key, kernels = new Kernels(device, name, code, numbers));
    }
    return kernels;
  }

  /**
   * Launches an entry point.
   *
   * @param held buffers to be bound where `bindings` says nothing, as far as they are reached
   * @returns whether there was anything to go over
   */
  run(
    entryPoint: string,
    over: Extent,
    bindings: Bindings,
    held: Readonly<Record<string, GPUBuffer>> = {},
  ): boolean {
    if (("threads" in over ? over.threads : over.workgroups) === 0) return false;
    for (const name of Object.keys(bindings)) {
      if (!this.#declarations.buffers.has(name)) throw this.#unknown(name);
    }
    const given: Bindings = { ...held, ...bindings };
    const { reached } = this.#kernel(entryPoint);
    const missing = reached.find(({ name }) => !(name in given));
    if (missing !== undefined) {
      throw new InternalError(
        `Kernel ${entryPoint} of ${this.#name} is launched without its buffer "${missing.name}"`,
      );
    }
    this.bind(entryPoint, given)(over, given as Readonly<Record<string, WgslValues>>);
    return true;
  }

  /**
   * An entry point over some buffers, for kernels that are launched again and again over the same
   * ones.
   *
   * @returns launches it with the values of its uniform variables
   */
  bind(entryPoint: string, buffers: Bindings): BoundKernel {
    const kernel = this.#kernel(entryPoint);
    const { pipeline, reached, threads } = kernel;
    const group = this.#group(
      kernel,
      reached.map((variable) =>
        variable.access === "uniform"
          ? { buffer: this.#bench.parameters, size: variable.layout.size }
          : { buffer: this.#bound(variable, buffers[variable.name]) }
      ),
    );
    const uniform = reached.filter(({ access }) => access === "uniform");
    return (over, values) => {
      const workgroups = "threads" in over ? Math.ceil(over.threads / threads) : over.workgroups;
      const rows = Math.ceil(workgroups / MOST_WORKGROUPS);
      this.#bench.launch({
        pipeline,
        group,
        blocks: uniform.map((variable) => written(variable, values[variable.name]!)),
        workgroups: [Math.ceil(workgroups / rows), rows],
      });
    };
  }

  /** Buffers in the places of a kernel, the same group for the same buffers. */
  #group({ layout, reached, groups }: Kernel, bound: readonly GPUBufferBinding[]): GPUBindGroup {
    const key = bound.map(({ buffer }) => numberOf(buffer)).join();
    const known = groups.get(key);
    if (known !== undefined) return known;
    const entries = bound.map((resource, i) => ({ binding: reached[i]!.binding, resource }));
    const group = this.#bench.device.createBindGroup({ layout, entries });
    if (groups.size === MOST_GROUPS) groups.delete(groups.keys().next().value!);
    groups.set(key, group);
    return group;
  }

  /** Invocations of a workgroup of an entry point. */
  workgroupThreads(entryPoint: string): number {
    return this.#declarations.workgroupThreads(entryPoint);
  }

  /** Whether an entry point reaches a variable. */
  reaches(entryPoint: string, variable: string): boolean {
    return this.#kernel(entryPoint).reached.some(({ name }) => name === variable);
  }

  /** What a buffer has to hold for a variable to have a value: a struct's, or a list for an array. */
  contents(variable: string, value: WgslValue): Uint32Array<ArrayBuffer> {
    const layout = this.#layoutOf(variable);
    const bytes = layout.stride === undefined
      ? layout.size
      : layout.stride * (value as readonly WgslValue[]).length;
    const view = new DataView(new ArrayBuffer(bytes));
    layout.write(view, 0, value, `Variable "${variable}"`);
    return new Uint32Array(view.buffer);
  }

  /** Words from one element of an array variable to the next. */
  elementWords(variable: string): number {
    const { stride } = this.#layoutOf(variable);
    if (stride === undefined) throw new InternalError(`Variable "${variable}" is not an array`);
    return stride / 4;
  }

  #kernel(entryPoint: string): Kernel {
    let kernel = this.#kernels.get(entryPoint);
    if (kernel === undefined) this.#kernels.set(entryPoint, kernel = this.#compile(entryPoint));
    return kernel;
  }

  #compile(entryPoint: string): Kernel {
    const { device } = this.#bench;
    const label = `${this.#name} ${entryPoint}`;
    const threads = this.workgroupThreads(entryPoint);
    const reached = this.#declarations.reachedBy(entryPoint)
      .map((variable) => ({ ...variable, layout: this.#layoutOf(variable.name) }))
      .sort((a, b) => a.binding - b.binding);
    const layout = device.createBindGroupLayout({
      label,
      entries: reached.map(({ binding, access }) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: BUFFER_LAYOUTS[access],
      })),
    });
    this.#module ??= device.createShaderModule({ label: this.#name, code: this.#code });
    const pipeline = device.createComputePipeline({
      label,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: this.#module, entryPoint, constants: this.#constants },
    });
    return { pipeline, layout, reached, threads, groups: new Map() };
  }

  #layoutOf(name: string): TypeLayout {
    let layout = this.#layouts.get(name);
    if (layout === undefined) {
      const variable = this.#declarations.buffers.get(name);
      if (variable === undefined) throw this.#unknown(name);
      layout = layoutOf(variable.type, this.#declarations);
      this.#layouts.set(name, layout);
    }
    return layout;
  }

  #unknown(name: string): InternalError {
    return new InternalError(`The kernels of ${this.#name} have no buffer "${name}"`);
  }

  #bound({ name, access }: BufferVariable, given: Bindings[string]): GPUBuffer {
    if (given instanceof GPUBuffer) return given;
    if (given === undefined && access === "read") return this.#bench.nothing;
    throw new InternalError(`Variable "${name}" of ${this.#name} is given no buffer`);
  }
}

/** WGSL wants what a text enables ahead of everything else. */
function enablesFirst(text: string): string {
  const enable = /^enable \w+;$/gm;
  return [...new Set(text.match(enable)), text.replace(enable, "")].join("\n");
}

const BUFFER_LAYOUTS = {
  uniform: { type: "uniform", hasDynamicOffset: true },
  read: { type: "read-only-storage" },
  read_write: { type: "storage" },
} as const satisfies Record<BufferVariable["access"], GPUBufferBindingLayout>;

/** A uniform variable's bytes. */
function written({ name, layout }: Reached, values: WgslValues): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(layout.size));
  layout.write(view, 0, values, `Variable "${name}"`);
  return new Uint8Array(view.buffer);
}
