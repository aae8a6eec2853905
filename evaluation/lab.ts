/**
 * The door: a model on an engine, ready to replay examples under policies and to look at what the
 * model itself computed. The command line, the leaderboard, the search and the benchmarks come
 * through here as a reader of `mod.ts` does.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { prepareScores } from "../benchmarks/datasets.ts";
import { BenchmarkError } from "../benchmarks/benchmark_error.ts";
import type { Example } from "../benchmarks/example.ts";
import {
  isSliceName,
  loadSlice,
  type SliceName,
  sliceNames,
  slices,
} from "../benchmarks/slices.ts";
import { loadCalibrationData } from "../calibration/calibration_data.ts";
import { type CalibrationText, loadCalibrationSet } from "../calibration/calibration_set.ts";
import { chooseTexts, DEFAULT_CALIBRATION_TOKENS } from "../calibration/chosen_texts.ts";
import { Calibrator, loadCalibrationFile } from "../calibration/calibrator.ts";
import type { HubSource } from "../engine/checkpoint/hub/cached_model.ts";
import { loadModel, type Model } from "../engine/checkpoint/model.ts";
import { findModel } from "../engine/checkpoint/resolve.ts";
import { announceLoad, type Device, openEngine, type Precision } from "../engine/devices/open.ts";
import type { Engine, ModelShape } from "../engine/engine.ts";
import { PolicyError } from "../policies/check.ts";
import type { PolicyHost } from "../policies/host.ts";
import { shown } from "../sandbox/shown.ts";
import type { Family } from "../quant/family.ts";
import { Families } from "../quant/registry.ts";
import type { KvShape } from "../quant/tensor.ts";
import { runReference } from "../replay/reference.ts";
import { CacheFolder } from "./cache/cache_folder.ts";
import { CalibrationCache } from "./cache/calibration_cache.ts";
import { ReferenceCache } from "./cache/reference_cache.ts";
import { TimesCache } from "./cache/times_cache.ts";
import { WeightsCache } from "./cache/weights_cache.ts";
import { checkOptions, LAB_OPTIONS, PERPLEXITY_OPTIONS, REPLAY_OPTIONS } from "./option_checks.ts";
import { openHosts, type PolicyChoice } from "./policy_choice.ts";
import type { RunExample } from "./policy_run.ts";
import { calibrationTokens, type Prompt, type Question, readyToRun } from "./question.ts";
import { ReferenceView } from "./reference_view.ts";
import type { PolicyResult, SliceResult } from "./results.ts";
import { repeatSeeds } from "./seed_runs.ts";
import { refusalOf, runSlice, type SliceRun } from "./slice_run.ts";
import { textWindows } from "./text_windows.ts";

export type { Device, HubSource, ModelShape, Precision };

/**
 * How a lab is opened.
 *
 * @example
 * ```ts
 * import { assertMatch } from "@std/assert";
 * import { type LabOptions, open } from "@kvreplay/kvreplay";
 *
 * const notices: string[] = [];
 * const options: LabOptions = { device: "auto", notice: (sentence) => notices.push(sentence) };
 * await using lab = await open("mini", options);
 * assertMatch(notices[0]!, /^Device (cpu|webgpu): /);
 * ```
 */
export interface LabOptions {
  /**
   * Where the model runs: `webgpu`, `cpu` (onnxruntime-node), `wasm`, `webgpu-onnx` (onnxruntime-web on
   * the GPU of `webgpu`, a check on it), or `auto`, which takes the faster one of a real GPU and `cpu`.
   * That is measured the first time that a machine runs a model of its size, and remembered in `cache`.
   * Default `auto`.
   */
  readonly device?: Device;
  /**
   * What the model computes in: `float32`, or `float16` on a GPU that has it, as models are deployed.
   * Metrics are computed in float32 either way. Default `float32`.
   */
  readonly precision?: Precision;
  /** Folder whose `tokenizer.json` and chat template are used instead of the model's own. */
  readonly tokenizer?: string;
  /** Folder in which references, calibrations and large weights are kept; absent keeps nothing. */
  readonly cache?: string;
  /** Bytes that the folder may hold, least recently used out first; default 8 GiB. */
  readonly cacheLimit?: number;
  /** Quantizer families of yours; their names are then names that a policy may return. */
  readonly families?: readonly Family[];
  /** A file of what was learned offline before (`--calibration`), instead of learning it again. */
  readonly calibration?: string;
  /**
   * A file of texts to learn from instead of the embedded set (`--calibration-data`): a text file, or
   * `.jsonl` with `text`, or `prompt` and `target`, and `kind`, an object a line.
   */
  readonly calibrationData?: string;
  /** Tokens of them to learn from at most, of each kind in turn; default 32,768. */
  readonly calibrationTokens?: number;
  /** Threads of device `cpu`; default as many as there are cores, up to 8. */
  readonly threads?: number;
  /** Takes a sentence for the user: which device was chosen, what had to be left out. */
  readonly notice?: (sentence: string) => void;
}

/**
 * Examples under a name: a slice of one's own.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type SliceInput } from "@kvreplay/kvreplay";
 *
 * const joules = (watts: number, seconds: number) => ({
 *   prompt: `A machine uses ${watts} watts. How many joules does it use in ${seconds} seconds?`,
 *   score: (reply: string) => Number(reply.includes(`is ${watts * seconds}.`)),
 * });
 * const slice: SliceInput = { name: "joules", examples: [joules(7, 5), joules(4, 6)] };
 * await using lab = await open("mini", { device: "cpu" });
 * const { numbers } = await lab.replay(slice, "uniform_quant_4bit");
 * assertEquals([numbers.examples, numbers.task_score], [2, 100]);
 * ```
 */
export interface SliceInput {
  /** Name under which results are reported. */
  readonly name: string;
  /** What is asked. */
  readonly examples: readonly Question[];
  /** Longest answer, in tokens; default 64. */
  readonly maxNewTokens?: number;
}

/**
 * What one replay may vary.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type ReplayOptions } from "@kvreplay/kvreplay";
 *
 * const done: number[] = [];
 * const options: ReplayOptions = {
 *   limit: 2,
 *   maxNewTokens: 4,
 *   progress: (count) => done.push(count),
 * };
 * await using lab = await open("mini", { device: "cpu" });
 * const { numbers } = await lab.replay("reasoning", "uniform_quant_4bit", options);
 * assertEquals([numbers.examples, numbers.steps], [2, 8]);
 * assertEquals(done.at(-1), 4);
 * ```
 */
export interface ReplayOptions {
  /** No code may be wider; 1 to 8, default 4. */
  readonly budgetBits?: number;
  /** Seed of everything that is drawn at random; default 0. */
  readonly seed?: number;
  /**
   * So many seeds, from `seed` on, for policies that draw anything at random; any other would come to
   * the same every time and is run once. Default 1.
   */
  readonly seeds?: number;
  /** Examples of the slice, from its start; absent for all. */
  readonly limit?: number;
  /** Longest answer, in tokens; absent for what the slice says. */
  readonly maxNewTokens?: number;
  /** Longest prompt of which the middle may be left out, in tokens; absent for all there is room for. */
  readonly maxPromptTokens?: number;
  /** Also decodes every reply from the policy's own quantized cache, errors adding up. Default false. */
  readonly generate?: boolean;
  /**
   * Bytes of a text for each position that the model has for it: a longer one is refused before it is
   * turned into tokens. Default 16.
   */
  readonly bytesPerPosition?: number;
  /** Gives every step stores and a pass of its own: slow, and the same numbers. Default false. */
  readonly stepwise?: boolean;
  /** Counts the reported memory once more in the buffers themselves. Default false. */
  readonly audit?: boolean;
  /**
   * Built-in policies that are passed over, with the reason, where they do not apply to the model or the
   * budget: `skvq_overlap_2bit` to a model whose channels its groups do not divide. Any other policy
   * that does not apply fails. Default none.
   */
  readonly passOver?: readonly string[];
  /** Ends the run before its next example or policy. */
  readonly signal?: AbortSignal;
  /**
   * `done` of `total` pieces of work: policies that learn before the first example, then examples under
   * a policy each, and references.
   */
  readonly progress?: (done: number, total: number, what: string) => void;
  /** Takes a sentence for the user: an example that is refused, a policy that failed. */
  readonly notice?: (sentence: string) => void;
  /**
   * Takes what is finished after every example, for a run that may end early, aborted or because its
   * device is lost: the same examples under every policy.
   */
  readonly partial?: (result: SliceResult) => void;
  /** Takes how many seconds the examples that are left will take, as those before did. */
  readonly timeLeft?: (seconds: number, examples: number) => void;
  /**
   * File to which every example is added once all policies are done with it. A run that finds there what
   * an earlier one of the same questions, policies and options has finished goes on behind it. It stays:
   * who has the results removes it. What policies of one's own do is not looked at, only their names.
   */
  readonly journal?: string;
}

/**
 * How a text is read.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type PerplexityOptions } from "@kvreplay/kvreplay";
 *
 * const options: PerplexityOptions = { window: 48, from: 32, every: 4, limit: 1 };
 * await using lab = await open("mini", { device: "cpu" });
 * const text = "The lamp is kept in box 12 and the coin in box 7. ".repeat(6);
 * const { outcomes: [first] } = await lab.perplexity(text, "uniform_quant_4bit", options);
 * // Positions 32, 36, 40 and 44.
 * assertEquals(first!.nll!.length, 4);
 * ```
 */
export interface PerplexityOptions
  extends Omit<ReplayOptions, "generate" | "maxNewTokens" | "maxPromptTokens"> {
  /** Name under which results are reported; default `text`. */
  readonly name?: string;
  /** Tokens that are read together; default 512. `limit` counts windows. */
  readonly window?: number;
  /** First scored position of a window, at least 1; default its middle. */
  readonly from?: number;
  /** Every so many positions one is scored; default 1. */
  readonly every?: number;
}

/** Tokens of a text that are read together. */
const WINDOW = 512;

/** Answers that no slice says the length of, in tokens. */
const MAX_NEW_TOKENS = 64;

/** Budget of the published runs of the contract. */
const BUDGET_BITS = 4;

/**
 * Opens a model.
 *
 * @param model `mini`, `mini-outlier`, a Hugging Face folder or GGUF file of a known architecture, or
 *   the name of such a model on the hub, `OWNER/NAME` or `OWNER/NAME@REVISION`, that is in the hub's
 *   cache
 * @throws {UserError} for a model that cannot be used, is not there or does not fit the free memory, a
 *   device that cannot be opened, or a cache folder that cannot be written
 * @throws {QuantizerError} for a family whose name is taken
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { open } from "@kvreplay/kvreplay";
 *
 * await using lab = await open("mini", { device: "cpu" });
 * assert(lab.shape.layers === 8);
 * ```
 */
export async function open(model: string, options: LabOptions = {}): Promise<Lab> {
  return await Lab.open(model, options);
}

/** What a lab is made of. */
export interface LabParts {
  /** The model: shape, tokenizer, chat template. */
  readonly model: Model;
  /** The model on its device. */
  readonly engine: Engine;
  /** Families that policies may choose. */
  readonly families: Families;
  /** What was learned offline so far. */
  readonly calibration: Calibrator;
  /** The texts that it learns from. */
  readonly texts: readonly CalibrationText[];
  /** References on disk. */
  readonly cache?: ReferenceCache;
  /** Where the model comes from, if from the hub. */
  readonly hub?: HubSource;
}

/** The parts of a lab, for the rooms of this project that work on them; readers have `Lab` alone. */
export let partsOf: (lab: Lab) => LabParts;

/**
 * The same model on the same engine, learning from other texts: for the rooms of this project, which
 * let one lab run at a time and close the first one alone.
 */
export let learningFrom: (lab: Lab, texts: readonly CalibrationText[], most?: number) => Lab;

/**
 * A model, ready for work; runs of one lab wait for each other.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Lab, open } from "@kvreplay/kvreplay";
 *
 * const prompt = "A machine uses 7 watts. How many joules does it use in 5 seconds?";
 * const bits = async (lab: Lab) =>
 *   (await lab.replay({ prompt }, "uniform_quant_2bit", { maxNewTokens: 4 }))
 *     .numbers.avg_bits_per_kv_token;
 * await using lab = await open("mini", { device: "cpu" });
 * // Two bits a code, and a 16-bit scale and zero point for each group of 64.
 * assertEquals(await bits(lab), 2 + 32 / 64);
 * ```
 */
export class Lab implements AsyncDisposable {
  static {
    partsOf = (lab) => lab.#parts;
    learningFrom = (lab, texts, most = DEFAULT_CALIBRATION_TOKENS) => {
      const { model, calibration } = lab.#parts;
      const { samples } = chosenTexts(model, texts, most);
      return new Lab({
        ...lab.#parts,
        calibration: calibration.learningFrom(samples.map(({ tokens }) => tokens)),
        texts: samples.map(({ text }) => text),
      });
    };
  }

  readonly #parts: LabParts;
  #closed: Promise<void> | undefined;
  /** Ends when the last run that was asked for has ended. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(parts: LabParts) {
    this.#parts = parts;
  }

  /**
   * See `open`.
   *
   * @ignore
   */
  static async open(name: string, options: LabOptions): Promise<Lab> {
    checkOptions(options, LAB_OPTIONS);
    if (typeof name !== "string" || name === "") {
      throw new UserError(
        `A model is ${shown(name)}; expected mini, a folder, a GGUF file or a name on the hub`,
      );
    }
    const { device = "auto", precision, cache, cacheLimit, notice } = options;
    // What can be wrong with the user's own things is found before the model is loaded.
    const families = new Families(options.families);
    const file = options.calibration === undefined
      ? undefined
      : await loadCalibrationFile(options.calibration);
    const kept = cache === undefined ? undefined : await CacheFolder.open(cache, {
      ...(cacheLimit === undefined ? {} : { limit: cacheLimit }),
      ...(notice === undefined ? {} : { notice }),
    });
    const { calibrationData, calibrationTokens: most = DEFAULT_CALIBRATION_TOKENS } = options;
    const texts = calibrationData === undefined
      ? await loadCalibrationSet()
      : await loadCalibrationData(calibrationData);
    const { path, hub } = await findModel(name);
    const model = await loadModel(path, {
      ...(options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer }),
      announce: (size) => announceLoad(name, size, device, notice),
    });
    const place = path === name ? await Deno.realPath(path) : name;
    const chosen = chosenTexts(model, texts, most);
    const { samples } = chosen;
    if (chosen.tooLong > 0) {
      notice?.(
        `Calibration uses ${samples.length} of ${texts.length} texts: ${chosen.tooLong} exceed the ` +
          `model's ${model.shape.maxPositions} positions`,
      );
    }
    if (chosen.isCut) {
      notice?.(
        `Calibration uses ${samples.length} of ${texts.length} texts, of each kind in turn: more ` +
          `would exceed ${most} tokens`,
      );
    }
    const engine = await openEngine(model, device, {
      ...(precision === undefined ? {} : { precision }),
      ...(options.threads === undefined ? {} : { threads: options.threads }),
      ...(notice === undefined ? {} : { notice }),
      ...(kept === undefined
        ? {}
        : { weights: new WeightsCache(kept, place), times: new TimesCache(kept, place) }),
    });
    try {
      const origin = { model: place, device: engine.device };
      const calibration = new Calibrator({
        engine,
        families,
        samples: samples.map(({ tokens }) => tokens),
        ...(kept === undefined ? {} : { store: new CalibrationCache(kept, origin) }),
        ...(file === undefined ? {} : { file }),
        ...(notice === undefined ? {} : { notice }),
      });
      return new Lab({
        model,
        engine,
        families,
        calibration,
        texts: samples.map(({ text }) => text),
        ...(kept === undefined ? {} : { cache: new ReferenceCache(kept, origin) }),
        ...(hub === undefined ? {} : { hub }),
      });
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Architecture sizes of the model. */
  get shape(): ModelShape {
    return this.#parts.engine.shape;
  }

  /** Where the model runs. */
  get device(): Exclude<Device, "auto"> {
    return this.#parts.engine.device;
  }

  /** Its GPU and how data gets there, in words; absent where it runs on the processor. */
  get gpuName(): string | undefined {
    return this.#parts.engine.gpuName;
  }

  /** Hash of everything that decides the numbers: weights, config, graph version, runtime version. */
  get fingerprint(): string {
    return this.#parts.engine.fingerprint;
  }

  /** Whether prompts go through a chat template: a base model has none and gets them as they are. */
  get chatTemplate(): boolean {
    return this.#parts.model.chatTemplate;
  }

  /** Repository and commit of a model of the hub; undefined for any other. */
  get hub(): HubSource | undefined {
    return this.#parts.hub;
  }

  /**
   * Replays questions under a policy, or under several, which share every reference. Of several, one
   * that fails is among the failures and does not keep the others from running.
   *
   * @param what an example, a prompt, several of them, a slice by name, or a slice of one's own
   * @param choice a built-in by name, or any object or class that satisfies `Policy`; or a list
   * @returns the result of the policy; of a list, those of all
   * @throws {PolicyError} when the one policy fails, or no example fits the model
   * @throws {BenchmarkError} when there is no slice of that name
   */
  replay<C extends PolicyChoice | readonly PolicyChoice[]>(
    what: Question | readonly Question[] | SliceName | SliceInput,
    choice: C,
    options?: ReplayOptions,
  ): Promise<C extends readonly PolicyChoice[] ? SliceResult : PolicyResult>;
  async replay(
    what: Question | readonly Question[] | SliceName | SliceInput,
    choice: PolicyChoice | readonly PolicyChoice[],
    options: ReplayOptions = {},
  ): Promise<PolicyResult | SliceResult> {
    checkOptions(options, REPLAY_OPTIONS);
    return await this.#under(
      choice,
      options,
      async (hosts, all) => await this.#ask(await sliceOf(what), hosts, all),
    );
  }

  /**
   * Reads a text under a policy, or under several: every scored token is predicted from the quantized
   * cache of the tokens before the one that is fed. Outcomes have `nll` and `referenceNll`, one entry
   * for each scored position; `greedy_match_ratio` is the share of positions where the likeliest token
   * is that of full precision, `task_score` where it is that of the text.
   *
   * @param text a text of any length; no special tokens are added
   * @param choice as for `replay`
   * @returns the result of the policy; of a list, those of all. Each window is an example
   * @throws {PolicyError} when the one policy fails, or a window does not fit the model
   * @throws {BenchmarkError} when the text is too short
   */
  perplexity<C extends PolicyChoice | readonly PolicyChoice[]>(
    text: string,
    choice: C,
    options?: PerplexityOptions,
  ): Promise<C extends readonly PolicyChoice[] ? SliceResult : PolicyResult>;
  async perplexity(
    text: string,
    choice: PolicyChoice | readonly PolicyChoice[],
    options: PerplexityOptions = {},
  ): Promise<PolicyResult | SliceResult> {
    checkOptions(options, PERPLEXITY_OPTIONS);
    if (typeof text !== "string") {
      throw new BenchmarkError(`The text is ${shown(text)}; expected text`);
    }
    const { window = WINDOW, every = 1 } = options;
    const from = options.from ?? Math.floor(window / 2);
    const ids = this.#parts.model.tokenizer.encode(text);
    const examples = textWindows(ids, { window, from, every }).slice(0, options.limit)
      .map((span, i): RunExample => ({
        id: `window-${i}`,
        dataset: "text",
        prompt: span.ids.slice(0, from + 1),
        text: span,
        score: () => 0,
      }));
    return await this.#under(
      choice,
      options,
      (hosts, all) => this.#run(options.name ?? "text", examples, window - from, hosts, all),
    );
  }

  /** Runs something under one policy, or under several. */
  async #under(
    choice: PolicyChoice | readonly PolicyChoice[],
    options: ReplayOptions,
    work: (hosts: readonly PolicyHost[], options: ReplayOptions) => Promise<SliceResult>,
  ): Promise<PolicyResult | SliceResult> {
    const several = Array.isArray(choice);
    const { hosts, failures } = openHosts(several ? choice : [choice as PolicyChoice]);
    for (const { reason } of failures) options.notice?.(reason);
    const withAll = (ran: SliceResult) => ({ ...ran, failures: [...failures, ...ran.failures] });
    const partial = options.partial && ((ran: SliceResult) => options.partial!(withAll(ran)));
    const all = { ...options, ...partial && { partial } };
    const result = withAll(await this.#inTurn(() => work(hosts, all)));
    if (several) return result;
    const [only] = result.results;
    if (only !== undefined) return only;
    const [why] = [...result.failures, ...result.notApplicable];
    // deno-lint-ignore error-law/visible -- the sentence of the failure
    throw new PolicyError(why!.reason);
  }

  /**
   * The full-precision run of one question: tokens, logits, and the tensors of the cache. Free it
   * with `using`, or by its `free`.
   *
   * @param question an example or a prompt
   * @param maxNewTokens longest answer, in tokens
   * @throws {PolicyError} when the model has too few positions
   * @throws {UserError} for what is no question, and once the lab is closed
   */
  async reference(
    question: Example | Prompt,
    maxNewTokens: number = MAX_NEW_TOKENS,
  ): Promise<ReferenceView> {
    const { model, engine } = this.#parts;
    checkOptions({ maxNewTokens }, REPLAY_OPTIONS);
    const example = readyToRun(model, question, 0, { maxNewTokens });
    const refusal = refusalOf(example, maxNewTokens, engine.shape);
    // deno-lint-ignore error-law/visible -- the sentence of the refusal
    if (refusal !== undefined) throw new PolicyError(refusal);
    const reference = await this.#inTurn(() =>
      runReference(
        engine,
        example.prompt,
        maxNewTokens,
        model.eosIds,
        (ids) => example.stop?.test(model.tokenizer.decode(ids)) ?? false,
      )
    );
    return new ReferenceView(
      engine,
      reference,
      (ids) => model.tokenizer.decode(ids),
      (work) => this.#inTurn(work),
    );
  }

  /** Closes the engine, after what is under way; what is asked for later is refused. */
  async close(): Promise<void> {
    await (this.#closed ??= this.#inTurn(() => this.#parts.engine.close()));
  }

  /** The same as `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #ask(
    slice: SliceInput,
    hosts: readonly PolicyHost[],
    options: ReplayOptions,
  ): Promise<SliceResult> {
    const maxNewTokens = options.maxNewTokens ?? slice.maxNewTokens ?? MAX_NEW_TOKENS;
    const { maxPromptTokens, bytesPerPosition } = options;
    const limits = {
      maxNewTokens,
      ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }),
      ...(bytesPerPosition === undefined ? {} : { bytesPerPosition }),
    };
    const questions = slice.examples.slice(0, options.limit);
    await prepareScores(questions.flatMap((question) => question?.dataset ?? []));
    const examples = questions.map((q, i) => readyToRun(this.#parts.model, q, i, limits));
    checkIds(examples);
    return await this.#run(slice.name, examples, maxNewTokens, hosts, options);
  }

  async #run(
    slice: string,
    examples: readonly RunExample[],
    maxNewTokens: number,
    hosts: readonly PolicyHost[],
    options: ReplayOptions,
  ): Promise<SliceResult> {
    const { model, engine, families, calibration, cache } = this.#parts;
    const { progress, notice, partial, timeLeft, passOver, journal } = options;
    const run: SliceRun<KvShape> = {
      slice,
      engine,
      families,
      examples,
      hosts,
      ...(passOver === undefined ? {} : { passOver }),
      maxNewTokens,
      budgetBits: options.budgetBits ?? BUDGET_BITS,
      seed: options.seed ?? 0,
      eosIds: model.eosIds,
      decode: (ids) => model.tokenizer.decode(ids),
      generate: options.generate ?? false,
      stepwise: options.stepwise ?? false,
      audit: options.audit ?? false,
      calibration,
      ...(cache === undefined ? {} : { cache }),
      events: {
        ...(progress === undefined ? {} : { progress }),
        ...(notice === undefined ? {} : { notice }),
        ...(partial === undefined ? {} : { partial }),
        ...(timeLeft === undefined ? {} : { timeLeft }),
      },
      ...(journal === undefined ? {} : { journal }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
    return await repeatSeeds(run, await runSlice(run), options.seeds ?? 1);
  }

  /** An engine runs one thing at a time. */
  #inTurn<V>(work: () => Promise<V>): Promise<V> {
    if (this.#closed !== undefined) {
      // deno-lint-ignore error-law/value -- a lab has no name
      return Promise.reject(new UserError("This lab is closed; open the model again"));
    }
    const turn = this.#last.then(work, work);
    this.#last = turn;
    return turn;
  }
}

/** The texts that are learned from, in tokens. */
function chosenTexts(model: Model, texts: readonly CalibrationText[], most: number) {
  const sampleOf = (text: CalibrationText) => {
    const tokens = calibrationTokens(model, text);
    return { text, tokens, ...tokens };
  };
  return chooseTexts(texts, sampleOf, most, model.shape.maxPositions);
}

async function sliceOf(
  what: Question | readonly Question[] | SliceName | SliceInput,
): Promise<SliceInput> {
  if (typeof what === "string") {
    if (!isSliceName(what)) {
      throw new BenchmarkError(
        `There is no slice ${JSON.stringify(what)}; choose one of ${sliceNames.join(", ")}`,
      );
    }
    const { maxNewTokens } = slices[what];
    return { name: what, examples: await loadSlice(what), maxNewTokens };
  }
  if (Array.isArray(what)) return { name: "examples", examples: what };
  if (Object(what) !== what || !("examples" in what)) {
    return { name: "examples", examples: [what as Question] };
  }
  const { name, examples, maxNewTokens } = what;
  if (typeof name !== "string" || !/^[\w.:-]{1,64}$/.test(name)) {
    throw new BenchmarkError(
      `A slice is called ${shown(name)}; a name has up to 64 letters, digits, dots, colons, ` +
        `dashes and underscores`,
    );
  }
  if (!Array.isArray(examples)) {
    throw new BenchmarkError(
      `Slice ${name} has ${shown(examples)} for examples; expected an array`,
    );
  }
  checkOptions({ maxNewTokens }, REPLAY_OPTIONS);
  return what;
}

/** Results are told apart by the ids of examples. */
function checkIds(examples: readonly { readonly id: string }[]): void {
  const seen = new Set<string>();
  for (const { id } of examples) {
    if (seen.has(id)) {
      throw new BenchmarkError(
        `Two examples have the id ${shown(id)}; give each an id of its own`,
      );
    }
    seen.add(id);
  }
}
