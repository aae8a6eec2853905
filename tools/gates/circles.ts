/**
 * Circles between files: a file that imports itself, in however many steps. Imports of types count.
 *
 * @module
 */
import type { Import } from "./module_graph.ts";

/**
 * Circles, each as the files it goes through, the first once more at its end. Empty when there is
 * none; where circles share files, not every one of them need be named.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { circles } from "./circles.ts";
 *
 * const types = { typesOnly: true };
 * assertEquals(
 *   circles([{ from: "a.ts", to: "b.ts", ...types }, { from: "b.ts", to: "a.ts", ...types }]),
 *   [["a.ts", "b.ts", "a.ts"]],
 * );
 * ```
 */
export function circles(imports: readonly Import[]): string[][] {
  const next = Map.groupBy(imports, ({ from }) => from);
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    path.push(file);
    for (const { to } of next.get(file) ?? []) visit(to);
    path.pop();
    done.add(file);
  };
  for (const file of next.keys()) visit(file);
  return found;
}
