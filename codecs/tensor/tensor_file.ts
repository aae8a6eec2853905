/**
 * A user's file in the tensor form, opened.
 *
 * @module
 */
import { PolicyError } from "../../policies/check.ts";
import type { PolicyHost } from "../../policies/host.ts";
import { findInterpreter, startInterpreter } from "../../policies/python/bubblewrap.ts";
import { INTERPRETER_LIMITS, trustedInterpreter } from "../../policies/python/interpreter_link.ts";
import type { PolicyFileOptions } from "../../policies/user_policy.ts";
import { limitsWith, type SandboxLimits } from "../../sandbox/limits.ts";
import { CodecHost } from "../codec_host.ts";
import { CodecPair } from "../codec_pair.ts";
import { TensorHost } from "./tensor_host.ts";
import {
  codecRunner,
  TENSOR_CLASS,
  type TensorInterpreter,
  type TensorSource,
} from "./tensor_process.ts";

/** What a quantizer may use unless others are given: a message holds tensors of several layers. */
const TENSOR_LIMITS: SandboxLimits = {
  ...INTERPRETER_LIMITS,
  stepMs: 60_000,
  runMs: 3_600_000,
  messageBytes: 2 ** 26,
};

/**
 * Opens a Python file in the tensor form: in the user's interpreter, inside bubblewrap unless it is
 * trusted.
 *
 * @throws {PolicyError} when no interpreter is named, or it cannot be used
 * @throws {SandboxError} when the file cannot be loaded
 */
export async function openTensorFile(
  source: TensorSource,
  options: PolicyFileOptions,
): Promise<PolicyHost> {
  const { python, trust } = options;
  if (python === undefined) {
    throw new PolicyError(
      `Quantizer ${source.name} is in Python: ${TENSOR_CLASS} needs PyTorch, so name an ` +
        `interpreter that has it with --python`,
    );
  }
  const limits = limitsWith({ ...TENSOR_LIMITS, ...options.limits });
  if (!trust) return await opened(source, await walled(python), limits);
  const notice = options.notice ?? ((sentence) => console.error(sentence));
  notice(
    `Quantizer ${source.name} is trusted: it runs without a sandbox and may do what this program ` +
      `may do`,
  );
  return await opened(source, trustedInterpreter(python), limits);
}

/** One that has encode and decode is a codec: its bits are those of its bytes. */
async function opened(
  source: TensorSource,
  interpreter: TensorInterpreter,
  limits: SandboxLimits,
): Promise<PolicyHost> {
  const host = await TensorHost.open(source, interpreter, limits);
  if (!host.encodes) return host;
  await host.close();
  const runner = codecRunner(interpreter, source);
  const pair = await CodecPair.start(source.name, runner, limits, { unasked: host.unasked });
  return new CodecHost(pair, true);
}

async function walled(python: string): Promise<TensorInterpreter> {
  const interpreter = await findInterpreter(python);
  const { executable } = interpreter;
  return { executable, start: (program) => startInterpreter(interpreter, program) };
}
