/**
 * Exports of the entry points, and their members, that say nothing of themselves.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { knownUndocumented } from "./known_gaps.ts";
import type { DenoOutput } from "./run_deno.ts";

/** One finding of `deno doc --lint`: what it is, and where. */
const FINDING = /^error\[[\w-]+\]: (.+)\n +--> (.+?):(\d+):\d+$/gm;

/**
 * What `deno doc --lint` found, a sentence each.
 *
 * @param project folder that paths are told in
 * @param known files to overlook, of which something must be found in each
 */
export function undocumented(
  project: URL,
  { success, stderr }: DenoOutput,
  known: readonly string[] = knownUndocumented,
): string[] {
  const root = fileURLToPath(project);
  const findings = Array.from(stderr.matchAll(FINDING), ([, what, path, line]) => ({
    file: path!.replace(root, "").replaceAll("\\", "/"),
    sentence: `${path!.replace(root, "")}:${line}: ${what}`,
  }));
  if (!success && findings.length === 0) return [stderr.trim()];
  return [
    ...findings.filter(({ file }) => !known.includes(file)).map(({ sentence }) => sentence),
    ...known.filter((file) => !findings.some((finding) => finding.file === file))
      .map((file) => `All of ${file} is documented: take it out of knownUndocumented`),
  ];
}
