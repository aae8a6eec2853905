/**
 * The replay of one example under one policy: at every step snapshot, quantize, restore, metric.
 *
 * Steps are independent given the restored tensors, so consecutive steps under one plan share one
 * pass through the model (see restore.ts); `stepwise` gives every step stores of its own and a pass
 * of its own, and must give the same numbers.
 *
 * @module
 */
import { KV_KINDS } from "../quant/family.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import type { KvShape, TokenRange } from "../quant/tensor.ts";
import type { PlannedStep } from "../policies/plan.ts";
import type { PeakStep } from "./audit.ts";
import { type HeadErrors, HeadErrorSums } from "./head_errors.ts";
import { Ledger, type StoredWidths } from "./ledger.ts";
import { cacheElements, compare, type StepOutcome } from "./metric.ts";
import { predict } from "./predict.ts";
import { QuantizedCache } from "./quantize.ts";
import type { PolicyOnExample } from "./policy_on_example.ts";
import { questionAt } from "./question_at.ts";
import { addPreRopeKeys, addQueries, fedIds, scoredIndex } from "./reference.ts";
import type { PassStep } from "./restore.ts";
import { snapshot, Sources } from "./snapshot.ts";
import type { TokenSquares } from "./token_squares.ts";
import { StatsSource } from "./token_stats.ts";

/**
 * Steps of a pass at most. Scores and logits of all its steps are held at once; more steps hardly
 * make a pass cheaper.
 */
const MOST_STEPS = 64;

/** What the replay of an example is given. */
export interface ReplayInput<T extends KvShape> extends PolicyOnExample<T> {
  readonly stepwise: boolean;
  /** Is given the replayed logits of every scored step, `[vocab]`, which are good until it returns. */
  readonly seen?: (index: number, logits: Float32Array) => void;
  /** Statistics shared by the policies of a run; made here when absent. */
  readonly stats?: StatsSource<T>;
}

/** The steps of one example and the time they took. */
export interface Replayed {
  readonly steps: readonly StepOutcome[];
  /** Wall time of quantize, restore and model step, in seconds. */
  readonly seconds: number;
  /** Widths at the last step; 16 where the cache is exact. */
  readonly widths: StoredWidths;
  /** The first step at which the quantized cache was largest. */
  readonly peak: PeakStep;
  /** What each head lost. */
  readonly headErrors: HeadErrors;
}

/** Replays every step of an example. */
export async function replayExample<T extends KvShape>(input: ReplayInput<T>): Promise<Replayed> {
  const run = new ExampleReplay(input);
  try {
    return await run.run();
  } finally {
    run.free();
  }
}

class ExampleReplay<T extends KvShape> {
  readonly #ids: number[];
  readonly #stats: StatsSource<T>;
  readonly #ledger: Ledger;
  readonly #steps: StepOutcome[] = [];
  readonly #headErrors: HeadErrorSums;
  #cache: QuantizedCache<T> | undefined;
  #needs = "";
  #pass: PassStep[] = [];
  /** Notes the sizes of steps of the pass that are told together. */
  #unnoted: (() => void)[] = [];
  #seconds = 0;

  constructor(private readonly input: ReplayInput<T>) {
    const { engine, reference, stats } = input;
    this.#ids = fedIds(reference);
    this.#stats = stats ?? new StatsSource(engine, reference);
    this.#ledger = new Ledger(engine.shape, input.mostCodeBits);
    this.#headErrors = new HeadErrorSums(engine.shape);
  }

  async run(): Promise<Replayed> {
    let last = 0;
    for (let step = 0; step < this.#ids.length; step++) {
      // Caches grow to the next scored step at once: what they hold there is the same.
      if (scoredIndex(this.input.reference, step) === undefined) continue;
      const { tokens } = snapshot(this.input.reference, step);
      last = tokens;
      const planned = await this.#plan(step, tokens);
      const cache = await this.#cacheFor(planned);
      await this.#quantize(cache, planned, step, tokens);
    }
    await this.#predict();
    return {
      steps: this.#steps,
      seconds: this.#seconds,
      widths: this.#ledger.widths(this.#cache!, last),
      peak: this.#ledger.peak,
      headErrors: this.#headErrors.means(),
    };
  }

  free(): void {
    this.#cache?.free();
    this.#cache = undefined;
  }

  #plan(step: number, tokens: number): Promise<PlannedStep> {
    const { planner, attentionStats } = this.input;
    const question = questionAt(this.input, this.#stats, this.#ledger.usedBits, step, tokens);
    return planner.plan(question, () => this.#stats.load(attentionStats));
  }

  /** The cache, opened again when a plan needs tensors that were not asked for before. */
  async #cacheFor({ needs }: PlannedStep): Promise<QuantizedCache<T>> {
    const key = JSON.stringify([needs.preRope ?? false, needs.queries ?? false]);
    if (this.#cache !== undefined && key === this.#needs) return this.#cache;
    await this.#predict();
    this.free();
    const { engine, reference, open, rope } = this.input;
    if (needs.preRope) addPreRopeKeys(engine, reference, rope());
    if (needs.queries) await addQueries(engine, reference);
    const sources = new Sources(reference, needs, needs.preRope ? rope() : undefined);
    const longest = snapshot(reference, this.#ids.length - 1).tokens;
    this.#ledger.restart();
    this.#needs = key;
    return this.#cache = new QuantizedCache(sources, open, engine.shape.layers, longest);
  }

  async #quantize(
    cache: QuantizedCache<T>,
    planned: PlannedStep,
    step: number,
    tokens: number,
  ): Promise<void> {
    const { stepwise, engine: { backend } } = this.input;
    const asked = performance.now();
    const ends = this.#pass.length === MOST_STEPS ||
      this.#pass.length > 0 && (stepwise || cache.breaks(planned.plan, tokens));
    this.#seconds += (performance.now() - asked) / 1000;
    if (ends) await this.#predict();

    const start = performance.now();
    backend.together(() => cache.grow(planned.plan, tokens, stepwise));
    // What a policy is told of earlier sizes must be known by its next question.
    const later = cache.sizesNeedSettle && this.input.planner.hearsSizes === false;
    if (cache.sizesNeedSettle && !later) await backend.together(() => cache.settle());
    const ranges = cache.ranges();
    this.#seconds += (performance.now() - start) / 1000;
    this.#pass.push({ step, tokens, ranges });
    this.#unnoted.push(() => this.#ledger.note(cache, planned, step, tokens, ranges));
    if (!later) this.#note();
  }

  #note(): void {
    for (const note of this.#unnoted.splice(0)) note();
  }

  /** Settles the steps of the pass whose sizes are told together. */
  async #settle(): Promise<void> {
    if (this.#unnoted.length === 0) return;
    const start = performance.now();
    await this.input.engine.backend.together(() => this.#cache!.settle());
    this.#seconds += (performance.now() - start) / 1000;
    this.#note();
  }

  /** Restores the pass, predicts its tokens again and compares. */
  async #predict(): Promise<void> {
    const pass = this.#pass;
    if (pass.length === 0) return;
    await this.#settle();
    this.#pass = [];
    const { engine, reference } = this.input;
    const { shape } = engine;
    const ids = pass.map(({ step }) => this.#ids[step]!);
    const rows = pass.map(({ step }) => scoredIndex(reference, step)!);
    const { logits, compared, squares, seconds } = await predict(
      engine,
      reference,
      this.#cache!,
      pass,
      ids,
      this.input.seen === undefined ? { against: { logits: reference.logits, rows } } : {},
    );
    this.#seconds += seconds;
    for (const [row, { step, tokens, ranges }] of pass.entries()) {
      const index = rows[row]!;
      const at = index * shape.vocab;
      const rowAt = row * shape.vocab;
      this.input.seen?.(index, logits.subarray(rowAt, rowAt + shape.vocab));
      const squaredError = squares.reduce((sum, s, i) => sum + s.ratio(tokens, ranges[i]!), 0) /
        squares.length;
      const prediction = compared?.[row] ??
        compare(reference.logits, at, logits, rowAt, shape.vocab);
      // The reference is finite, so what was restored is not: not in itself, but to the model.
      if (!Number.isFinite(prediction.kl)) throw notFiniteLogits(step, tokens, squares, ranges);
      this.#headErrors.add(squares, tokens, ranges);
      this.#steps.push({
        ...prediction,
        step,
        referenceToken: reference.tokens[index]!,
        squaredError,
        elements: cacheElements(shape, tokens),
        ...this.#ledger.at(index),
      });
    }
  }
}

/** Logits say no layer and kind; the one that lost most is the likeliest cause. */
function notFiniteLogits(
  step: number,
  tokens: number,
  squares: readonly TokenSquares[],
  ranges: readonly TokenRange[],
): QuantizerError {
  const lost = squares.map((s, i) => s.ratio(tokens, ranges[i]!));
  const worst = lost.indexOf(Math.max(...lost));
  return new QuantizerError(
    `Layer ${Math.floor(worst / KV_KINDS.length)} ${
      KV_KINDS[worst % KV_KINDS.length]
    }s lost most of ` +
      `all, and the logits that the restored cache gives at step ${step} are not finite`,
  );
}
