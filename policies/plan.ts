/**
 * From a policy's answers to a plan: checked, resolved by the families, the same settings object for
 * the same answer.
 *
 * @module
 */
import { InternalError } from "../errors.ts";
import { takenHooks } from "../quant/declared.ts";
import {
  type Family,
  type HookAnswers,
  KV_KINDS,
  type Needs,
  type Settings,
} from "../quant/family.ts";
import type { OptionalHook } from "../quant/hooks.ts";
import type { Families } from "../quant/registry.ts";
import { kindsNotAlikeError, notAlikeError } from "../quant/stores/coupled/layer_pack.ts";
import type { Calibration } from "../quant/calibration.ts";
import { settingsFor } from "../quant/settings_for.ts";
import { keyOfAnyLayer, settingsKey } from "../quant/settings_key.ts";
import { EXACT_BITS, exactSettings } from "../quant/families/exact/exact.ts";
import { Allowance, calibrationBytes } from "./allowance.ts";
import type { RawAnswers, StepQuestion } from "./ask.ts";
import { checkAnswers, type CheckContext, PolicyError } from "./check.ts";
import type { PolicyHost } from "./host.ts";

/** Thrown by a statistics source that has to fetch tensors first; the planner then asks again. */
export class StatsNotLoaded extends InternalError {
  override name = "StatsNotLoaded";
}

/** A step's plan and what its families need. */
export interface PlannedStep {
  /** One entry per layer and kind, layers outermost, keys before values. */
  readonly plan: readonly Settings[];
  readonly needs: Needs;
}

/** Bytes that answers and what follows from them take, for each character of the answers. */
const BYTES_PER_CHARACTER = 8;

/** Turns one policy's answers into plans, for one run. */
export class Planner {
  readonly #resolved = new Map<string, Settings>();
  #resolvedBytes = 0;
  /** Settings with what was learned for them, by the key of the settings. */
  readonly #calibrated = new Map<string, Settings>();
  readonly #answers = new WeakMap<Settings, HookAnswers>();
  readonly #ignored = new Set<string>();
  readonly #deviations = new Set<string>();
  /** Families that were chosen and take no lesson, although the policy has one. */
  readonly #untaught = new Set<string>();
  #draws = false;

  constructor(
    private readonly host: PolicyHost,
    private readonly shape: {
      readonly heads: number;
      readonly headDim: number;
      readonly layers: number;
    },
    private readonly context: Omit<CheckContext, "heads" | "fullPrecision" | "outsideBudget">,
    private readonly calibrate?: (settings: Settings) => Promise<Calibration>,
    private readonly allowance: Allowance = new Allowance(),
  ) {}

  /** Whether a question's answers may depend on what the steps before it stored. */
  get hearsSizes(): boolean {
    return this.host.hearsSizes ?? true;
  }

  /** Hooks that the policy defines and a family it chose does not use, as `hook (family)`. */
  get ignoredHooks(): string[] {
    return [...this.#ignored];
  }

  /** Where settings depart from their family's official rules, as `family: what`. */
  get deviations(): string[] {
    return [...this.#deviations];
  }

  /** Whether the seed decided any settings so far, those of a random rotation, say. */
  get draws(): boolean {
    return this.#draws;
  }

  /** What else a reader of the numbers must know, one clause each. */
  get remarks(): string[] {
    const families = [...this.#untaught].join(", ");
    return families === "" ? [] : [`what its calibrate returned was not used by ${families}`];
  }

  /** The checked answers that settings of a plan were resolved from. */
  answersOf(settings: Settings): HookAnswers | undefined {
    return this.#answers.get(settings);
  }

  /**
   * Plans one step.
   * @param loadStats fetches what statistics need, when the policy turns out to read them
   * @throws {PolicyError} for an answer the contract does not allow
   * @throws {QuantizerError} for answers that a family cannot express
   */
  async plan(question: StepQuestion, loadStats: () => Promise<void>): Promise<PlannedStep> {
    let answers: RawAnswers[];
    try {
      answers = await this.host.plan(question);
    } catch (error) {
      if (!(error instanceof StatsNotLoaded)) throw error;
      await loadStats();
      answers = await this.host.plan(question);
    }
    this.#checkOrder(answers);
    if (this.host.fullPrecision) {
      for (const raw of answers) checkAnswers(raw, this.#checkContext());
      const exact = ({ layer, kind }: RawAnswers) => exactSettings(layer, kind, this.shape.heads);
      return { plan: answers.map(exact), needs: {} };
    }
    const resolved = answers.map((raw) => this.#settings(raw));
    checkCoupled(resolved, this.context.families);
    const plan: Settings[] = [];
    for (const settings of resolved) {
      plan.push(await this.#withCalibration(settings));
      this.allowance.check();
    }
    let needs: Needs = {};
    for (const settings of plan) {
      const more = this.context.families.of(settings.family).needs(settings);
      needs = {
        preRope: (needs.preRope ?? false) || (more.preRope ?? false),
        queries: (needs.queries ?? false) || (more.queries ?? false),
      };
    }
    return { plan, needs };
  }

  /**
   * Checks the answers of one step, and whether their families can express them; nothing is learned.
   *
   * @throws {PolicyError} for an answer the contract does not allow
   * @throws {QuantizerError} for answers that a family cannot express
   */
  async check(question: StepQuestion): Promise<void> {
    const answers = await this.host.plan(question);
    this.#checkOrder(answers);
    checkCoupled(answers.map((raw) => this.#settings(raw)), this.context.families);
  }

  /** Settings with what their family learned offline, for those that ask for it. */
  async #withCalibration(settings: Settings): Promise<Settings> {
    if (settings.calibrated !== true) return settings;
    const key = settingsKey(settings);
    let ready = this.#calibrated.get(key);
    if (ready === undefined) {
      const { layer, kind, family } = settings;
      if (this.calibrate === undefined) {
        throw new PolicyError(
          `Layer ${layer} ${kind}: family "${family}" is to be calibrated offline, but this run has ` +
            `no calibration set`,
        );
      }
      this.allowance.calibrate(settings);
      const calibration = await this.calibrate(settings);
      this.allowance.hold(BYTES_PER_CHARACTER * key.length + calibrationBytes(calibration));
      this.#calibrated.set(key, ready = { ...settings, calibration });
    }
    const answers = this.#answers.get(settings);
    if (answers !== undefined) this.#answers.set(ready, answers);
    return ready;
  }

  #checkContext(): CheckContext {
    const { fullPrecision, outsideBudget } = this.host;
    return { ...this.context, heads: this.shape.heads, fullPrecision, outsideBudget };
  }

  #checkOrder(answers: readonly RawAnswers[]): void {
    const expected = this.shape.layers * KV_KINDS.length;
    const inOrder = answers.length === expected &&
      answers.every((a, i) =>
        a.layer === Math.floor(i / KV_KINDS.length) && a.kind === KV_KINDS[i % KV_KINDS.length]
      );
    if (!inOrder) {
      throw new PolicyError(
        `The policy answered ${answers.length} layers and kinds; expected ${expected}, layers in order, keys before values`,
      );
    }
  }

  #settings(raw: RawAnswers): Settings {
    const key = keyOf(raw);
    const known = key === undefined ? undefined : this.#resolved.get(key);
    if (known !== undefined) return known;
    const answers = checkAnswers(raw, this.#checkContext());
    const family = this.context.families.of(
      (raw.optional.quantizer_family as string | undefined) ?? "uniform",
    );
    // An engine leaves a layer in 16 bits whatever it does to the others.
    if (answers.bits.every((bits) => bits === EXACT_BITS) && !family.widths.includes(EXACT_BITS)) {
      return exactSettings(answers.layer, answers.kind, this.shape.heads);
    }
    const taken = takenHooks(family);
    for (const hook of Object.keys(raw.optional) as OptionalHook[]) {
      if (hook !== "quantizer_family" && !taken.includes(hook)) {
        this.#ignored.add(`${hook} (${family.name})`);
      }
    }
    if (answers.lesson !== undefined && !family.takesLesson) this.#untaught.add(family.name);
    const settings = settingsFor(family, answers, this.shape);
    this.#draws ||= this.#followsSeed(family, answers, settings);
    for (const what of settings.deviations ?? []) this.#deviations.add(`${family.name}: ${what}`);
    if (key !== undefined) this.#remember(key, settings);
    this.#answers.set(settings, answers);
    return settings;
  }

  /** Whether the same answers give other settings under another seed. */
  #followsSeed(family: Family, answers: HookAnswers, settings: Settings): boolean {
    const { seed } = answers;
    if (seed === undefined) return false;
    const other = settingsFor(family, { ...answers, seed: seed ^ 1 }, this.shape);
    return settingsKey(other) !== settingsKey(settings);
  }

  /** A policy that answers something new at every step must not fill the memory. */
  #remember(key: string, settings: Settings): void {
    const bytes = BYTES_PER_CHARACTER * key.length;
    if (this.#resolvedBytes + bytes > this.allowance.forMemory) {
      this.#resolved.clear();
      this.#resolvedBytes = 0;
    }
    if (bytes > this.allowance.forMemory) return;
    this.#resolvedBytes += bytes;
    this.#resolved.set(key, settings);
  }
}

/**
 * Layers, and kinds, that a family codes together have the same settings.
 *
 * @throws {QuantizerError} for the first that has not
 */
function checkCoupled(plan: readonly Settings[], families: Families): void {
  for (const kind of KV_KINDS) {
    const ofKind = plan.filter((settings) => settings.kind === kind);
    const coupled = ofKind.find((s) => families.of(s.family).couplesLayers?.(s) === true);
    if (coupled === undefined) continue;
    const own = keyOfAnyLayer(coupled);
    const other = ofKind.find((settings) => keyOfAnyLayer(settings) !== own);
    if (other !== undefined) throw notAlikeError(coupled, other.layer);
    if (families.of(coupled.family).couplesKinds?.(coupled) !== true) continue;
    const alike = plan.every((settings) => keyOfAnyLayer({ ...settings, kind }) === own);
    if (!alike) throw kindsNotAlikeError(coupled);
  }
}

/** Equal for equal answers; undefined for answers that JSON cannot hold. */
function keyOf(raw: RawAnswers): string | undefined {
  try {
    return JSON.stringify(raw);
  } catch {
    return undefined;
  }
}
