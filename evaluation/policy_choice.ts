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
  hostBuiltin,
  isPolicyName,
  type PolicyName,
  policyNames,
} from "../policies/registry.ts";

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
 * A policy: a built-in by name, one of the caller's own, one of the caller's own under a name, or a
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
  | PolicyName
  | OwnPolicy
  | { readonly name: string; readonly policy: OwnPolicy }
  | PolicyHost;

/**
 * Hosts of policies, in order. Built-ins and classes are made afresh; policies of the caller run in
 * this process, with everything that it may do.
 *
 * @throws {PolicyError} for a name that is no built-in's or is given twice, and for an object that
 *   lacks a method
 */
export function openHosts(choices: readonly PolicyChoice[]): PolicyHost[] {
  const taken = new Set<string>();
  return choices.map((choice) => {
    const host = hostOf(choice, taken);
    if (taken.has(host.name)) {
      throw new PolicyError(`Two policies are called ${host.name}; give each a name of its own`);
    }
    taken.add(host.name);
    return host;
  });
}

function hostOf(choice: PolicyChoice, taken: ReadonlySet<string>): PolicyHost {
  if (typeof choice === "string") {
    if (isPolicyName(choice)) return hostBuiltin(choice);
    throw new PolicyError(
      `There is no built-in policy ${JSON.stringify(choice)}; choose one of ${
        policyNames.join(", ")
      }, or give an object that has the methods of a policy`,
    );
  }
  if ("calibrationMode" in choice) return choice;
  if ("policy" in choice) return new InProcessHost(ownName(choice.name), made(choice.policy));
  return new InProcessHost(freeName(choice, taken), made(choice));
}

function made(policy: OwnPolicy): Policy {
  return typeof policy === "function" ? new policy() : policy;
}

/** The name ends up in result lines, so that it must be one word and no built-in's. */
function ownName(name: string): string {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name)) {
    throw new PolicyError(
      `A policy is called ${JSON.stringify(name)}; a name has up to 64 letters, digits, dots, ` +
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
  const given = typeof policy === "function" ? policy.name : policy.constructor?.name;
  const base = given === undefined || given === "" || given === "Object" ? "policy" : given;
  let name = base;
  for (let n = 2; taken.has(name) || builtinLike(name) !== undefined; n++) name = `${base}_${n}`;
  return name;
}
