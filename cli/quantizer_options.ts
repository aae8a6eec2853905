/**
 * What every command that takes files with quantizers is told of them.
 *
 * @module
 */
import { builtinLike } from "../policies/registry.ts";
import { policyFileName } from "../policies/user_policy.ts";
import { LIMIT_BOUNDS, type SandboxLimits } from "../sandbox/limits.ts";
import { quantizerFiles } from "./chosen_policies.ts";
import type { OptionValues } from "./option_values.ts";
import { UsageError } from "./usage_error.ts";

/** Right values of the options, for messages. */
export const QUANTIZER_EXAMPLES = {
  quantizer: "my_quantizer.ts",
  python: "./.venv/bin/python",
  "policy-step-ms": "500",
  "policy-run-ms": "60000",
  "policy-memory-mib": "256",
  "policy-message-bytes": "65536",
  "policy-calibrations": "16",
  "policy-held-mib": "1024",
  "policy-work-ms": "600000",
} as const;

type QuantizerOption = keyof typeof QUANTIZER_EXAMPLES;

/** What the options say. */
export interface QuantizerOptions {
  /** Paths of quantizer files. */
  readonly quantizers: readonly string[];
  /** Interpreter of the user's for Python files. */
  readonly python?: string;
  /** Whether files run without their walls. */
  readonly trust: boolean;
  /** Limits of the sandbox that the user set. */
  readonly limits: Partial<SandboxLimits>;
}

/** The sandbox's limits, by option. */
const LIMITS = {
  "policy-step-ms": "stepMs",
  "policy-run-ms": "runMs",
  "policy-memory-mib": "memoryMib",
  "policy-message-bytes": "messageBytes",
  "policy-calibrations": "calibrations",
  "policy-held-mib": "heldMib",
  "policy-work-ms": "workMs",
} as const satisfies Partial<Record<QuantizerOption, keyof SandboxLimits>>;

/**
 * The values of the options.
 *
 * @param policies what else is reported
 * @throws {UsageError} for what is no file, and for two of one name
 */
export function quantizerOptionsOf(
  { quantizer, trust }: { readonly quantizer: readonly string[]; readonly trust: boolean },
  values: OptionValues<QuantizerOption>,
  policies: readonly string[],
): QuantizerOptions {
  const python = values.text("python");
  const limits: { -readonly [K in keyof SandboxLimits]?: number } = {};
  for (const option of Object.keys(LIMITS) as (keyof typeof LIMITS)[]) {
    const limit = LIMITS[option];
    const value = values.integer(option, ...LIMIT_BOUNDS[limit]);
    if (value !== undefined) limits[limit] = value;
  }
  return {
    quantizers: quantizerFiles(quantizer, QUANTIZER_EXAMPLES.quantizer, policies),
    ...(python === undefined ? {} : { python }),
    trust,
    limits,
  };
}

/** The same for a command that knows policies by name alone: none of its files may have such a name. */
export function ownQuantizersOf(
  ...[parsed, values, policies]: Parameters<typeof quantizerOptionsOf>
): QuantizerOptions {
  const options = quantizerOptionsOf(parsed, values, policies);
  for (const path of options.quantizers) {
    const taken = builtinLike(policyFileName(path));
    if (taken === undefined) continue;
    throw new UsageError(
      `--quantizer ${path} has the name of the built-in ${taken}; give the file another`,
    );
  }
  return options;
}
