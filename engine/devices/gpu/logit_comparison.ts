/**
 * Comparing logits with a reference's where they are: bringing them to the host takes several times as
 * long as computing them.
 *
 * @module
 */
import { Kernels } from "../../../quant/gpu/kernels.ts";
import { Workbench } from "../../../quant/gpu/workbench.ts";
import type { KvShape } from "../../../quant/tensor.ts";
import type { ComparedRow, ForwardInput, ForwardOutput, ReferenceRows } from "../../engine.ts";
import compareText from "./compare.wgsl" with { type: "text" };
import type { Logits } from "./decoder.ts";

/** Logits that a workgroup looks at. */
const PART = 4096;

/** Words of `Compared`. */
const WORDS = 6;

/** See the module. */
export class LogitComparison {
  readonly #bench: Workbench;
  readonly #kernels: Kernels;
  readonly #parts: number;
  /** The reference that was asked for last, and its logits on the device. */
  #reference: { readonly logits: Float32Array; readonly buffer: GPUBuffer } | undefined;

  constructor(device: GPUDevice, private readonly vocab: number) {
    this.#bench = Workbench.of(device);
    this.#kernels = Kernels.of(device, "logits", [compareText]);
    this.#parts = Math.ceil(vocab / PART);
  }

  /** Whether there is room for a reference. */
  takes({ logits }: ReferenceRows): boolean {
    return logits.byteLength <= this.#bench.largestBinding;
  }

  /** What a pass comes to: its logits on the host, or what a comparison that was asked for says. */
  async answer(
    { logits: rows, against }: Pick<ForwardInput<KvShape>, "logits" | "against">,
    logits: Logits,
  ): Promise<Pick<ForwardOutput<KvShape>, "logits" | "compared">> {
    if (against !== undefined && this.takes(against)) {
      return { logits: new Float32Array(), compared: await this.compare(logits, against) };
    }
    const { buffer, stride } = logits;
    const words = await this.#bench.read(
      Array.from({ length: rows }, (_, row) => ({ buffer, at: row * stride, words: this.vocab })),
    );
    return { logits: new Float32Array(words.buffer) };
  }

  /** Compares the rows of a pass, in their order. */
  async compare({ buffer, stride }: Logits, against: ReferenceRows): Promise<ComparedRow[]> {
    const bench = this.#bench;
    const count = against.rows.length * this.#parts;
    const compared = bench.buffer("compared", WORDS * count);
    const rows = bench.buffer("rows", Uint32Array.from(against.rows));
    try {
      this.#kernels.run("compare_rows", { workgroups: count }, {
        job: { vocab: this.vocab, stride, parts: this.#parts, part: PART, count },
        reference: this.#bufferOf(against.logits),
        logits: buffer,
        rows,
        compared,
      });
      const words = await bench.read([{ buffer: compared, at: 0, words: WORDS * count }]);
      const size = WORDS * this.#parts;
      return against.rows.map((_, row) => joined(words.subarray(row * size, (row + 1) * size)));
    } finally {
      bench.free(compared, rows);
    }
  }

  #bufferOf(logits: Float32Array<ArrayBuffer>): GPUBuffer {
    if (this.#reference?.logits !== logits) {
      this.close();
      this.#reference = { logits, buffer: this.#bench.buffer("reference logits", logits) };
    }
    return this.#reference!.buffer;
  }

  /** Frees the reference. */
  close(): void {
    if (this.#reference !== undefined) this.#bench.free(this.#reference.buffer);
    this.#reference = undefined;
  }
}

/** The parts of a row together. */
function joined(words: Uint32Array<ArrayBuffer>): ComparedRow {
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  const parts = Array.from({ length: words.length / WORDS }, (_, i) => {
    const [referenceTop, referenceSum, top, sum, weighted] = floats.subarray(i * WORDS);
    return {
      reference: { top: referenceTop!, sum: referenceSum! },
      own: { top: top!, sum: sum! },
      weighted: weighted!,
      best: words[i * WORDS + WORDS - 1]!,
    };
  });
  const referenceTop = Math.max(...parts.map(({ reference }) => reference.top));
  const top = Math.max(...parts.map(({ own }) => own.top));
  let [referenceSum, sum, weighted] = [0, 0, 0];
  for (const { reference, own, weighted: part } of parts) {
    const share = Math.exp(reference.top - referenceTop);
    referenceSum += reference.sum * share;
    weighted += part * share;
    sum += own.sum * Math.exp(own.top - top);
  }
  // Mean difference of the logits, less that of the logarithms of both sums.
  const kl = weighted / referenceSum -
    (referenceTop + Math.log(referenceSum) - (top + Math.log(sum)));
  return { token: parts.find(({ own }) => own.top === top)?.best ?? 0, kl: Math.max(0, kl) };
}
