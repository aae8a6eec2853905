/**
 * The commands of a run of the model, as they went to the device.
 *
 * @module
 */

/** A buffer of a command: one that stays, an input by its number, or what the runtime wrote, by its place. */
export type Place = GPUBuffer | { readonly input: number } | { readonly written: number };

/** A binding of a kernel. */
export interface Binding {
  readonly binding: number;
  readonly place: Place;
  readonly offset: number;
  /** Bytes; absent for all of the buffer. */
  readonly size: number | undefined;
}

/** A launch of a kernel. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly bindings: readonly Binding[];
  readonly workgroups: readonly [number, number, number];
}

/** A copy from buffer to buffer. */
export interface Copy {
  readonly from: Place;
  readonly fromOffset: number;
  readonly to: Place;
  readonly toOffset: number;
  readonly size: number;
}

/** A launch or a copy. */
export type Command = Dispatch | Copy;

/** An output of a run. */
export interface OutputBuffer {
  readonly buffer: GPUBuffer;
  readonly dims: readonly number[];
  /** Bytes of it that are the output. */
  readonly bytes: number;
}

/** Outputs by their names. */
export type OutputBuffers = Readonly<Record<string, OutputBuffer>>;

/** A run as it was written down. */
export interface Script {
  readonly commands: readonly Command[];
  readonly written: readonly Uint8Array<ArrayBuffer>[];
  readonly outputs: OutputBuffers;
}

/** The buffers that a command names. */
export function placesOf(command: Command): Place[] {
  return "pipeline" in command
    ? command.bindings.map(({ place }) => place)
    : [command.from, command.to];
}

/** Whether two runs gave the same commands, over whatever memory. */
export function alike(a: Script, b: Script): boolean {
  return a.commands.length === b.commands.length &&
    a.commands.every((command, i) => sameCommand(command, b.commands[i]!, a, b)) &&
    JSON.stringify(sizesOf(a)) === JSON.stringify(sizesOf(b));
}

function sizesOf({ outputs }: Script) {
  return Object.entries(outputs).map(([name, { dims, bytes }]) => [name, dims, bytes]);
}

function sameCommand(a: Command, b: Command, of: Script, other: Script): boolean {
  const same = (x: Place, y: Place) => samePlace(x, y, of, other);
  if ("pipeline" in a) {
    return "pipeline" in b && a.pipeline === b.pipeline &&
      a.workgroups.every((count, i) => count === b.workgroups[i]) &&
      a.bindings.length === b.bindings.length &&
      a.bindings.every((binding, i) => {
        const { binding: number, place, offset, size } = b.bindings[i]!;
        return binding.binding === number && binding.offset === offset && binding.size === size &&
          same(binding.place, place);
      });
  }
  return "from" in b && a.size === b.size && a.fromOffset === b.fromOffset &&
    a.toOffset === b.toOffset && same(a.from, b.from) && same(a.to, b.to);
}

function samePlace(a: Place, b: Place, of: Script, other: Script): boolean {
  if ("input" in a) return "input" in b && a.input === b.input;
  if ("written" in a) {
    if (!("written" in b)) return false;
    const [x, y] = [of.written[a.written]!, other.written[b.written]!];
    return x.length === y.length && x.every((byte, i) => byte === y[i]);
  }
  return !("input" in b) && !("written" in b) && a.size === b.size;
}
