// deno-lint-ignore-file error-law/class -- its text runs where there are no classes of ours
/**
 * What runs in the same realm as the policy: it takes away what a policy has no use for, asks the
 * policy, and turns its answers into text. Nothing here is trusted by the evaluator: a policy can
 * change every object of its realm, and then harms nobody but itself.
 *
 * @module
 */
import type { OptionalHook } from "../../quant/hooks.ts";
import type { askPolicy, Vocabulary } from "../ask.ts";
import type { fieldForMethod, methodsOf, outsideBudgetOf } from "../methods.ts";
import type { BudgetState, Policy, RequestMeta, TokenStats, WorkloadMeta } from "../policy.ts";
import type { exportProblem, policyOf } from "../../sandbox/default_export.ts";
import type { describeThrown, sealRealm } from "../../sandbox/realm_seal.ts";
import type { encodeValue } from "../../sandbox/reply_value.ts";

/** What the realm's code is given; all of it comes as text from this project. */
export interface RealmParts {
  readonly seal: typeof sealRealm;
  readonly describe: typeof describeThrown;
  readonly ask: typeof askPolicy;
  readonly encode: typeof encodeValue;
  readonly exportProblem: typeof exportProblem;
  readonly policyOf: typeof policyOf;
  readonly methodsOf: typeof methodsOf;
  readonly fieldForMethod: typeof fieldForMethod;
  readonly outsideBudgetOf: typeof outsideBudgetOf;
  readonly mostMethods: number;
  readonly words: Vocabulary;
  /** Names of the statistics, in the order of a row. */
  readonly stats: readonly string[];
  /** Methods that every policy must have. */
  readonly required: readonly string[];
  /** Methods that a policy may leave out. */
  readonly optional: readonly string[];
  /** Global names that stay; every other is deleted. */
  readonly globals: readonly string[];
}

/** A question, as it is sent. */
export type RealmQuestion =
  | { readonly ask: "start" }
  | { readonly ask: "mode"; readonly workload: WorkloadMeta; readonly budget: BudgetState }
  | { readonly ask: "calibrate"; readonly samples: unknown }
  | {
    readonly ask: "plan";
    readonly budget: BudgetState;
    readonly request: RequestMeta;
    /** Rows `[layer][head]` of the statistics, for the kinds that the policy reads. */
    readonly stats: { readonly [kind in "key" | "value"]?: readonly (readonly number[])[][] };
  };

/** The reply to `start`. */
export interface Started {
  /** First required method that the policy lacks. */
  readonly missing?: string;
  /** First optional method in place of which it has something else. */
  readonly field?: string;
  /** Optional hooks that the policy defines. */
  readonly hooks: readonly OptionalHook[];
  /** Whether the policy has `calibrate`. */
  readonly calibrates: boolean;
  /** Whether it says that it is outside the budget; null for what is neither yes nor no. */
  readonly outsideBudget: boolean | null;
  /** Names of all its methods. */
  readonly methods: readonly string[];
}

/** A policy in its realm. Only text goes in and out. */
export interface RealmPolicy {
  /** Puts a question. */
  put(question: string): void;
  /**
   * The reply, once: `A` and JSON for an answer, `N` and a kind when statistics of that kind must
   * be sent, `T` and JSON `[call, message]` when the policy threw, `L` and a reason when it cannot
   * be loaded. Undefined while there is none.
   */
  take(): string | undefined;
}

/**
 * Prepares the realm and returns what runs a policy in it. Refers to nothing outside itself.
 */
export function policyRealm(
  parts: RealmParts,
): (exports: { readonly default?: unknown }) => RealmPolicy {
  const { parse, stringify } = JSON;
  parts.seal(parts.globals);

  return (exports) => {
    let reply: string | undefined;
    let policy: Record<string, (...given: unknown[]) => unknown> = {};
    let hooks: readonly OptionalHook[] = [];
    /** The call that the policy is in, for the sentence that says where it threw. */
    let call: readonly unknown[] = [];

    function callText(): string {
      const [name, ...given] = call;
      const plain = given.filter((g) => typeof g !== "object").map((g) => stringify(g));
      return call.length === 1 ? `${name}` : `${name}(${plain.join(", ")})`;
    }

    function threw(error: unknown): void {
      reply = `T${stringify([callText(), parts.describe(error)])}`;
    }

    function start(): Started {
      call = ["Its constructor"];
      const real = parts.policyOf(exports.default) as Record<
        string,
        (...given: unknown[]) => unknown
      >;
      const missing = parts.required.find((name) => typeof real[name] !== "function");
      hooks = parts.words.hooks.filter((name) => typeof real[name] === "function");
      const names = [...parts.required, ...hooks];
      const calibrates = typeof real.calibrate === "function";
      if (calibrates) names.push("calibrate");
      policy = {};
      for (const name of names) {
        policy[name] = (...given) => {
          call = [name, ...given];
          return real[name]!(...given);
        };
      }
      const methods = parts.methodsOf(real, parts.mostMethods);
      const field = parts.fieldForMethod(real, parts.optional);
      return {
        ...(missing === undefined ? {} : { missing }),
        ...(field === undefined ? {} : { field }),
        hooks,
        calibrates,
        outsideBudget: parts.outsideBudgetOf(real),
        methods,
      };
    }

    /** The plan as rows `[bits, axis, residual, …hooks]`, or the kind whose statistics are missing. */
    function plan(question: RealmQuestion & { ask: "plan" }): void {
      let needed: string | undefined;
      const stats = (layer: number, kind: "key" | "value", head: number): TokenStats => {
        const row = question.stats[kind]?.[layer]?.[head];
        if (row === undefined) {
          needed = kind;
          throw new Error(`Statistics of ${kind}s are on their way`);
        }
        const named: Record<string, number> = {};
        parts.stats.forEach((name, i) => named[name] = row[i]!);
        return named as unknown as TokenStats;
      };
      try {
        const cells = parts.ask(policy as unknown as Policy, { ...question, stats }, {
          ...parts.words,
          hooks,
        });
        call = ["Reading its answers"];
        const rows = cells.map((cell) =>
          [cell.bits, cell.axis, cell.residual, ...hooks.map((hook) => cell.optional[hook])]
            .map(parts.encode)
        );
        reply = `A${stringify(rows)}`;
      } catch (error) {
        threw(error);
      }
      // Even a policy that swallows the error must be asked again, with statistics.
      if (needed !== undefined) reply = `N${needed}`;
    }

    function put(text: string): void {
      reply = undefined;
      call = [];
      const answer = (value: unknown) => {
        call = ["Reading its answer"];
        try {
          reply = `A${stringify(parts.encode(value))}`;
        } catch (error) {
          threw(error);
        }
      };
      try {
        const question = parse(text) as RealmQuestion;
        if (question.ask === "plan") plan(question);
        else if (question.ask === "start") {
          const problem = parts.exportProblem(exports.default);
          if (problem === undefined) answer(start());
          else reply = `L${problem}`;
        } else if (question.ask === "mode") {
          answer(policy.calibration_mode!(question.workload, question.budget));
        } else Promise.resolve(policy.calibrate?.(question.samples)).then(answer, threw);
      } catch (error) {
        threw(error);
      }
    }

    return { put, take: () => reply };
  };
}
