/**
 * Which files of the onnxruntime packages a binary does without. Deno embeds packages whole; these
 * two hold the libraries of every machine and a dozen builds for browsers, 400 MB together.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { CompileTarget } from "./compile_targets.ts";

/** What of onnxruntime-web is loaded: the two bundles that the engines import and their wasm. */
const WEB_FILES: readonly string[] = [
  "onnxruntime-web/wasm",
  "onnxruntime-web/webgpu",
  "onnxruntime-web/ort-wasm-simd-threaded.wasm",
  "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm",
];

/**
 * Paths of files and folders to leave out.
 *
 * @throws {Deno.errors.NotFound} when the packages are not installed
 */
export function leftOut(target: CompileTarget): string[] {
  return [...unusedBuilds(), ...otherMachines(target)].map((url) => fileURLToPath(url));
}

function* unusedBuilds(): Generator<URL> {
  const kept = new Set(WEB_FILES.map((specifier) => import.meta.resolve(specifier)));
  const dist = new URL("./", [...kept][0]!);
  for (const { name } of Deno.readDirSync(dist)) {
    const url = new URL(name, dist);
    if (!kept.has(url.href)) yield url;
  }
  yield new URL("../lib", dist);
  yield new URL("../docs", dist);
}

function* otherMachines({ native }: CompileTarget): Generator<URL> {
  const bin = new URL("../bin/napi-v6/", import.meta.resolve("onnxruntime-node"));
  for (const { name: system } of Deno.readDirSync(bin)) {
    const systemFolder = new URL(`${system}/`, bin);
    for (const { name: processor } of Deno.readDirSync(systemFolder)) {
      if (`${system}/${processor}` !== native) yield new URL(processor, systemFolder);
    }
  }
}
