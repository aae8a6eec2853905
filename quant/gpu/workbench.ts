/**
 * The workbench of a device: the one place where buffers are made and freed, where data goes to the
 * device and comes back, and where work is submitted.
 *
 * Everything that others submit to the same queue (the model's runtime does) keeps its order with what
 * is done here, because nothing is put off: outside of `batch` every operation is submitted as it is
 * called. Inside a batch operations are recorded, one behind the other, and submitted together when
 * the outermost batch ends. Each sees what those before it wrote.
 *
 * Parameters of kernels change with every launch, and a buffer of its own for each would cost more
 * than most launches. They lie instead in slots of one uniform buffer: a batch collects its parameter
 * blocks in cpu memory, and they are written in one go before the batch is submitted. The device runs
 * writes and submissions in their order, so that the next batch may use the same slots again; only a
 * batch with more blocks than there are slots is submitted in pieces.
 *
 * A buffer that is freed inside a batch may still be in what the batch recorded, so it is destroyed
 * behind the submission. Small ones are not destroyed but cleared and used again: wgpu looks through
 * as many places as there are buffers whenever something is bound, recorded or submitted, and one that
 * is destroyed keeps its place until JavaScript collects what stands for it, which it hardly does.
 *
 * WebGPU neither binds an empty buffer nor one that is smaller than an
 * element of its array: no buffer here is smaller than `SMALLEST`, and where a kernel has nothing to
 * read, `nothing` is bound.
 *
 * @module
 */
import { UserError } from "../../errors.ts";

/** Bytes of the smallest buffer: any element of any kernel's arrays fits. */
const SMALLEST = 64;

/** Bytes of the largest buffer that is used again, and of all that wait for it. */
const LARGEST_SPARE = 2 ** 22;
const MOST_SPARE = 2 ** 27;

/** Parameter blocks of one submission: the device has begun with the first when the last is recorded. */
const SLOTS = 64;

/** Bytes that are taken at once to find out whether there are so many. */
const TAKEN_AT_ONCE = 2 ** 28;

/** Words that are brought back together at most. */
const MOST_READ_TOGETHER = 1 << 22;

/** How much larger a buffer is made than what it has to hold when it has to grow. */
const ROOM = 1.0625;

/** 32-bit words, as numbers of either kind. */
export type Words = Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/** Some words of a buffer. */
export interface WordRegion {
  readonly buffer: GPUBuffer;
  /** First word. */
  readonly at: number;
  readonly words: number;
}

/** Workgroups of a kernel, and what they are given. */
export interface Launch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  /** Its parameter blocks, in the order of their bindings, each of which is `parameters`. */
  readonly blocks: readonly Uint8Array[];
  readonly workgroups: readonly [number, number];
}

/** Words that somebody waits for. */
interface AskedRead {
  readonly regions: readonly WordRegion[];
  readonly words: number;
  readonly resolve: (words: Uint32Array<ArrayBuffer>) => void;
  readonly reject: (reason: unknown) => void;
}

const benches = new WeakMap<GPUDevice, Workbench>();

/** See the module. */
export class Workbench {
  readonly device: GPUDevice;
  readonly #slot: number;
  readonly #blocks: Uint8Array<ArrayBuffer>;
  #usedSlots = 0;
  #parameters: GPUBuffer | undefined;
  #nothing: GPUBuffer | undefined;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #depth = 0;
  /** Freed buffers, to be destroyed behind the next submission, or to be cleared by it. */
  #discarded: GPUBuffer[] = [];
  #cleared: GPUBuffer[] = [];
  /** Those to be cleared, and those that are. */
  readonly #freed = new WeakSet<GPUBuffer>();
  /** Cleared buffers by their sizes, what was not wanted for longest first, and the bytes of all. */
  readonly #spare = new Map<number, GPUBuffer[]>();
  #spareBytes = 0;
  #asked: AskedRead[] = [];
  /** Into which the last words came back, for the next. */
  #staging: GPUBuffer | undefined;
  /** Buffers that were made here and are not freed yet, and their number. */
  readonly #made = new WeakSet<GPUBuffer>();
  #live = 0;
  /** What there was no memory for, if anything: from then on nothing comes out right. */
  #exhausted: string | undefined;
  /** Buffers that stores share, by what they were made for. */
  #shared = new WeakMap<object, Readonly<Record<string, GPUBuffer>>>();
  readonly #allShared = new Set<GPUBuffer>();
  readonly #outlived = new FinalizationRegistry<readonly GPUBuffer[]>((buffers) => {
    for (const buffer of buffers) this.#allShared.delete(buffer);
    this.free(...buffers);
  });

  private constructor(device: GPUDevice) {
    this.device = device;
    this.#slot = device.limits.minUniformBufferOffsetAlignment;
    this.#blocks = new Uint8Array(SLOTS * this.#slot);
  }

  /** The one of a device. */
  static of(device: GPUDevice): Workbench {
    let bench = benches.get(device);
    if (bench === undefined) benches.set(device, bench = new Workbench(device));
    return bench;
  }

  /** How many buffers there are. */
  get live(): number {
    return this.#live;
  }

  /** Bytes of the largest buffer that a kernel can be given. */
  get largestBinding(): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.device.limits;
    return Math.min(maxStorageBufferBindingSize, maxBufferSize);
  }

  /** A buffer of zeros with room for so many words or somewhat more, or one that holds `contents`. */
  buffer(label: string, contents: number | Words): GPUBuffer {
    const size = typeof contents === "number"
      ? roomFor(4 * contents)
      : Math.max(SMALLEST, contents.byteLength);
    const buffer = this.#takeSpare(size) ?? this.#create(label, size);
    this.#made.add(buffer);
    this.#live++;
    if (typeof contents !== "number") this.write(buffer, 0, contents);
    return buffer;
  }

  #create(label: string, size: number): GPUBuffer {
    // The scope answers before anything that is read comes back.
    this.device.pushErrorScope("out-of-memory");
    const buffer = this.device.createBuffer({
      label,
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    this.device.popErrorScope().then(
      (error) => {
        if (error !== null) this.#exhausted ??= `${size} bytes (${label})`;
      },
      // A device that is lost answers nothing; what is read from it says so.
      () => {},
    );
    return buffer;
  }

  /**
   * How many of so many bytes the device still has. Nothing tells how much memory it has, so they are
   * taken, and given back at once.
   */
  async available(bytes: number): Promise<number> {
    const { device } = this;
    this.#destroySpare();
    let most = Math.min(TAKEN_AT_ONCE, device.limits.maxBufferSize, bytes);
    // What is less than that is not looked for.
    const least = Math.max(SMALLEST, most / 64);
    const taken: GPUBuffer[] = [];
    let had = 0;
    try {
      while (had < bytes && most >= least) {
        const size = Math.max(SMALLEST, 4 * Math.ceil(Math.min(most, bytes - had) / 4));
        device.pushErrorScope("out-of-memory");
        const buffer = device.createBuffer({ label: "room", size, usage: GPUBufferUsage.STORAGE });
        taken.push(buffer);
        if (await device.popErrorScope() === null) {
          had += size;
        } else {
          taken.pop()!.destroy();
          most /= 2;
        }
      }
    } finally {
      for (const buffer of taken) buffer.destroy();
    }
    return Math.min(had, bytes);
  }

  /** A buffer of zeros, for kernels that have nothing to read in the place of one. */
  get nothing(): GPUBuffer {
    return this.#nothing ??= this.buffer("nothing", 0);
  }

  /**
   * A buffer that holds the first `held` words of another and has room for `words`: the other one
   * itself if it has, else a new one, and the other is freed.
   */
  grown(buffer: GPUBuffer, held: number, words: number, room: number = ROOM): GPUBuffer {
    if (4 * words <= buffer.size) return buffer;
    const larger = this.buffer(buffer.label, Math.ceil(room * words));
    this.copy(buffer, 0, larger, 0, held);
    this.free(buffer);
    return larger;
  }

  /**
   * Buffers that belong to `key` (settings, tables) and not to one store: made once, and kept as long
   * as the key is.
   */
  shared<T extends Readonly<Record<string, GPUBuffer>>>(key: object, make: () => T): T {
    let found = this.#shared.get(key) as T | undefined;
    if (found === undefined) {
      const buffers = Object.values(found = make());
      this.#shared.set(key, found);
      this.#outlived.register(key, buffers, this);
      for (const buffer of buffers) this.#allShared.add(buffer);
    }
    return found;
  }

  /** Frees buffers, at the latest when what was recorded is submitted. */
  free(...buffers: readonly GPUBuffer[]): void {
    for (const buffer of buffers) {
      if (this.#freed.has(buffer)) continue;
      const known = this.#made.delete(buffer);
      if (known) this.#live--;
      if (known && buffer.size <= LARGEST_SPARE) {
        this.#freed.add(buffer);
        this.#cleared.push(buffer);
      } else {
        this.#discarded.push(buffer);
      }
    }
    if (this.#depth === 0) this.#destroyDiscarded();
  }

  /** Submits everything that `body` does together. */
  batch<T>(body: () => T): T {
    this.#depth++;
    try {
      return body();
    } finally {
      if (--this.#depth === 0) {
        this.#submit();
        this.#destroyDiscarded();
      }
    }
  }

  /** Copies words from one buffer to another. */
  copy(source: GPUBuffer, from: number, target: GPUBuffer, to: number, words: number): void {
    if (words === 0) return;
    this.batch(() => {
      this.#endPass();
      this.#recorder.copyBufferToBuffer(source, 4 * from, target, 4 * to, 4 * words);
    });
  }

  /** The buffer that every uniform variable is bound to, at an offset of its own. */
  get parameters(): GPUBuffer {
    return this.#parameters ??= this.device.createBuffer({
      label: "parameters",
      size: this.#blocks.length,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
  }

  /** Launches a kernel. */
  launch({ pipeline, group, blocks, workgroups }: Launch): void {
    this.batch(() => {
      if (this.#usedSlots + blocks.length > SLOTS) this.#submit();
      const offsets = blocks.map((block) => {
        const offset = this.#slot * this.#usedSlots++;
        this.#blocks.set(block, offset);
        return offset;
      });
      const pass = this.#pass ??= this.#recorder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group, offsets);
      pass.dispatchWorkgroups(...workgroups);
    });
  }

  /**
   * The words of some regions in cpu memory, one region after the other. A round trip costs more than
   * what it carries, so what is asked for in one turn comes back by the same one: the regions are to
   * stay until then. Inside a batch they are as they are where this is called.
   */
  read(regions: readonly WordRegion[]): Promise<Uint32Array<ArrayBuffer>> {
    const words = regions.reduce((sum, region) => sum + region.words, 0);
    if (words === 0) return Promise.resolve(new Uint32Array(0));
    if (this.#depth > 0) return this.#bring(regions, words);
    return new Promise((resolve, reject) => {
      this.#asked.push({ regions, words, resolve, reject });
      if (this.#asked.length === 1) queueMicrotask(() => this.#bringAsked());
    });
  }

  /** Brings everything that was asked for in this turn. */
  async #bringAsked(): Promise<void> {
    const waiting = this.#asked.splice(0);
    while (waiting.length > 0) {
      let words = waiting[0]!.words;
      let count = 1;
      while (count < waiting.length && words + waiting[count]!.words <= MOST_READ_TOGETHER) {
        words += waiting[count++]!.words;
      }
      const reads = waiting.splice(0, count);
      try {
        const all = await this.#bring(reads.flatMap(({ regions }) => regions), words);
        let at = 0;
        for (const { words, resolve } of reads) {
          resolve(reads.length === 1 ? all : all.slice(at, at += words));
        }
      } catch (error) {
        for (const { reject } of reads) reject(error);
      }
    }
  }

  async #bring(
    regions: readonly WordRegion[],
    words: number,
  ): Promise<Uint32Array<ArrayBuffer>> {
    let staging: GPUBuffer | undefined;
    let whole = false;
    try {
      const target = staging = this.#takeStaging(4 * words);
      this.batch(() => {
        let to = 0;
        for (const { buffer, at, words } of regions) {
          this.copy(buffer, at, target, to, words);
          to += words;
        }
      });
      // A batch that this is in is over then, and submitted.
      await Promise.resolve();
      await staging.mapAsync(GPUMapMode.READ, 0, 4 * words);
      const came = new Uint32Array(staging.getMappedRange(0, 4 * words).slice(0));
      staging.unmap();
      whole = true;
      if (this.#exhausted === undefined) return came;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new UserError(
        `The GPU gave nothing back (${reason}): its driver started anew, or it was taken away; run again, or use --device cpu`,
      );
    } finally {
      if (whole && this.#staging === undefined) this.#staging = staging;
      else staging?.destroy();
    }
    throw new UserError(
      `The GPU has no memory left for ${this.#exhausted}: use --precision float16, shorter prompts, a smaller model or --device cpu`,
    );
  }

  /** A buffer that can be mapped, the kept one if it is large enough. */
  #takeStaging(bytes: number): GPUBuffer {
    const kept = this.#staging;
    this.#staging = undefined;
    if (kept !== undefined && kept.size >= bytes) return kept;
    kept?.destroy();
    return this.device.createBuffer({
      label: "read back",
      size: bytes,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
  }

  /**
   * Frees the buffers that are kept for several stores or launches. No store may be open; what is
   * needed afterwards is made again.
   */
  close(): void {
    this.#outlived.unregister(this);
    this.free(...this.#allShared);
    this.#allShared.clear();
    this.#shared = new WeakMap();
    if (this.#nothing !== undefined) this.free(this.#nothing);
    this.#destroySpare();
    this.#parameters?.destroy();
    this.#staging?.destroy();
    this.#nothing = this.#parameters = this.#staging = undefined;
  }

  get #recorder(): GPUCommandEncoder {
    return this.#encoder ??= this.device.createCommandEncoder();
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }

  #submit(): void {
    if (this.#encoder === undefined) return;
    this.#endPass();
    this.#clearFreed(this.#encoder);
    if (this.#usedSlots > 0) {
      this.write(this.parameters, 0, this.#blocks.subarray(0, this.#slot * this.#usedSlots));
      this.#usedSlots = 0;
    }
    this.device.queue.submit([this.#encoder.finish()]);
    this.#encoder = undefined;
  }

  #destroyDiscarded(): void {
    for (const buffer of this.#discarded.splice(0)) buffer.destroy();
  }

  /** Clears what was freed behind all that may still use it, and keeps it as far as there is room. */
  #clearFreed(encoder: GPUCommandEncoder): void {
    for (const buffer of this.#cleared.splice(0)) {
      encoder.clearBuffer(buffer);
      this.#spareBytes += buffer.size;
      this.#sparesOf(buffer.size).push(buffer);
    }
    for (const [size, alike] of this.#spare) {
      while (this.#spareBytes > MOST_SPARE && alike.length > 0) {
        this.#spareBytes -= size;
        this.#discarded.push(alike.shift()!);
      }
      if (alike.length > 0) break;
      this.#spare.delete(size);
    }
  }

  /** Those of a size, which is the one that was wanted last from here on. */
  #sparesOf(size: number): GPUBuffer[] {
    const alike = this.#spare.get(size) ?? [];
    this.#spare.delete(size);
    this.#spare.set(size, alike);
    return alike;
  }

  /** In turn, so that steps that do the same are given the same buffers. */
  #takeSpare(size: number): GPUBuffer | undefined {
    const buffer = this.#sparesOf(size).shift();
    if (buffer === undefined) return undefined;
    this.#spareBytes -= size;
    this.#freed.delete(buffer);
    return buffer;
  }

  #destroySpare(): void {
    const freed = [...this.#cleared.splice(0), ...[...this.#spare.values()].flat()];
    for (const buffer of freed) buffer.destroy();
    this.#spare.clear();
    this.#spareBytes = 0;
  }

  /**
   * The only way that data takes to the device: ahead of what a batch has recorded so far.
   *
   * @param at first byte
   */
  write(buffer: GPUBuffer, at: number, data: Words | Uint8Array<ArrayBuffer>): void {
    // Deno 2.9.6 aborts when it is asked to write nothing.
    if (data.length > 0) this.device.queue.writeBuffer(buffer, at, data);
  }
}

/** Bytes of a buffer that has room for so many: small ones come in four sizes to a doubling. */
function roomFor(bytes: number): number {
  const least = Math.max(SMALLEST, bytes);
  if (least > LARGEST_SPARE) return least;
  const step = 2 ** (Math.floor(Math.log2(least)) - 2);
  return step * Math.ceil(least / step);
}
