/**
 * The policies of a command line: which were asked for by name, and with groups of which sizes.
 *
 * @module
 */
import { resolve } from "node:path";
import { grouped, nameAndGroup } from "../policies/group_size.ts";
import {
  type BuiltinName,
  defaultPolicies,
  enginePolicies,
  familiesOf,
  groupsOf,
  isBuiltinName,
  isPolicyName,
  policyNames,
} from "../policies/registry.ts";
import { isPolicyPath, policyFileName } from "../policies/user_policy.ts";
import { list, missingValue, separated } from "./option_values.ts";
import { UsageError } from "./usage_error.ts";

/** Names of several built-ins at once. */
const SETS: ReadonlyMap<string, readonly string[]> = new Map([
  ["all", policyNames],
  ["engines", enginePolicies],
]);

/** What a command line says of policies. */
export interface GivenPolicies {
  /** Values of `--policy`. */
  readonly policy: readonly string[];
  /** Values of `--group-size`, if there are any. */
  readonly groupSizes?: readonly number[];
  /** A right value of `--policy`, for messages. */
  readonly example: string;
}

/** Policies, each with the size of its groups at its end where one was asked for. */
export interface ChosenPolicies<Name extends string = string> {
  /** Names of built-ins and paths of policy files, in the order they are run. */
  readonly policies: readonly Name[];
  /** Those of them that were asked for by name; `all` and `engines` are none. */
  readonly named: readonly Name[];
  /** What of `--group-size` comes to nothing, a sentence each. */
  readonly ungrouped: readonly string[];
}

/** Built-in policies of `--policy`, which may be repeated and hold several names; all by default. */
export function chosenBuiltins(given: GivenPolicies): ChosenPolicies<BuiltinName> {
  return chosen(given, policyNames, () => false) as ChosenPolicies<BuiltinName>;
}

/** The same with the paths of policy files among the names; `defaultPolicies` by default. */
export function chosenPolicies(given: GivenPolicies): ChosenPolicies {
  return chosen(given, defaultPolicies, isPolicyPath);
}

/**
 * Files of `--quantizer`, which may be repeated and hold several.
 *
 * @param policies what else is reported
 */
export function quantizerFiles(
  given: readonly string[],
  example: string,
  policies: readonly string[],
): readonly string[] {
  if (given.includes("")) throw missingValue("quantizer", example);
  const files = given.flatMap(separated);
  const wrong = files.find((file) => !isPolicyPath(file));
  if (wrong !== undefined) {
    throw new UsageError(
      `--quantizer is ${JSON.stringify(wrong)}; expected a file such as ${example}`,
    );
  }
  const all = distinct([...policies, ...files]);
  return files.filter((file, i) => files.indexOf(file) === i && all.includes(file));
}

function chosen(
  { policy, groupSizes, example }: GivenPolicies,
  absent: readonly string[],
  isFile: (name: string) => boolean,
): ChosenPolicies {
  if (policy.includes("")) throw missingValue("policy", example);
  const parts = policy.flatMap(separated);
  const names = parts.filter((part) => !SETS.has(part));
  for (const name of names) check(name, isFile);
  const regrouped = (some: readonly string[]) => some.flatMap((name) => inGroups(name, groupSizes));
  const all = policy.length === 0 ? absent : parts.flatMap((part) => SETS.get(part) ?? [part]);
  return {
    policies: distinct([...new Set(regrouped(all))]),
    named: distinct([...new Set(regrouped(names))]),
    ungrouped: groupSizes === undefined ? [] : names.flatMap(ungrouped),
  };
}

function check(text: string, isFile: (name: string) => boolean): void {
  const { name, groupSize } = nameAndGroup(text);
  if (isBuiltinName(text) || (!isPolicyName(name) && isFile(name))) return;
  if (isPolicyName(name)) {
    throw new UsageError(
      `Policy ${name} has no groups, so there is no ${
        JSON.stringify(text)
      }; leave out @g${groupSize}`,
    );
  }
  throw new UsageError(
    `Unknown policy ${JSON.stringify(text)}; expected all or ${list([...policyNames, "engines"])}`,
  );
}

/** A policy in groups of every size that was asked for, where it has groups and no size yet. */
function inGroups(text: string, sizes: readonly number[] | undefined): readonly string[] {
  const { name, groupSize } = nameAndGroup(text);
  if (sizes === undefined || groupSize !== undefined) return [text];
  if (isPolicyName(name) && groupsOf(name).length === 0) return [text];
  return sizes.map((size) => grouped(name, size));
}

/** What a user should know who asked for a built-in by name, and for groups that it does not have. */
function ungrouped(name: string): string[] {
  if (!isPolicyName(name) || groupsOf(name).length > 0) return [];
  const families = familiesOf(name);
  if (families.length === 0) return [];
  return [
    `Policy ${name}: its family ${families.join(", ")} takes no group size, so it runs as it is`,
  ];
}

/** The policies, each once, of which no two would be reported under one name. */
function distinct(policies: readonly string[]): readonly string[] {
  const pathOf = new Map<string, string>();
  return policies.filter((policy) => {
    if (isBuiltinName(policy)) return true;
    const { name: path, groupSize } = nameAndGroup(policy);
    const own = policyFileName(path);
    const name = groupSize === undefined ? own : grouped(own, groupSize);
    const before = pathOf.get(name);
    if (before === undefined) {
      pathOf.set(name, path);
      return true;
    }
    if (resolve(before) === resolve(path)) return false;
    throw new UsageError(
      `The files ${JSON.stringify(before)} and ${
        JSON.stringify(path)
      } would both be reported as ${name}; give one of them another name`,
    );
  });
}
