/**
 * What a caller may name as a policy, and the hosts that run it.
 *
 * @module
 */
import { PolicyError } from "../policies/check.ts";
import { InProcessHost, type PolicyHost } from "../policies/host.ts";
import type { Policy } from "../policies/policy.ts";
import {
  builtinLike,
  type BuiltinName,
  hostBuiltin,
  isBuiltinName,
  policyNames,
} from "../policies/registry.ts";
import { quoted } from "../sandbox/sandbox_error.ts";
import { shown } from "../sandbox/shown.ts";

/**
 * An object or a class that satisfies `Policy`; a class is made afresh for every run.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type OwnPolicy } from "@kvreplay/kvreplay";
 *
 * const flat = (bits: number): OwnPolicy => ({
 *   choose_bits: () => bits,
 *   choose_axis: () => "token",
 *   residual_length: () => 0,
 *   calibration_mode: () => "none",
 * });
 * await using lab = await open("mini", { device: "cpu" });
 * const { numbers } = await lab.replay({ prompt: "Why?" }, flat(3), { maxNewTokens: 2 });
 * assertEquals(numbers.code_bits, 3);
 * ```
 */
export type OwnPolicy = Policy | (new () => Policy);

/**
 * A policy: a built-in by name, perhaps with the size of its groups, one of the caller's own, one of the caller's own under a name, or a
 * host such as `openPolicyFile` gives.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open, type PolicyChoice } from "@kvreplay/kvreplay";
 * import { policies } from "@kvreplay/kvreplay/policies";
 *
 * const policy = { ...policies.kivi_overlap_2bit(), residual_length: () => 32 };
 * const choices: PolicyChoice[] = ["kivi_overlap_2bit", { name: "short_window", policy }];
 * await using lab = await open("mini", { device: "cpu" });
 * const { results } = await lab.replay({ prompt: "Why?" }, choices, { maxNewTokens: 2 });
 * assertEquals(results.map((result) => result.policy), ["kivi_overlap_2bit", "short_window"]);
 * ```
 */
export type PolicyChoice =
  | BuiltinName
  | OwnPolicy
  | { readonly name: string; readonly policy: OwnPolicy }
  | PolicyHost;

/** The policies of a run. */
export interface OpenedHosts {
  readonly hosts: readonly PolicyHost[];
  /** Policies that could not be made, each with its one sentence. */
  readonly failures: readonly { readonly policy: string; readonly reason: string }[];
}

/**
 * Hosts of policies, in order. Built-ins and classes are made afresh; policies of the caller run in
 * this process, with everything that it may do. One that lacks a method or cannot be made is among the
 * failures.
 *
 * @throws {PolicyError} for a name that is no built-in's or is given twice, for what is no policy, and
 *   for an empty list
 */
export function openHosts(choices: readonly PolicyChoice[]): OpenedHosts {
  if (choices.length === 0) {
    throw new PolicyError(`The list of policies is ${shown(choices)}; expected one at least`);
  }
  const taken = new Set<string>();
  const hosts: PolicyHost[] = [];
  const failures: { policy: string; reason: string }[] = [];
  for (const choice of choices) {
    const { name, open } = named(choice, taken);
    if (taken.has(name)) {
      throw new PolicyError(`Two policies are called ${name}; give each a name of its own`);
    }
    taken.add(name);
    try {
      hosts.push(open());
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      failures.push({ policy: name, reason: quoted(error.message, 600) });
    }
  }
  return { hosts, failures };
}

/** A policy's name, and how it is opened. */
interface Named {
  readonly name: string;
  open(): PolicyHost;
}

function named(choice: PolicyChoice, taken: ReadonlySet<string>): Named {
  if (typeof choice === "string") {
    if (isBuiltinName(choice)) return { name: choice, open: () => hostBuiltin(choice) };
    throw new PolicyError(
      `There is no built-in policy ${JSON.stringify(choice)}; choose one of ${
        policyNames.join(", ")
      }, or give an object that has the methods of a policy`,
    );
  }
  if (Object(choice) !== choice) {
    throw new PolicyError(
      `A policy is ${shown(choice)}; expected the name of a built-in, an object or a class`,
    );
  }
  if ("calibrationMode" in choice) return { name: choice.name, open: () => choice };
  const own = (name: string, policy: OwnPolicy) => ({
    name,
    open: () => new InProcessHost(name, policy),
  });
  if ("policy" in choice && !("choose_bits" in choice)) {
    return own(ownName(choice.name), choice.policy);
  }
  return own(freeName(choice as OwnPolicy, taken), choice as OwnPolicy);
}

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/** The name ends up in result lines, so that it must be one word and no built-in's. */
function ownName(name: string): string {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new PolicyError(
      `A policy is called ${shown(name)}; a name has up to 64 letters, digits, dots, ` +
        `dashes and underscores`,
    );
  }
  const builtin = builtinLike(name);
  if (builtin !== undefined) {
    throw new PolicyError(`A policy has the name of the built-in ${builtin}; give it another`);
  }
  return name;
}

/** A name that no other policy of the run has: the class's, else `policy`. */
function freeName(policy: OwnPolicy, taken: ReadonlySet<string>): string {
  const given: unknown = typeof policy === "function" ? policy.name : policy.constructor?.name;
  const isName = typeof given === "string" && NAME.test(given) && given !== "Object";
  const base = isName ? given : "policy";
  let name = base;
  for (let n = 2; taken.has(name) || builtinLike(name) !== undefined; n++) name = `${base}_${n}`;
  return name;
}
