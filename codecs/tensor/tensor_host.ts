/**
 * A quantizer in the tensor form behind the interface that the replay knows policies by.
 *
 * @module
 */
import { InternalError } from "../../errors.ts";
import type { RawAnswers, StepQuestion } from "../../policies/ask.ts";
import type { PolicyHost } from "../../policies/host.ts";
import { CpuBackend } from "../../quant/backend_cpu.ts";
import type { Family } from "../../quant/family.ts";
import { GpuBackend } from "../../quant/gpu/backend_gpu.ts";
import type { SandboxLimits } from "../../sandbox/limits.ts";
import { SandboxError } from "../../sandbox/sandbox_error.ts";
import { CurrentExample, orEnded } from "../current_example.ts";
import { notTriedAgain, ShownPrompt } from "../shown_prompt.ts";
import { familyPlan } from "../family_plan.ts";
import {
  type Prompt,
  type TensorInterpreter,
  type TensorItem,
  TensorProcess,
  type TensorResult,
  type TensorSource,
  type TensorStarted,
} from "./tensor_process.ts";
import { remarksOnTensorMethods } from "./tensor_methods.ts";
import { type TensorDoor, type TensorReader, TensorSession } from "./tensor_session.ts";
import { TensorStore } from "./tensor_store.ts";

/** What was shown of a layer. */
interface ShownTensors {
  readonly layer: number;
  readonly tokens: number;
  readonly prompt: Prompt;
  readonly tensors: readonly Float32Array<ArrayBuffer>[];
}

/** A quantizer in the tensor form that is run as a policy. */
export class TensorHost implements PolicyHost, TensorDoor {
  readonly hooks = [];
  readonly fullPrecision = false;
  readonly outsideBudget = false;
  readonly claimed = true;
  readonly readsStats = false;
  readonly calibrates = false;
  readonly family: Family;
  readonly #example: CurrentExample<TensorSession>;
  #question: StepQuestion | undefined;
  /** Quantizes the run's first tensors again; at once it would take time from the run's process. */
  #quantizeAgain: (() => Promise<void>) | undefined;
  #check: Promise<void> | undefined;
  /** What it was shown before the run's first tensors. */
  #shown: ShownPrompt<ShownTensors> | undefined;
  #notTried: readonly string[] = [];

  private constructor(
    private readonly source: TensorSource,
    private readonly interpreter: TensorInterpreter,
    readonly work: SandboxLimits,
    private readonly process: TensorProcess,
    private readonly started: TensorStarted,
    /** What its author should know of methods that nothing asks for. */
    readonly unasked: readonly string[],
  ) {
    this.family = this.#family();
    this.#example = new CurrentExample(source.name, () => new TensorSession(this));
  }

  /**
   * Starts the quantizer's process.
   *
   * @throws {PolicyError} when it cannot be loaded, lacks a method or exceeds a limit
   */
  static async open(
    source: TensorSource,
    interpreter: TensorInterpreter,
    limits: SandboxLimits,
  ): Promise<TensorHost> {
    const { process, started } = await TensorProcess.open(interpreter, source, limits);
    try {
      const unasked = remarksOnTensorMethods(source.name, started);
      return new TensorHost(source, interpreter, limits, process, started, unasked);
    } catch (error) {
      await process.close();
      throw error;
    }
  }

  get name(): string {
    return this.source.name;
  }

  get remarks(): readonly string[] {
    return [...this.unasked, ...this.#notTried];
  }

  /** Whether it has encode and decode, too. */
  get encodes(): boolean {
    return this.started.encodes;
  }

  get observes(): boolean {
    return this.started.observes;
  }

  get preRope(): boolean {
    return this.started.preRope;
  }

  /** Process id, for tests that look at the process from outside. */
  get pid(): number {
    return this.process.pid;
  }

  calibrationMode(): Promise<"none"> {
    return Promise.resolve("none");
  }

  calibrate(): Promise<unknown> {
    return Promise.resolve(undefined);
  }

  plan(question: StepQuestion): RawAnswers[] {
    this.#question = question;
    return familyPlan(this.family.name, question.budget);
  }

  async begin(session: TensorSession): Promise<void> {
    this.#example.check(session);
    const { request, budget } = this.#asked;
    if (this.#quantizeAgain === undefined) this.#shown = new ShownPrompt(this.work.heldMib);
    await orEnded(this.process, () => this.process.reset(request, budget));
  }

  async observe(
    session: TensorSession,
    layer: number,
    tokens: number,
    prompt: Prompt,
  ): Promise<void> {
    this.#example.check(session);
    if (this.#quantizeAgain === undefined) {
      this.#shown?.add({ layer, tokens, prompt, tensors: prompt.map(({ data }) => data) });
    }
    await orEnded(this.process, () => this.process.observe(layer, tokens, prompt));
  }

  async quantize(
    session: TensorSession,
    items: readonly TensorItem[],
  ): Promise<TensorResult[]> {
    this.#example.check(session);
    const results = await orEnded(this.process, () => this.process.quantize(items));
    if (this.#quantizeAgain === undefined) {
      const asked = this.#asked;
      const shown = this.#shown;
      this.#shown = undefined;
      this.#quantizeAgain = () => this.#again(items, results, asked, shown?.layers);
    }
    return results;
  }

  /**
   * Compares the run's first tensors with those of a fresh process.
   *
   * @throws {SandboxError} `not deterministic`, when others were restored
   */
  async verifyDeterminism(): Promise<void> {
    await (this.#check ??= this.#quantizeAgain?.());
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.process.close(), this.#check]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #asked(): StepQuestion {
    if (this.#question !== undefined) return this.#question;
    throw new InternalError(`Quantizer ${this.name} was used before it was asked for a plan`);
  }

  /** The session that a store belongs to: each example has one. */
  #sessionFor(reader: TensorReader): TensorSession {
    const session = this.#example.sessionFor(reader.layer, reader.kind);
    session.join(reader);
    return session;
  }

  /**
   * Quantizes the same tensors in a process that has seen nothing else.
   *
   * @param shown what it was shown; undefined where that was not kept
   */
  async #again(
    items: readonly TensorItem[],
    results: readonly TensorResult[],
    { request, budget }: StepQuestion,
    shown: readonly ShownTensors[] | undefined,
  ): Promise<void> {
    if (shown === undefined) {
      this.#notTried = [notTriedAgain(this.work)];
      return;
    }
    const { process } = await TensorProcess.open(this.interpreter, this.source, this.work);
    try {
      await process.reset(request, budget);
      for (const { layer, tokens, prompt } of shown) await process.observe(layer, tokens, prompt);
      const again = await process.quantize(items);
      const differs = again.findIndex(({ restored, bits }, i) =>
        bits !== results[i]!.bits ||
        restored.some((entry, e) => !Object.is(entry, results[i]!.restored[e]))
      );
      if (differs === -1) return;
      const { layer, kind } = items[differs]!;
      throw new SandboxError(
        "not deterministic",
        `Given the same tensor in a fresh process, quantize_${kind}(${layer}) returned another`,
      );
    } finally {
      await process.close();
    }
  }

  /** Only this host names it. */
  #family(): Family {
    const name = `tensors_${this.name.replace(/\W/g, "_")}`;
    const { observes, preRope } = this.started;
    const sessionFor = (reader: TensorReader) => this.#sessionFor(reader);
    return {
      name,
      source: "the user's file",
      widths: [1],
      calibration: "either",
      resolve: ({ layer, kind, bits }) => ({ family: name, layer, kind, bits, paramDtype: "f32" }),
      needs: () => observes ? { queries: true, preRope } : {},
      quantizedRange: (_, n) => ({ from: 0, to: n }),
      openCpu: (source) => new TensorStore(new CpuBackend(), source, sessionFor),
      openGpu: (device, source) => new TensorStore(new GpuBackend(device), source, sessionFor),
    };
  }
}
