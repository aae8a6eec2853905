/**
 * From names to numbers: a model on an engine, slices as prompts, policies as hosts.
 *
 * @module
 */
import type { PolicyHost } from "../policies/host.ts";
import type { KvShape } from "../quant/tensor.ts";
import { type CalibrationFile, CalibrationStore, Calibrator } from "../calibration/calibrator.ts";
import type { Engine } from "../engine/engine.ts";
import { type Device, openEngine } from "../engine/devices/open.ts";
import type { Model } from "../engine/checkpoint/folder.ts";
import { loadModelFolder } from "../engine/checkpoint/folder.ts";
import { modelFolder } from "../engine/checkpoint/resolve.ts";
import type { OpenStore } from "../replay/quantize.ts";
import { ReferenceCache } from "./reference_cache.ts";
import { type RunEvents, type RunExample, runSlice, type SliceResult } from "./run.ts";
import { loadCalibrationSet } from "../calibration/calibration_set.ts";
import { renderPrompt, scoreReply } from "../benchmarks/datasets.ts";
import type { Example } from "../benchmarks/example.ts";

/** A slice to run: embedded, or a file of the user's. */
export interface SliceInput {
  /** Name under which results are reported. */
  readonly name: string;
  readonly examples: readonly Example[];
  readonly maxNewTokens: number;
}

/** What the slices of a run share. */
export interface EvaluatorOptions {
  /** `mini`, `mini-outlier` or a model folder. */
  readonly model: string;
  readonly device: Device;
  /** Folder for references and calibrations; absent keeps nothing. */
  readonly cacheFolder?: string;
  /** Contents of a calibration file of the user's. */
  readonly calibrationFile?: CalibrationFile;
  /** A sentence for stderr. */
  readonly notice?: (sentence: string) => void;
}

/** What one slice run may vary. */
export interface EvaluationOptions {
  readonly hosts: readonly PolicyHost[];
  readonly budgetBits: number;
  /** Seed of everything that is drawn at random; 0 when absent. */
  readonly seed?: number;
  readonly stepwise: boolean;
  /** Whether the reported memory is counted once more in the buffers themselves. */
  readonly audit?: boolean;
  readonly events?: RunEvents;
  readonly signal?: AbortSignal;
}

/** A loaded model on an engine, ready for slices. */
export class Evaluator {
  readonly #calibrator: Calibrator;
  readonly #cache: ReferenceCache | undefined;

  private constructor(
    readonly model: Model,
    readonly engine: Engine,
    private readonly open: OpenStore<KvShape>,
    calibrator: Calibrator,
    cache: ReferenceCache | undefined,
  ) {
    this.#calibrator = calibrator;
    this.#cache = cache;
  }

  /**
   * Loads a model and opens an engine for it.
   *
   * @throws {UserError} for a folder that cannot be used
   * @throws {UserError} when the device cannot be opened
   */
  static async create(options: EvaluatorOptions): Promise<Evaluator> {
    const { cacheFolder, notice, calibrationFile } = options;
    const model = await loadModelFolder(await modelFolder(options.model));
    const { engine, open } = await openEngine(model, options.device, notice);
    const calibrator = new Calibrator({
      engine,
      samples: (await loadCalibrationSet()).map(({ prompt, target }) => {
        const turn = userTurn(model, prompt);
        const ids = model.tokenizer.encode(turn + target);
        return { ids, reply: ids.length - model.tokenizer.encode(turn).length };
      }),
      ...(cacheFolder === undefined
        ? {}
        : { store: new CalibrationStore(`${cacheFolder}/calibrations`) }),
      ...(calibrationFile === undefined ? {} : { file: calibrationFile }),
      ...(notice === undefined ? {} : { notice }),
    });
    const cache = cacheFolder === undefined
      ? undefined
      : new ReferenceCache(`${cacheFolder}/references`);
    return new Evaluator(model, engine, open, calibrator, cache);
  }

  /** What was learned offline so far. */
  get calibration(): Calibrator {
    return this.#calibrator;
  }

  /** Runs a slice under several policies. */
  async run(slice: SliceInput, options: EvaluationOptions): Promise<SliceResult> {
    const { model, engine } = this;
    return await runSlice({
      slice: slice.name,
      engine,
      open: this.open,
      examples: slice.examples.map((example) => this.#prepare(example)),
      hosts: options.hosts,
      maxNewTokens: slice.maxNewTokens,
      budgetBits: options.budgetBits,
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      eosIds: model.eosIds,
      decode: (ids) => model.tokenizer.decode(ids),
      stepwise: options.stepwise,
      ...(options.audit === undefined ? {} : { audit: options.audit }),
      calibration: this.#calibrator,
      ...(this.#cache === undefined ? {} : { cache: this.#cache }),
      ...(options.events === undefined ? {} : { events: options.events }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  /** Closes the engine. */
  async close(): Promise<void> {
    await this.engine.close();
  }

  #prepare(example: Example): RunExample {
    return {
      id: example.id,
      dataset: example.dataset,
      ...(example.depth === undefined ? {} : { depth: example.depth }),
      prompt: this.model.tokenizer.encode(userTurn(this.model, renderPrompt(example))),
      score: (answer) => scoreReply(example, answer),
    };
  }
}

/** A user's message as the model is prompted with it. */
function userTurn(model: Model, content: string): string {
  return model.renderChat([{ role: "user", content }]);
}
