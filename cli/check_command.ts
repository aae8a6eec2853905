/**
 * Tells of a policy or quantizer file, in seconds and without a model, whether it does what it must.
 *
 * @module
 */
import { openCodecFile } from "../codecs/codec_file.ts";
import { TENSOR_CLASS } from "../codecs/tensor/tensor_process.ts";
import { trial } from "../evaluation/trial.ts";
import { PolicyError } from "../policies/check.ts";
import { POLICY_CLASS } from "../policies/python/asker_words.ts";
import type { PolicyHost } from "../policies/host.ts";
import { MissingMethodError } from "../policies/methods.ts";
import { readUpTo } from "../policies/read_up_to.ts";
import { openPolicyFile, type PolicyFileOptions } from "../policies/user_policy.ts";
import { print, shownLine } from "../report/terminal.ts";
import { DEFAULT_LIMITS } from "../sandbox/limits.ts";
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
    ...(numbers.cache_error < 1
      ? []
      : ["what it restores is no nearer to the cache than zeros are"]),
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
  // One that cannot be read, or is too long, is told by whoever opens it.
  const bytes = await readUpTo(file, DEFAULT_LIMITS.messageBytes).catch(() => undefined);
  const text = new TextDecoder().decode(bytes);
  if (file.endsWith(".py") && text !== "" && ![POLICY_CLASS, TENSOR_CLASS].some(mentioned(text))) {
    throw new PolicyError(
      `File ${file} is neither a policy, which is a class ${POLICY_CLASS}, nor a quantizer, which ` +
        `is a class ${TENSOR_CLASS}`,
    );
  }
  const kinds = kindsBy(text, file.endsWith(".py")).map((what) =>
    what === "policy" ? policy : quantizer
  );
  const lacks: string[] = [];
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
      if (!(error instanceof MissingMethodError) || kinds.length === 1) throw error;
      lacks.push(error.message);
    }
  }
  throw new PolicyError(
    `File ${file} is neither a policy nor a quantizer: ${lacks.join("; ")}`,
  );
}

function mentioned(text: string): (name: string) => boolean {
  return (name) => new RegExp(`\\b${name}\\b`).test(text);
}

/** What a file may be, the likelier first: in Python its class tells, else the methods' names. */
function kindsBy(text: string, python: boolean): readonly ("policy" | "quantizer")[] {
  const has = mentioned(text);
  if (python) return [has(TENSOR_CLASS) && !has(POLICY_CLASS) ? "quantizer" : "policy"];
  return has("choose_bits") || !has("encode") && !has("decode")
    ? ["policy", "quantizer"]
    : ["quantizer", "policy"];
}
