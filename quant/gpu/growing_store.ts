/**
 * A store whose tokens are quantized once, in their order, as the quantized range moves on: what is
 * left to a family is how some tokens are quantized and restored, and which buffers that takes.
 *
 * Growing only notes how far. All tokens that the range has moved over since are quantized by one
 * launch when something asks for them: a kernel of the store, `settle` or `contents`.
 *
 * @module
 */
import type { BufferContents, Settings, Source, Store, StoredBuffer } from "../family.ts";
import type { GpuTensor, TokenRange } from "../tensor.ts";
import { DeviceStore } from "./device_store.ts";
import type { Bindings, Extent, Kernels } from "./kernels.ts";
import type { Words } from "./workbench.ts";

/** See the module. */
export abstract class GrowingStore<S extends Settings, Role extends string>
  extends DeviceStore<Role>
  implements Store<GpuTensor> {
  /** Tokens of the last snapshot. */
  protected length = 0;
  #quantized: TokenRange;
  /** Tokens that the device has been told to quantize. */
  #reached = 0;

  /**
   * @param rangeOf which tokens of a snapshot are quantized (`Family.quantizedRange`)
   * @param memory words of room of each buffer, or its contents
   */
  constructor(
    device: GPUDevice,
    protected readonly source: Source<GpuTensor>,
    protected readonly settings: S,
    private readonly rangeOf: (settings: S, n: number) => TokenRange,
    memory: Readonly<Record<Role, number | Words>>,
  ) {
    super(device, source, memory);
    this.#quantized = rangeOf(settings, 0);
  }

  get quantized(): TokenRange {
    return this.#quantized;
  }

  rewrites(): boolean {
    return false;
  }

  grow(n: number): void {
    this.length = n;
    this.#quantized = this.rangeOf(this.settings, n);
  }

  override free(): void {
    // What was put off is not wanted any more.
    this.#reached = Infinity;
    super.free();
  }

  abstract restore(target: GpuTensor): void;
  abstract buffers(n: number): readonly StoredBuffer[];
  abstract contents(): Promise<readonly BufferContents[]>;

  /** Quantizes the tokens `first .. first + tokens - 1`, counted from the first quantized one. */
  protected abstract quantize(first: number, tokens: number): void;

  protected override run(
    kernels: Kernels,
    entryPoint: string,
    over: Extent,
    bindings: Bindings,
  ): void {
    this.catchUp();
    super.run(kernels, entryPoint, over, bindings);
  }

  protected override used(
    declared: readonly StoredBuffer[],
    elsewhere?: Readonly<Record<string, GPUBuffer>>,
  ): Promise<BufferContents[]> {
    this.catchUp();
    return super.used(declared, elsewhere);
  }

  /** Quantizes what the range has moved over. */
  protected override catchUp(): void {
    const first = this.#reached;
    if (this.tokens <= first) return;
    // At once, since quantizing launches kernels of the store.
    this.#reached = this.tokens;
    this.quantize(first, this.tokens - first);
  }

  /** Tokens that are quantized now. */
  protected get tokens(): number {
    return this.#quantized.to - this.#quantized.from;
  }

  /** Tokens of a snapshot of `n` tokens that are quantized. */
  protected tokensAt(n: number): number {
    const { from, to } = this.rangeOf(this.settings, n);
    return to - from;
  }
}
