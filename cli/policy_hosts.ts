/**
 * Policies and quantizers of a command line, opened: built-ins in this process, files in the sandbox.
 *
 * @module
 */
import { resolve } from "node:path";
import { openCodecFile } from "../codecs/codec_file.ts";
import { PolicyError } from "../policies/check.ts";
import { InProcessHost, type PolicyHost } from "../policies/host.ts";
import { kvtunerPolicy } from "../policies/kvtuner.ts";
import { parseKvtunerTable } from "../policies/kvtuner_table.ts";
import { nameAndGroup, withGroupSize } from "../policies/group_size.ts";
import { type BuiltinName, hostBuiltin, isBuiltinName } from "../policies/registry.ts";
import { readUpTo } from "../policies/read_up_to.ts";
import { openPolicyFile, type PolicyFileOptions } from "../policies/user_policy.ts";
import type { ReplayOptions } from "./replay_options.ts";

/** Bytes of the file of `--kvtuner-table`; no more of it are read. */
export const LONGEST_TABLE = 4 * 2 ** 20;

/** What became of the policies that were asked for. */
export interface OpenedPolicies {
  readonly hosts: readonly PolicyHost[];
  /** Policies that could not be opened, each with its one sentence. */
  readonly failures: readonly { readonly policy: string; readonly reason: string }[];
}

/** Opens every policy and quantizer; one that cannot be opened does not keep the others from running. */
export async function openPolicies(
  options: Pick<
    ReplayOptions,
    "policies" | "quantizers" | "python" | "trust" | "limits" | "quiet" | "kvtunerTable"
  >,
  notice: (sentence: string) => void,
): Promise<OpenedPolicies> {
  const hosts: PolicyHost[] = [];
  const failures: { policy: string; reason: string }[] = [];
  const { python, trust, limits } = options;
  const file = { trust, limits, notice, ...(python === undefined ? {} : { python }) };
  const openings = [
    ...options.policies.map((policy) => ({
      policy,
      open: () => isBuiltinName(policy) ? openBuiltin(policy, options) : openFile(policy, file),
    })),
    ...options.quantizers.map((policy) => ({
      policy,
      open: () => openCodecFile(policy, file),
    })),
  ];
  for (const { policy, open } of openings) {
    try {
      hosts.push(await open());
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      failures.push({ policy, reason: error.message });
    }
  }
  // Where there is nothing to run, the first of them is what the run ends with.
  for (const { reason } of hosts.length > 0 ? failures : failures.slice(1)) notice(reason);
  return { hosts, failures };
}

/** A policy file, perhaps with the size of its groups behind its path. */
async function openFile(text: string, options: PolicyFileOptions): Promise<PolicyHost> {
  const { name: path, groupSize } = nameAndGroup(text);
  const host = await openPolicyFile(path, options);
  return groupSize === undefined ? host : withGroupSize(host, groupSize);
}

/** A built-in; `kvtuner_kivi` with the user's table, where there is one. */
async function openBuiltin(
  text: BuiltinName,
  { kvtunerTable }: Pick<ReplayOptions, "kvtunerTable">,
): Promise<PolicyHost> {
  const { name, groupSize } = nameAndGroup(text);
  if (name !== "kvtuner_kivi" || kvtunerTable === undefined) return hostBuiltin(text);
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readUpTo(kvtunerTable, LONGEST_TABLE);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error instanceof Deno.errors.NotFound) {
      throw new PolicyError(
        `The table ${kvtunerTable} does not exist; it was looked for at ${resolve(kvtunerTable)}`,
      );
    }
    throw new PolicyError(`The table ${kvtunerTable} cannot be read: ${error.message}`);
  }
  if (bytes === undefined) {
    throw new PolicyError(
      `The table ${kvtunerTable} has more than ${LONGEST_TABLE} bytes; a table has fewer`,
    );
  }
  const table = parseKvtunerTable(new TextDecoder().decode(bytes), kvtunerTable);
  const host = new InProcessHost(name, kvtunerPolicy(table), "built-in");
  return groupSize === undefined ? host : withGroupSize(host, groupSize);
}
