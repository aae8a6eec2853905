/**
 * The machines a binary is made for.
 *
 * @module
 */

/** A machine that Deno compiles for. */
export interface CompileTarget {
  /** Target triple of `deno compile`. */
  readonly triple: string;
  /** Folder of its add-on in onnxruntime-node, below `bin/napi-v6/`. */
  readonly native: string;
  /** Name of the binary. */
  readonly file: string;
}

/** Every target by the name of its task. */
export const compileTargets = {
  "linux-x64": { triple: "x86_64-unknown-linux-gnu", native: "linux/x64", file: "kvreplay" },
  "linux-arm64": { triple: "aarch64-unknown-linux-gnu", native: "linux/arm64", file: "kvreplay" },
  "macos-arm64": { triple: "aarch64-apple-darwin", native: "darwin/arm64", file: "kvreplay" },
  "macos-x64": { triple: "x86_64-apple-darwin", native: "darwin/x64", file: "kvreplay" },
  "windows-x64": { triple: "x86_64-pc-windows-msvc", native: "win32/x64", file: "kvreplay.exe" },
} as const satisfies Record<string, CompileTarget>;

/** Name of a target. */
export type TargetName = keyof typeof compileTargets;

/** Whether `name` is a target. */
export function isTargetName(name: string): name is TargetName {
  return Object.hasOwn(compileTargets, name);
}

/**
 * The target that is the machine with this triple, as `Deno.build.target` spells it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { targetOfTriple } from "./compile_targets.ts";
 *
 * assertEquals(targetOfTriple("aarch64-apple-darwin"), "macos-arm64");
 * ```
 */
export function targetOfTriple(triple: string): TargetName | undefined {
  return (Object.keys(compileTargets) as TargetName[]).find((name) =>
    compileTargets[name].triple === triple
  );
}
