/**
 * A user's codec file, opened.
 *
 * @module
 */
import { resolve } from "node:path";
import { PolicyError } from "../policies/check.ts";
import type { PolicyHost } from "../policies/host.ts";
import { readUpTo } from "../policies/read_up_to.ts";
import { quoted, SandboxError } from "../policies/sandbox/sandbox_error.ts";
import type { SandboxOptions } from "../policies/sandbox/sandbox_host.ts";
import { shown } from "../policies/shown.ts";
import { policyFileName } from "../policies/user_policy.ts";
import { builtinLike } from "../policies/registry.ts";
import { builtInFamilies } from "../quant/registry.ts";
import { CodecHost } from "./codec_host.ts";

const EXTENSIONS = [".ts", ".mts", ".js", ".mjs"];

/** Bytes of a codec's file; no more of it are read. */
const LONGEST_FILE = 4 * 2 ** 20;

/** Bytes of the WebAssembly beside a codec; no more of it are read. */
const LONGEST_WASM = 16 * 2 ** 20;

/**
 * Opens a codec file (`--quantizer`): in two processes of the sandbox, one for each direction, which
 * keep the program from ending until the host is closed: hold it with `await using`. Results are
 * reported under the file's name without its ending. A file beside it of the same name that ends in
 * `.wasm` is given to its `reset`.
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
  options: SandboxOptions = {},
): Promise<PolicyHost> {
  const extension = typeof path !== "string"
    ? undefined
    : EXTENSIONS.find((ending) => path.endsWith(ending));
  if (extension === undefined) {
    throw new PolicyError(
      `Quantizer file ${shown(path)} is no module; its name should end in ${EXTENSIONS.join(", ")}`,
    );
  }
  const name = policyFileName(path);
  const taken = builtinLike(name) ?? builtInFamilies.names.find((n) => n === name.toLowerCase());
  if (taken !== undefined || /^[_.-]*$/.test(name)) {
    throw new PolicyError(
      `Quantizer file ${shown(path)} ` +
        (taken === undefined
          ? "has no name to report its results under"
          : `has the name of the built-in ${taken}; give it another`),
    );
  }
  const bytes = await read(path, LONGEST_FILE);
  if (bytes === undefined) {
    throw new PolicyError(
      `Quantizer file ${shown(path)} does not exist; it was looked for at ${quoted(resolve(path))}`,
    );
  }
  const wasm = await read(`${path.slice(0, -extension.length)}.wasm`, LONGEST_WASM);
  const source = {
    name,
    text: new TextDecoder().decode(bytes),
    language: extension.endsWith("ts") ? "ts" as const : "js" as const,
    ...(wasm === undefined ? {} : { wasm }),
  };
  try {
    return await CodecHost.open(source, options);
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    throw new PolicyError(`Quantizer ${name}: ${error.message}`, { cause: error });
  }
}

/** A file's bytes; undefined when it is not there. */
async function read(path: string, most: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  try {
    bytes = await readUpTo(path, most) as Uint8Array<ArrayBuffer> | undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    const why = error instanceof Deno.errors.IsADirectory
      ? "is a folder"
      : `cannot be read: ${quoted((error as Error).message)}`;
    throw new PolicyError(`Quantizer file ${shown(path)} ${why}`);
  }
  if (bytes === undefined) {
    throw new PolicyError(`Quantizer file ${shown(path)} has more than ${most} bytes`);
  }
  return bytes;
}
