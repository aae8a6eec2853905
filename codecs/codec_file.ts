/**
 * A user's codec file, opened.
 *
 * @module
 */
import { PolicyError } from "../policies/check.ts";
import type { PolicyHost } from "../policies/host.ts";
import { limitsWith } from "../sandbox/limits.ts";
import { SandboxError } from "../sandbox/sandbox_error.ts";
import type { PolicyFileOptions } from "../policies/user_policy.ts";
import { openTensorFile } from "./tensor/tensor_file.ts";
import {
  endingOf,
  type FileKind,
  MODULE_ENDINGS,
  readUserFile,
  reportedName,
} from "../policies/user_file.ts";
import { builtInFamilies } from "../quant/registry.ts";
import { CodecHost } from "./codec_host.ts";

const QUANTIZER: FileKind = {
  what: "Quantizer",
  endings: [...MODULE_ENDINGS, ".py"],
  taken: builtInFamilies.names,
};

/** Bytes of the WebAssembly beside a codec; no more of it are read. */
const LONGEST_WASM = 16 * 2 ** 20;

/**
 * Opens a codec file (`--quantizer`): in two processes of the sandbox, one for each direction, which
 * keep the program from ending until the host is closed: hold it with `await using`. Results are
 * reported under the file's name without its ending. A file beside it of the same name that ends in
 * `.wasm` is given to its `reset`.
 *
 * A file that ends in `.py` has the class `AdaptiveKVQuantizer`, the tensor form of the published task,
 * and runs in the interpreter that the options name. It stores nothing: its memory is what it claims.
 *
 * @throws {PolicyError} for a file that is not there, is no module, has the name of a built-in, lacks
 *   a method or exceeds a limit; one sentence
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open } from "@kvreplay/kvreplay";
 * import { openCodecFile } from "@kvreplay/kvreplay/codecs";
 *
 * const path = await Deno.makeTempFile({ suffix: ".ts" });
 * await Deno.writeTextFile(path, `
 *   import type { Codec } from "@kvreplay/kvreplay/codecs";
 *   export default {
 *     encode: (_layer, _kind, { data }) => new Uint8Array(Float16Array.from(data).buffer),
 *     decode: (_layer, _kind, bytes) => Float32Array.from(new Float16Array(bytes.buffer)),
 *   } satisfies Codec;
 * `);
 * await using codec = await openCodecFile(path);
 * await using lab = await open("mini", { device: "cpu" });
 * const { numbers } = await lab.replay({ prompt: "Why?" }, codec, { maxNewTokens: 2 });
 * assertEquals([numbers.avg_bits_per_kv_token, numbers.code_bits], [16, 0]);
 * await Deno.remove(path);
 * ```
 */
export async function openCodecFile(
  path: string,
  options: PolicyFileOptions = {},
): Promise<PolicyHost> {
  return await openReadCodec(await readCodecFile(path, options), options);
}

/** A quantizer's file and what lies beside it, read: whatever becomes of them, this stays. */
export interface CodecFile {
  /** Name under which results are reported. */
  readonly name: string;
  readonly language: "ts" | "js" | "py";
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The WebAssembly beside it. */
  readonly wasm?: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a quantizer's file.
 *
 * @throws {PolicyError} for a file that cannot be read or be a quantizer
 */
export async function readCodecFile(
  path: string,
  { limits = {} }: Pick<PolicyFileOptions, "limits"> = {},
): Promise<CodecFile> {
  const ending = endingOf(path, QUANTIZER);
  const name = reportedName(path, QUANTIZER);
  const read = await readUserFile(path, QUANTIZER.what, limitsWith(limits).messageBytes);
  const bytes = Uint8Array.from(read);
  if (ending === ".py") return { name, language: "py", bytes };
  const wasm = await besides(path, ending);
  const language = ending.endsWith("ts") ? "ts" : "js";
  return { name, language, bytes, ...(wasm === undefined ? {} : { wasm }) };
}

/**
 * Opens a quantizer whose file was read.
 *
 * @throws {PolicyError} as `openCodecFile`
 */
export async function openReadCodec(
  { name, language, bytes, wasm }: CodecFile,
  options: PolicyFileOptions,
): Promise<PolicyHost> {
  const text = new TextDecoder().decode(bytes);
  try {
    if (language === "py") return await openTensorFile({ name, text }, options);
    if (options.trust) {
      const notice = options.notice ?? ((sentence) => console.error(sentence));
      notice(
        `Quantizer ${name} runs in the sandbox all the same: --trust is for policies and Python`,
      );
    }
    const source = { name, text, language, ...(wasm === undefined ? {} : { wasm }) };
    return await CodecHost.open(source, options);
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    throw new PolicyError(`Quantizer ${name}: ${error.message}`, { cause: error });
  }
}

/**
 * SHA-256 of what decides a quantizer's numbers beside this project: its file, the WebAssembly beside
 * it, and for one in Python which interpreter runs it.
 */
export async function codecHash(
  { language, bytes, wasm }: CodecFile,
  { python }: Pick<PolicyFileOptions, "python"> = {},
): Promise<string> {
  const other = language === "py" ? new TextEncoder().encode(python ?? "") : wasm;
  const hex = async (part: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", part)).toHex();
  const hashes = await Promise.all([bytes, other ?? new Uint8Array(0)].map(hex));
  return await hex(new TextEncoder().encode(hashes.join(" ")));
}

/** The WebAssembly beside a codec; undefined when there is none. */
async function besides(
  path: string,
  ending: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const wasm = `${path.slice(0, -ending.length)}.wasm`;
  try {
    await Deno.stat(wasm);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
  }
  return Uint8Array.from(await readUserFile(wasm, QUANTIZER.what, LONGEST_WASM));
}
