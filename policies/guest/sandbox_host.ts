/**
 * A policy host whose policy runs in a process of its own, as hostile code.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { KV_KINDS, type KvKind } from "../../quant/family.ts";
import { hookNames, type OptionalHook } from "../../quant/hooks.ts";
import { type RawAnswers, STAT_NAMES, type StepQuestion } from "../ask.ts";
import type { CalibrationStatistics } from "../calibration_statistics.ts";
import { PolicyError } from "../check.ts";
import { checkCalibrationMode, type PolicyHost } from "../host.ts";
import {
  fieldError,
  missingMethodError,
  MOST_METHODS,
  OPTIONAL_METHODS,
  outsideBudgetError,
  REQUIRED_METHODS,
  unaskedMethods,
} from "../methods.ts";
import type { BudgetState, WorkloadMeta } from "../policy.ts";
import { shown } from "../../sandbox/shown.ts";
import { type LaunchChild, launchChild, type SandboxOptions } from "../../sandbox/child.ts";
import { LIMIT_BOUNDS, limitsWith, type SandboxLimits } from "../../sandbox/limits.ts";
import {
  openModuleLink,
  type OpenPolicyLink,
  type PolicyLink,
  type PolicySource,
} from "./policy_link.ts";
import type { RealmQuestion, Started } from "./policy_realm.ts";
import { answerOf } from "../../sandbox/reply_answer.ts";
import { RunTime } from "../../sandbox/run_time.ts";
import { SandboxError } from "../../sandbox/sandbox_error.ts";

/** Questions and replies that are kept for `verifyDeterminism`. */
const KEPT_EXCHANGES = 64;

interface Exchange {
  readonly question: string;
  readonly ms: number;
  readonly awaited: string;
  /** SHA-256: replies themselves would be as long as the policy likes. */
  readonly reply: string;
}

/** Runs a policy in the sandbox. */
export class SandboxHost implements PolicyHost {
  readonly name: string;
  readonly hooks: readonly OptionalHook[];
  readonly calibrates: boolean;
  readonly remarks: readonly string[];
  readonly fullPrecision = false;
  readonly outsideBudget: boolean;
  /** Kinds whose statistics the policy has read. */
  readonly #kinds = new Set<KvKind>();
  readonly #kept: Exchange[] = [];
  readonly #time: RunTime;
  #failed: SandboxError | undefined;
  #lastPlan: { readonly text: string; readonly answers: RawAnswers[] } | undefined;

  private constructor(
    private readonly source: PolicySource,
    private readonly link: PolicyLink,
    private readonly limits: SandboxLimits,
    private readonly launch: LaunchChild,
    private readonly openLink: OpenPolicyLink,
    started: Started,
  ) {
    this.#time = new RunTime(limits);
    this.name = source.name;
    this.hooks = started.hooks;
    this.calibrates = started.calibrates;
    this.outsideBudget = started.outsideBudget === true;
    this.remarks = unaskedMethods(started.methods);
  }

  /**
   * Starts the sandbox and loads a policy into it.
   *
   * @param openLink what runs it; by default what runs modules
   * @throws {PolicyError} when the policy cannot be loaded or lacks a method
   * @throws {SandboxError} when it exceeds a limit already now
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { SandboxHost } from "./sandbox_host.ts";
   *
   * const text = `
   *   import type { Policy } from "@kvreplay/kvreplay";
   *   export default {
   *     choose_bits: (layer: number) => layer === 0 ? 4 : 2,
   *     choose_axis: () => "token",
   *     residual_length: () => 32,
   *     calibration_mode: () => "none",
   *   } satisfies Policy;
   * `;
   * await using host = await SandboxHost.open({ name: "mine", text, language: "ts" });
   * const answers = await host.plan({
   *   budget: {
   *     budget_bits: 4, used_bits: 0, remaining_bits: 4, step: 0, total_steps: null,
   *     layers: 2, kv_heads: 1, head_dim: 64,
   *   },
   *   request: {
   *     slice: "s", dataset: "d", prompt_tokens: 9, cache_tokens: 8, max_new_tokens: 4,
   *   },
   *   stats: () => {
   *     throw new Error("this policy reads no statistics");
   *   },
   * });
   * assertEquals(answers.map((a) => a.bits), [[4], [4], [2], [2]]);
   * ```
   */
  static async open(
    source: PolicySource,
    options: SandboxOptions = {},
    openLink: OpenPolicyLink = openModuleLink,
  ): Promise<SandboxHost> {
    const limits = limitsWith(options.limits ?? {});
    const launch = options.launch ?? launchChild;
    const bytes = new TextEncoder().encode(source.text).length;
    if (bytes > limits.messageBytes) {
      throw new PolicyError(
        `Policy ${
          shown(source.name)
        } has ${bytes} bytes; at most ${limits.messageBytes} are loaded`,
      );
    }
    const link = openLink(source, limits, launch);
    try {
      const reply = await link.hello();
      const started = startedWith(answerOf(reply, "its list of methods", limits));
      if (started.missing !== undefined) {
        throw missingMethodError(source.name, started.missing, started.methods);
      }
      if (started.field !== undefined) throw fieldError(source.name, started.field);
      if (started.outsideBudget === null) throw outsideBudgetError(source.name);
      return new SandboxHost(source, link, limits, launch, openLink, started);
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  get readsStats(): boolean {
    return this.#kinds.size > 0;
  }

  get work(): SandboxLimits {
    return this.limits;
  }

  /** Process id of the sandbox, for tests that look at it from outside. */
  get pid(): number {
    return this.link.pid;
  }

  async calibrationMode(workload: WorkloadMeta, budget: BudgetState): Promise<"none" | "offline"> {
    const { stepMs } = this.limits;
    const reply = await this.#ask({ ask: "mode", workload, budget }, stepMs, "calibration_mode()");
    return checkCalibrationMode(answerOf(reply, "calibration_mode()", this.limits));
  }

  async calibrate(samples: CalibrationStatistics): Promise<unknown> {
    const { calibrateMs } = this.limits;
    const reply = await this.#ask({ ask: "calibrate", samples }, calibrateMs, "calibrate()");
    return this.#guard(() => answerOf(reply, "calibrate()", this.limits));
  }

  /**
   * Asks everything about one step, in one round trip. When the policy reads statistics of a kind
   * for the first time in the run, the question is put again with them.
   */
  async plan(question: StepQuestion): Promise<RawAnswers[]> {
    const { budget, request } = question;
    const where = `the plan of step ${budget.step}`;
    for (;;) {
      const stats = this.#statistics(question);
      const reply = await this.#ask(
        { ask: "plan", budget, request, stats },
        this.limits.stepMs,
        where,
      );
      const kind = KV_KINDS.find((k) => reply === `N${k}`);
      if (kind === undefined) return await this.#guard(() => this.#answers(reply, where, budget));
      if (this.#kinds.has(kind)) {
        return await this.#guard(() => {
          throw new SandboxError("crashed", `It asks for statistics of ${kind}s that it was sent`);
        });
      }
      this.#kinds.add(kind);
    }
  }

  /**
   * Puts the first questions of this run to a fresh process with the same policy and compares the
   * replies, letter by letter.
   *
   * @throws {SandboxError} `not deterministic`, when one differs; any other failure of the second run
   */
  async verifyDeterminism(): Promise<void> {
    const link = this.openLink(this.source, this.limits, this.launch);
    try {
      await link.hello();
      for (const { question, ms, awaited, reply } of this.#kept) {
        if (hash(await link.ask(question, ms, `No answer to ${awaited}`)) !== reply) {
          throw new SandboxError(
            "not deterministic",
            `Asked for ${awaited} a second time in a fresh process, it answered differently`,
          );
        }
      }
    } finally {
      await link.close();
    }
  }

  close(): Promise<void> {
    return this.link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Statistics rows of the kinds that the policy reads: `[layer][head]`, columns as STAT_NAMES. */
  #statistics({ budget, stats }: StepQuestion): (RealmQuestion & { ask: "plan" })["stats"] {
    const rows: { [kind in KvKind]?: (readonly number[])[][] } = {};
    for (const kind of this.#kinds) {
      rows[kind] = Array.from(
        { length: budget.layers },
        (_, layer) =>
          Array.from({ length: budget.kv_heads }, (_, head) => {
            const numbers = stats(layer, kind, head);
            return STAT_NAMES.map((name) => numbers[name] as number);
          }),
      );
    }
    return rows;
  }

  async #ask(question: RealmQuestion, ms: number, awaited: string): Promise<string> {
    if (this.#failed !== undefined) throw this.#failed;
    const text = this.#write(question);
    return await this.#guard(async () => {
      const reply = await this.#time.within(
        ms,
        (most) => this.link.ask(text, most, `No answer to ${awaited}`),
      );
      if (this.#kept.length < KEPT_EXCHANGES) {
        this.#kept.push({ question: text, ms, awaited, reply: hash(reply) });
      }
      return reply;
    });
  }

  #write(question: RealmQuestion): string {
    const most = this.limits.memoryMib * 2 ** 20 / 4;
    let text: string | undefined;
    try {
      text = JSON.stringify(question);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    if (text === undefined || text.length > most) {
      throw new PolicyError(
        `What ${question.ask} is given takes more than a quarter of the sandbox's ` +
          `${this.limits.memoryMib} MiB` + (this.limits.memoryMib < LIMIT_BOUNDS.memoryMib[1]
            ? `; raise --policy-memory-mib, to at most ${LIMIT_BOUNDS.memoryMib[1]}`
            : ""),
      );
    }
    return text;
  }

  /** Ends the sandbox when something in `body` fails: a policy that failed once is not asked again. */
  async #guard<R>(body: () => R | Promise<R>): Promise<R> {
    try {
      return await body();
    } catch (error) {
      if (error instanceof SandboxError) this.#failed = error;
      await this.close();
      throw error;
    }
  }

  #answers(reply: string, where: string, budget: BudgetState): RawAnswers[] {
    if (this.#lastPlan?.text === reply) return this.#lastPlan.answers;
    const rows = answerOf(reply, where, this.limits);
    const cells = budget.layers * KV_KINDS.length;
    const columns = 3 + this.hooks.length;
    const fits = Array.isArray(rows) && rows.length === cells &&
      rows.every((row) => Array.isArray(row) && row.length === columns && Array.isArray(row[0]));
    if (!fits) {
      throw new SandboxError(
        "rejected",
        `Expected ${cells} rows of ${columns} answers in ${where}`,
      );
    }
    const answers = (rows as [unknown[], ...unknown[]][]).map(
      ([bits, axis, residual, ...optional], i): RawAnswers => ({
        layer: Math.floor(i / KV_KINDS.length),
        kind: KV_KINDS[i % KV_KINDS.length]!,
        bits,
        axis,
        residual,
        optional: Object.fromEntries(this.hooks.map((hook, h) => [hook, optional[h]])),
      }),
    );
    this.#lastPlan = { text: reply, answers };
    return answers;
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** What the policy has: of the names that exist, and as many others as are worth a word. */
function startedWith(value: unknown): Started {
  const { missing, field, hooks, calibrates, outsideBudget, methods } = Object(value) as Partial<
    Record<keyof Started, unknown>
  >;
  if (!Array.isArray(hooks) || !Array.isArray(methods)) {
    // deno-lint-ignore error-law/value -- what a policy sends is not repeated
    throw new SandboxError("rejected", "It has spoilt how its methods are found");
  }
  const misused = OPTIONAL_METHODS.find((name) => name === field);
  const lacks = REQUIRED_METHODS.find((name) => name === missing);
  return {
    ...(lacks === undefined ? {} : { missing: lacks }),
    ...(misused === undefined ? {} : { field: misused }),
    hooks: hookNames.filter((hook) => hooks.includes(hook)),
    calibrates: calibrates === true,
    outsideBudget: outsideBudget === null ? null : outsideBudget === true,
    methods: methods.slice(0, MOST_METHODS)
      .filter((name) => typeof name === "string" && name.length <= MOST_METHODS),
  };
}
