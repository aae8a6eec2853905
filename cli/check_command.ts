/**
 * Tells of a policy or quantizer file, in seconds and without a model, whether it does what it must.
 *
 * @module
 */
import { openCodecFile } from "../codecs/codec_file.ts";
import { TENSOR_CLASS } from "../codecs/tensor/tensor_process.ts";
import { trial } from "../evaluation/trial.ts";
import { PolicyError } from "../policies/check.ts";
import type { PolicyHost } from "../policies/host.ts";
import { MissingMethodError, REQUIRED_METHODS } from "../policies/methods.ts";
import { openPolicyFile, type PolicyFileOptions } from "../policies/user_policy.ts";
import { print, shownLine } from "../report/terminal.ts";
import type { CheckOptions } from "./check_options.ts";

/**
 * Prints what was seen; the exit code is 0.
 *
 * @throws {UserError} for the first thing that is wrong with the file
 */
export async function check({ file, python, budgetBits, seed }: CheckOptions): Promise<number> {
  const { what, open } = await kindOf(file, python === undefined ? {} : { python });
  const { result, notices } = await trial(open, { budgetBits, seed });
  const { numbers, remarks, ignoredHooks, deviations } = result;
  const bits = numbers.avg_bits_per_kv_token.toFixed(2);
  const codes = what === "policy"
    ? `, codes of ${numbers.code_bits.toFixed(2)} within a budget of ${budgetBits}`
    : "";
  const lines = [
    `${file} is a ${what}, and on random caches it`,
    python === undefined ? "  loads, in the sandbox" : `  loads, in ${python} inside bubblewrap`,
    "  answers the same in a fresh process",
    "  gives the same numbers step by step",
    result.claimed
      ? `  claims ${bits} bits an entry, and stores nothing`
      : `  stores ${bits} bits an entry, as its buffers hold${codes}`,
    `  restores with an error of ${numbers.cache_error.toFixed(4)} of the cache's norm`,
  ];
  const others = [
    ...notices,
    ...remarks,
    ...ignoredHooks.map((hook) => `ignored, since its families do not use it: ${hook}`),
    ...deviations.map((what) => `not as the official code has it: ${what}`),
  ];
  for (const line of [...lines, ...[...new Set(others)].map((text) => `  note: ${text}`)]) {
    print(shownLine(line));
  }
  return 0;
}

/** Whether a file is a policy or a quantizer, by the methods it has. */
async function kindOf(
  file: string,
  options: PolicyFileOptions,
): Promise<{ readonly what: string; readonly open: () => Promise<PolicyHost> }> {
  const policy = { what: "policy", open: () => openPolicyFile(file, options) };
  const quantizer = { what: "quantizer", open: () => openCodecFile(file, options) };
  // A Python file is told by its class; one that cannot be read, by whoever opens it.
  const text = file.endsWith(".py") ? await Deno.readTextFile(file).catch(() => "") : undefined;
  const kinds = text === undefined
    ? [policy, quantizer]
    : [new RegExp(`^class ${TENSOR_CLASS}\\b`, "m").test(text) ? quantizer : policy];
  for (const kind of kinds) {
    try {
      let opened: PolicyHost | undefined = await kind.open();
      // An interpreter takes long to start: what told the kind is tried first.
      const open = () => {
        const host = opened;
        opened = undefined;
        return host === undefined ? kind.open() : Promise.resolve(host);
      };
      return { what: kind.what, open };
    } catch (error) {
      if (!(error instanceof MissingMethodError)) throw error;
    }
  }
  throw new PolicyError(
    `File ${file} is neither a policy nor a quantizer: a policy has ${
      REQUIRED_METHODS.join(", ")
    }, and a quantizer encode and decode`,
  );
}
