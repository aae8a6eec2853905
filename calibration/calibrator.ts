/**
 * Offline calibration: runs a set of samples that are never scored through the model once, computes
 * the statistics that a policy's `calibrate` is given, and lets the families learn what their
 * settings need (thresholds, codebooks, reorder). Results are kept, keyed by engine, calibration set
 * and settings; what they cost the first time is kept with them, so `calibration_cost_s` does not
 * depend on the state of a cache.
 *
 * @module
 */
import { InternalError, UserError } from "../errors.ts";
import type { CalibrationStatistics } from "../policies/calibration_statistics.ts";
import type { Calibration, KeptSamples } from "../quant/calibration.ts";
import type { Settings } from "../quant/family.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import { type Families, isFamilyName } from "../quant/registry.ts";
import { fitted, learnedKey } from "../quant/learned.ts";
import type { KvShape } from "../quant/tensor.ts";
import {
  CALIBRATION_FORMAT,
  type CalibrationEntry,
  type CalibrationFile,
  type CalibrationSetFacts,
  type CalibrationStore,
  type Learned,
} from "./calibration_file.ts";
import { runSamples, type SamplePass } from "./calibration_samples.ts";
import { calibrationStatistics } from "./calibration_statistics.ts";
import { CONTRACT_VERSION } from "../policies/contract.ts";
import type { Engine } from "../engine/engine.ts";
import { sha256 } from "../engine/digest.ts";
import type { SampleTokens } from "./sensitivity.ts";

export * from "./calibration_file.ts";

/** What a calibrator is given. */
export interface CalibratorInput<T extends KvShape> {
  readonly engine: Engine<T>;
  /** Families that may learn. */
  readonly families: Families;
  /** Every sample, prompt and reply. */
  readonly samples: readonly SampleTokens[];
  /** Where results are kept; absent with `--no-cache`. */
  readonly store?: CalibrationStore;
  /** Contents of `--calibration FILE`; its entries come before everything else. */
  readonly file?: CalibrationFile;
  /** A sentence for stderr. */
  readonly notice?: (sentence: string) => void;
  readonly signal?: AbortSignal;
}

/** A pass, and how long it took. */
interface TimedPass extends SamplePass {
  /** Wall time in seconds, without what watching predictions took. */
  readonly seconds: number;
}

/** Learns from the calibration set, for every policy of a run. */
export class Calibrator<T extends KvShape = KvShape> {
  readonly #input: CalibratorInput<T>;
  readonly #tokens: readonly SampleTokens[];
  /** What was learned or read, by family and then by what it hangs on. */
  readonly #learned = new Map<string, Map<string, CalibrationEntry>>();
  /** Families of which what was kept was looked for. */
  readonly #read = new Set<string>();
  /** Families that learned something since they were last kept. */
  readonly #unkept = new Set<string>();
  #statistics: Learned<CalibrationStatistics> | undefined;
  #pass: Promise<TimedPass> | undefined;
  #set: string | undefined;

  constructor(input: CalibratorInput<T>) {
    this.#input = input;
    const { engine, samples, file, notice } = input;
    this.#tokens = samples;
    if (file !== undefined && file.engine !== engine.fingerprint) {
      notice?.("The calibration file was made with another model, engine or version");
    }
    for (const entry of file?.entries ?? []) {
      this.#entriesOf(entry.family).set(entry.settings, entry);
    }
    this.#statistics = file?.statistics;
  }

  /** A calibrator that learns the same things from other samples. */
  learningFrom(samples: readonly SampleTokens[]): Calibrator<T> {
    const { file: _, ...input } = this.#input;
    return new Calibrator({ ...input, samples });
  }

  /** Statistics of the whole set, for a policy's `calibrate`. */
  async statistics(): Promise<Learned<CalibrationStatistics>> {
    const { families } = this.#input;
    const publishing = families.names.filter((name) => families.of(name).statistics !== undefined);
    // A file may come from a run that had other families.
    const known = this.#statistics;
    if (
      known !== undefined && publishing.every((name) => Object.hasOwn(known.value.families, name))
    ) {
      return known;
    }
    const store = this.#storeFor(...publishing);
    const key = await this.#key("statistics");
    const kept = (await this.#kept(store, key))?.statistics;
    if (kept !== undefined) return this.#statistics = kept;
    this.#statistics = await this.#learn(
      "No statistics can be taken from the calibration set",
      ({ samples, sensitivity }) => calibrationStatistics(samples, families, sensitivity),
      publishing,
    );
    await store?.save(key, await this.#file([], this.#statistics));
    return this.#statistics;
  }

  /** What is kept of the samples themselves. */
  async samples(): Promise<Learned<KeptSamples>> {
    return await this.#learn(
      "Nothing can be kept of the calibration set",
      ({ samples }) => samples,
    );
  }

  /**
   * What a family learns for settings that say `calibrated`.
   *
   * @throws {QuantizerError} when it cannot learn from this set
   */
  async family(settings: Settings): Promise<Learned<Calibration>> {
    const family = this.#input.families.of(settings.family);
    if (family.calibrate === undefined) {
      throw new QuantizerError(`Family "${family.name}" has nothing to calibrate`);
    }
    const text = learnedKey(family, settings);
    const entries = this.#entriesOf(family.name);
    let entry = entries.get(text);
    if (entry === undefined && !this.#read.has(family.name)) {
      this.#read.add(family.name);
      await this.#readKept(family.name);
      entry = entries.get(text);
    }
    if (entry === undefined) {
      const learned = await this.#learn(
        `Layer ${settings.layer} ${settings.kind}s: family "${family.name}" cannot learn from the ` +
          `calibration set`,
        ({ samples }) => family.calibrate!(samples, settings),
      );
      entry = { family: family.name, settings: text, ...learned };
      entries.set(text, finite(entry, settings));
      this.#unkept.add(family.name);
    }
    return finite(entry, settings);
  }

  /** What a store under these settings is given of what was learned for them. */
  fitted(learned: Learned<Calibration>, settings: Settings): Calibration {
    const family = this.#input.families.of(settings.family);
    const value = fitted(family, learned.value, settings);
    return finite({ value }, settings).value;
  }

  /** Keeps what was learned since the last time for the next run, a file a family. */
  async keep(): Promise<void> {
    for (const family of this.#unkept) {
      const store = this.#storeFor(family);
      if (store === undefined) continue;
      // Another process may have learned for other settings in the meantime.
      await this.#readKept(family);
      const entries = [...this.#entriesOf(family).values()];
      await store.save(await this.#key(`family ${family}`), await this.#file(entries));
    }
    this.#unkept.clear();
  }

  /** Everything learned so far, for `--calibration FILE`. */
  async export(): Promise<CalibrationFile> {
    const entries = [...this.#learned.values()].flatMap((own) => [...own.values()]);
    return await this.#file(entries, this.#statistics);
  }

  /** Lets go of what was kept of the samples; a later question runs the set again. */
  releaseSamples(): void {
    this.#pass = undefined;
  }

  #entriesOf(family: string): Map<string, CalibrationEntry> {
    let entries = this.#learned.get(family);
    if (entries === undefined) this.#learned.set(family, entries = new Map());
    return entries;
  }

  /** Reads what was kept of a family, where nothing else is known. */
  async #readKept(family: string): Promise<void> {
    const store = this.#storeFor(family);
    const file = await this.#kept(store, await this.#key(`family ${family}`));
    const entries = this.#entriesOf(family);
    for (const entry of file?.entries ?? []) {
      if (entry.family === family && !entries.has(entry.settings)) {
        entries.set(entry.settings, entry);
      }
    }
  }

  /** Where results of these families are kept: one's own may have changed since the last run. */
  #storeFor(...names: readonly string[]): CalibrationStore | undefined {
    return names.every(isFamilyName) ? this.#input.store : undefined;
  }

  /**
   * @param refusal start of the sentence when what is computed throws: samples can be degenerate
   * @param watched families under whose noise predictions must have been watched
   */
  async #learn<V>(
    refusal: string,
    compute: (pass: SamplePass) => V | Promise<V>,
    watched: readonly string[] = [],
  ): Promise<Learned<V>> {
    const { families } = this.#input;
    const noisy = watched.filter((name) => families.of(name).noise !== undefined);
    let pass = await this.#pass;
    if (pass === undefined || noisy.some((name) => !pass!.sensitivity.has(name))) {
      pass = await (this.#pass = this.#run(refusal, noisy));
    }
    const samplesSeconds = pass.seconds;
    const start = performance.now();
    let value: V;
    try {
      value = await compute(pass);
    } catch (error) {
      throw this.#refused(refusal, error);
    }
    const seconds = (performance.now() - start) / 1000 +
      (noisy.length === 0 ? 0 : pass.measureSeconds);
    return { value, seconds, samplesSeconds, set: await this.facts() };
  }

  #refused(refusal: string, error: unknown): unknown {
    this.#input.signal?.throwIfAborted();
    if (error instanceof UserError || error instanceof InternalError) return error;
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return new QuantizerError(`${refusal}: ${what}`, { cause: error });
  }

  async #run(refusal: string, noisy: readonly string[]): Promise<TimedPass> {
    const { engine, families, signal } = this.#input;
    if (this.#tokens.length === 0) {
      throw new QuantizerError(
        `The calibration set holds no sample that fits into the model's ${engine.shape.maxPositions} positions`,
      );
    }
    const noises = new Map(noisy.map((name) => [name, (samples: KeptSamples) => {
      try {
        return families.of(name).noise!(samples);
      } catch (error) {
        throw this.#refused(refusal, error);
      }
    }]));
    const start = performance.now();
    const pass = await runSamples(engine, this.#tokens, {
      noises,
      ...(signal === undefined ? {} : { signal }),
    });
    return { ...pass, seconds: (performance.now() - start) / 1000 - pass.measureSeconds };
  }

  /** What is learned from. */
  async facts(): Promise<CalibrationSetFacts> {
    return {
      samples: this.#tokens.length,
      tokens: this.#tokens.reduce((sum, { ids }) => sum + ids.length, 0),
      sha256: await this.#setHash(),
    };
  }

  async #setHash(): Promise<string> {
    return this.#set ??= await sha256(JSON.stringify(this.#tokens));
  }

  async #key(what: string): Promise<string> {
    const { engine } = this.#input;
    return await sha256(
      JSON.stringify([
        CONTRACT_VERSION,
        CALIBRATION_FORMAT,
        engine.fingerprint,
        await this.#setHash(),
        what,
      ]),
    );
  }

  /** What was kept under a key, when this engine learned it from this set. */
  async #kept(
    store: CalibratorInput<T>["store"],
    key: string,
  ): Promise<CalibrationFile | undefined> {
    const file = await store?.load(key);
    const isOwn = file?.engine === this.#input.engine.fingerprint &&
      file.set === await this.#setHash();
    return isOwn ? file : undefined;
  }

  async #file(
    entries: readonly CalibrationEntry[],
    statistics?: Learned<CalibrationStatistics>,
  ): Promise<CalibrationFile> {
    return {
      engine: this.#input.engine.fingerprint,
      set: await this.#setHash(),
      entries,
      ...(statistics === undefined ? {} : { statistics }),
    };
  }
}

/** @throws {QuantizerError} when something learned is not finite */
function finite<E extends Pick<CalibrationEntry, "value">>(
  entry: E,
  { layer, kind, family }: Settings,
): E {
  for (const [name, array] of Object.entries(entry.value)) {
    if (allFinite(array)) continue;
    throw new QuantizerError(
      `Layer ${layer} ${kind}s: the ${name} that family "${family}" learned under these settings are ` +
        `not finite in float32`,
    );
  }
  return entry;
}

/** A sum that is not finite tells of an entry that is not: none is so large that sums overflow. */
function allFinite(array: ArrayLike<number>): boolean {
  let sum = 0;
  for (let i = 0; i < array.length; i++) sum += array[i]!;
  return Number.isFinite(sum);
}

/** Adds up what the calibration of one policy cost. */
export class CalibrationCost {
  readonly #counted = new Set<unknown>();
  readonly #sets = new Map<string, CalibrationSetFacts>();
  #seconds = 0;
  #samplesSeconds = 0;

  /** Counts something learned, once; the pass over the samples serves all of it. */
  add(learned: Learned<unknown>): void {
    if (this.#counted.has(learned)) return;
    this.#counted.add(learned);
    this.#sets.set(learned.set.sha256, learned.set);
    this.#seconds += learned.seconds;
    this.#samplesSeconds = Math.max(this.#samplesSeconds, learned.samplesSeconds);
  }

  /** Counts the time of a policy's own work. */
  addSeconds(seconds: number): void {
    this.#seconds += seconds;
  }

  get seconds(): number {
    return this.#seconds + this.#samplesSeconds;
  }

  /** What was learned from: one set, unless a file of `--calibration` brought another. */
  get sets(): CalibrationSetFacts[] {
    return [...this.#sets.values()];
  }
}
