/**
 * From the arguments of `kvreplay new` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import type { OptionRow } from "./option_table.ts";
import { known, OptionValues, refuseUnknownOptions } from "./option_values.ts";
import { UsageError } from "./usage_error.ts";

/** What stands behind the command. */
export const NEW_OPERAND = "policy|quantizer NAME";

/** Every option of `kvreplay new`, without dashes. */
export const NEW_OPTIONS = {
  out: { value: "DIR", help: "folder of the new files (default: the current one)" },
  python: {
    help:
      "in Python; a quantizer then needs an interpreter with PyTorch: --python PATH names yours",
  },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;

/** What can be made. */
export type NewKind = "policy" | "quantizer";

/** Checked options. */
export interface NewOptions {
  readonly kind: NewKind;
  /** One word, as results are reported under. */
  readonly name: string;
  readonly out: string;
  /** Whether it is written in Python. */
  readonly python: boolean;
  /** The interpreter for it, where one is named. */
  readonly interpreter?: string;
}

/**
 * Parses the arguments of `kvreplay new`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} for anything but a kind and a name
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseNewOptions } from "./new_options.ts";
 *
 * const options = parseNewOptions(["policy", "keys_first"]);
 * assertEquals(options, { kind: "policy", name: "keys_first", out: ".", python: false });
 * ```
 */
export function parseNewOptions(args: readonly string[]): NewOptions | undefined {
  const parsed = parseArgs([...args], {
    string: ["out", "_"],
    boolean: ["python", "help"],
    alias: { help: "h" },
    unknown: refuseUnknownOptions(NEW_OPTIONS),
  });
  if (parsed.help) return undefined;
  // No name has a slash, and every path of an interpreter does.
  const paths = parsed.python ? parsed._.map(String).filter((word) => word.includes("/")) : [];
  const [kind, name, ...more] = parsed._.map(String).filter((word) => !paths.includes(word));
  if (kind === undefined || name === undefined || more.length > 0 || paths.length > 1) {
    const given = parsed._.length === 0 ? "nothing" : JSON.stringify(parsed._.join(" "));
    throw new UsageError(`The command new takes ${NEW_OPERAND}, and got ${given}`);
  }
  if (!/^[A-Za-z0-9_-]{1,60}$/.test(name)) {
    throw new UsageError(
      `The name is ${
        JSON.stringify(name)
      }; expected up to 60 letters, digits, dashes and underscores`,
    );
  }
  const made = known("kind", kind, ["policy", "quantizer"]);
  return {
    kind: made,
    name,
    out: new OptionValues(parsed, { out: "mine" }).text("out") ?? ".",
    python: parsed.python,
    ...(paths[0] === undefined ? {} : { interpreter: paths[0] }),
  };
}
