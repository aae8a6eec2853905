/**
 * Exports of the entry points, and their members, that say nothing of themselves.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { DenoOutput } from "./run_deno.ts";

/** One finding of `deno doc --lint`: what it is, and where. */
const FINDING = /^error\[[\w-]+\]: (.+)\n +--> (.+?):(\d+):\d+$/gm;

/**
 * What `deno doc --lint` found, a sentence each.
 *
 * @param project folder that paths are told in
 */
export function undocumented(project: URL, { success, stderr }: DenoOutput): string[] {
  const root = fileURLToPath(project);
  const findings = Array.from(
    stderr.matchAll(FINDING),
    ([, what, path, line]) => `${path!.replace(root, "")}:${line}: ${what}`,
  );
  return success || findings.length > 0 ? findings : [stderr.trim()];
}
