/**
 * What loading a model will take, before any of it is done.
 *
 * @module
 */
import prettyBytes from "pretty-bytes";
import { UserError } from "../../errors.ts";
import type { ModelSize } from "../checkpoint/model_size.ts";

/** Models of fewer parameters are loaded without a word. */
const LARGE = 100e6;

/** Bytes of a program with a tokenizer and without weights. */
const BARE = 300 * 2 ** 20;

/** Where weights go: files that are mapped, or buffers of a device. */
export type LoadedInto = "cpu, mapped" | "cpu" | "wasm" | "webgpu" | "webgpu-onnx";

/** Copies of the weights in float32 at the worst moment, and seconds for each gigabyte of them. */
const costs: Readonly<Record<LoadedInto, { readonly copies: number; readonly seconds: number }>> = {
  "cpu, mapped": { copies: 1, seconds: 3.5 },
  "cpu": { copies: 3, seconds: 5 },
  "wasm": { copies: 2.5, seconds: 7 },
  "webgpu": { copies: 1.4, seconds: 2.5 },
  "webgpu-onnx": { copies: 3, seconds: 12 },
};

/** Bytes that a model takes at the worst moment of its loading. */
export function loadBytes({ parameters, tied }: ModelSize, into: LoadedInto): number {
  // What is looked up in and multiplied with is there twice for a moment.
  const twice = into === "cpu, mapped" ? tied : 0;
  return BARE + 4 * (costs[into].copies * parameters + twice);
}

/**
 * What to say before a model is loaded; undefined for one that is small.
 *
 * @param name what the user called it
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { loadSentence } from "./expected_load.ts";
 *
 * const size = { parameters: 494e6, tied: 136e6, formats: ["BF16"] };
 * assertEquals(
 *   loadSentence("Qwen/Qwen2.5-0.5B-Instruct", size, "cpu, mapped"),
 *   "Qwen/Qwen2.5-0.5B-Instruct: 494 million parameters in BF16; loading takes about 2.6 GiB of memory and 7 s",
 * );
 * ```
 */
export function loadSentence(name: string, size: ModelSize, into: LoadedInto): string | undefined {
  if (size.parameters < LARGE) return undefined;
  const [most, ...others] = size.formats;
  const formats = others.length === 0 ? most : `${most} and ${others.join(", ")}`;
  const seconds = Math.ceil(4 * size.parameters / 1e9 * costs[into].seconds);
  return `${name}: ${millions(size.parameters)} parameters in ${formats}; loading takes about ${
    gibibytes(loadBytes(size, into))
  } of memory and ${seconds} s`;
}

/**
 * Refuses a model that does not fit.
 *
 * @param free bytes that there are; undefined when that is not known
 * @throws {UserError} saying how large a model would fit
 */
export function checkFits(
  name: string,
  size: ModelSize,
  into: LoadedInto,
  free: number | undefined,
): void {
  const needed = loadBytes(size, into);
  if (size.parameters < LARGE || free === undefined || needed <= free) return;
  const share = size.parameters / (needed - BARE);
  throw new UserError(
    `${name} has ${millions(size.parameters)} parameters, and loading them takes about ${
      gibibytes(needed)
    } of memory, of which ${gibibytes(Math.max(0, free))} are free: a model of up to ${
      millions(Math.max(0, free - BARE) * share)
    } parameters would fit`,
  );
}

function millions(count: number): string {
  return `${Math.floor(count / 1e6).toLocaleString("en")} million`;
}

function gibibytes(bytes: number): string {
  return prettyBytes(bytes, { binary: true, maximumFractionDigits: 1 });
}
