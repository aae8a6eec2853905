/**
 * The store of one layer and kind under a quantizer in the tensor form. It stores nothing: of each
 * snapshot there is what was restored, and the bits that are claimed of it.
 *
 * @module
 */
import type { BufferContents, Source, Store, StoredBuffer } from "../../quant/family.ts";
import type { Backend, CpuTensor, KvShape, TokenRange } from "../../quant/tensor.ts";
import type { TensorResult } from "./tensor_process.ts";
import type { TensorReader, TensorSession } from "./tensor_session.ts";

/** A store over tensors of any backend. */
export class TensorStore<T extends KvShape> implements Store<T>, TensorReader {
  readonly sizesNeedSettle = true;
  // What the quantizer remembers of earlier steps is part of it.
  readonly carriesState = true;
  quantized: TokenRange = { from: 0, to: 0 };
  readonly #session: TensorSession;
  readonly #bytes = new Map<number, number>();
  #last: TensorResult | undefined;
  #real: Promise<CpuTensor> | undefined;

  constructor(
    private readonly backend: Pick<Backend<T>, "read" | "upload" | "copy" | "free">,
    private readonly source: Source<T>,
    sessionFor: (reader: TensorReader) => TensorSession,
  ) {
    this.#session = sessionFor(this);
  }

  get layer(): number {
    return this.source.layer;
  }

  get kind(): Source<T>["kind"] {
    return this.source.kind;
  }

  get promptTokens(): number {
    return this.source.promptTokens;
  }

  /** Every step restores the whole cache anew. */
  rewrites(n: number): boolean {
    return n !== this.quantized.to;
  }

  grow(n: number): void {
    this.quantized = { from: 0, to: n };
    this.#session.add({
      reader: this,
      tokens: n,
      take: (result) => {
        this.#last = result;
        this.#bytes.set(n, result.restored.length * result.bits / 8);
      },
    });
  }

  restore(target: T): void {
    if (this.#last === undefined) return;
    const { heads, headDim } = target;
    const { to } = this.quantized;
    const whole = this.backend.upload(this.#last.restored, { heads, capacity: to, headDim });
    this.backend.copy(whole, 0, to, target, 0);
    this.backend.free(whole);
  }

  settle(): Promise<void> {
    return this.#session.settle();
  }

  buffers(n: number): readonly StoredBuffer[] {
    return [{ role: "claimed", bytes: this.#bytes.get(n) ?? 0 }];
  }

  /** There is nothing to read back; the size is the claim. */
  contents(): Promise<readonly BufferContents[]> {
    const bytes = this.#bytes.get(this.quantized.to) ?? 0;
    return Promise.resolve([{ role: "claimed", words: new Uint32Array(0), bytes }]);
  }

  free(): void {
    this.#last = undefined;
    this.#real = undefined;
  }

  readonly real = (): Promise<CpuTensor> => this.#real ??= this.#read(this.source.tensor);

  queries(): Promise<CpuTensor> {
    return this.#read(this.source.queries!);
  }

  async preRope(): Promise<{ keys: CpuTensor; cos: CpuTensor; sin: CpuTensor }> {
    const { preRope, rope } = this.source;
    return {
      keys: await this.#read(preRope!),
      cos: await this.#read(rope!.cos),
      sin: await this.#read(rope!.sin),
    };
  }

  async #read(tensor: T): Promise<CpuTensor> {
    const { heads, capacity, headDim } = tensor;
    return { heads, capacity, headDim, data: await this.backend.read(tensor) };
  }
}
