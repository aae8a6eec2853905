/**
 * What the library's entry points export has an example that runs. `deno test --doc` runs every block
 * of TypeScript in a comment; this looks that there is one.
 *
 * @module
 */

/** The part of `deno doc --json` that is read. */
export interface Documentation {
  /** Entry points by URL. */
  readonly nodes: Readonly<Record<string, { readonly symbols: readonly DocumentedSymbol[] }>>;
}

/** An export: its name, and every declaration of it. */
export interface DocumentedSymbol {
  readonly name: string;
  readonly declarations: readonly {
    readonly jsDoc?: {
      readonly tags?: readonly { readonly kind: string; readonly doc?: string }[];
    };
  }[];
}

/** A block of code that `deno test --doc` runs: of TypeScript, and not marked to be ignored. */
const RUNNING_BLOCK = /^```(?:ts|typescript)\n([\s\S]*?)^```$/gm;

/**
 * Exports without an example that runs and has their name in it, a sentence each.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { exportsWithoutExample } from "./examples.ts";
 *
 * const symbols = [{ name: "replay", declarations: [{}] }];
 * const [sentence] = exportsWithoutExample({ nodes: { "file:///mod.ts": { symbols } } });
 * assertEquals(sentence, "The export replay has no @example that runs and has its name in it");
 * ```
 */
export function exportsWithoutExample({ nodes }: Documentation): string[] {
  // Where two entry points export the same thing, only one of them has what is said of it.
  const symbols = Map.groupBy(Object.values(nodes).flatMap((node) => node.symbols), (s) => s.name);
  return [...symbols].filter(([, same]) => !same.some(hasExample))
    .map(([name]) => `The export ${name} has no @example that runs and has its name in it`);
}

function hasExample({ name, declarations }: DocumentedSymbol): boolean {
  const named = new RegExp(`\\b${RegExp.escape(name)}\\b`);
  return declarations.flatMap(({ jsDoc }) => jsDoc?.tags ?? [])
    .filter(({ kind }) => kind === "example")
    .flatMap(({ doc = "" }) => [...doc.matchAll(RUNNING_BLOCK)])
    .some(([, code]) => named.test(code!));
}
