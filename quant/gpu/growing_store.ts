/**
 * A store whose tokens are quantized once, in their order, as the quantized range moves on: what is
 * left to a family is how some tokens are quantized and restored, and which buffers that takes.
 *
 * @module
 */
import type { BufferContents, Settings, Source, Store, StoredBuffer } from "../family.ts";
import type { GpuTensor, TokenRange } from "../tensor.ts";
import { DeviceStore } from "./device_store.ts";
import type { Words } from "./workbench.ts";

/** See the module. */
export abstract class GrowingStore<S extends Settings, Role extends string>
  extends DeviceStore<Role>
  implements Store<GpuTensor> {
  /** Tokens of the last snapshot. */
  protected length = 0;
  #quantized: TokenRange;

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
    const first = this.tokens;
    this.length = n;
    this.#quantized = this.rangeOf(this.settings, n);
    if (this.tokens > first) this.quantize(first, this.tokens - first);
  }

  abstract restore(target: GpuTensor): void;
  abstract buffers(n: number): readonly StoredBuffer[];
  abstract contents(): Promise<readonly BufferContents[]>;

  /** Quantizes the tokens `first .. first + tokens - 1`, counted from the first quantized one. */
  protected abstract quantize(first: number, tokens: number): void;

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
