/**
 * From the arguments of `deno task bench --growth` to the figure's file.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { OptionValues, refuseUnknown } from "../../cli/option_values.ts";
import { UsageError } from "../../cli/usage_error.ts";

/** The option with a right value. */
const EXAMPLES = { growth: "growth.svg" };

/**
 * Parses the arguments.
 *
 * @throws {UsageError} for what no option takes
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseGrowthOptions } from "./growth_options.ts";
 *
 * assertEquals(parseGrowthOptions(["--growth", "growth.svg"]), "growth.svg");
 * ```
 */
export function parseGrowthOptions(args: readonly string[]): string {
  const parsed = parseArgs([...args], { string: ["growth"], unknown: refuseUnknown(EXAMPLES) });
  const figure = new OptionValues(parsed, EXAMPLES).text("growth");
  if (figure === undefined || !figure.endsWith(".svg")) {
    throw new UsageError(
      `--growth names ${JSON.stringify(figure)}; give a file for the figure, as in ` +
        `--growth growth.svg`,
    );
  }
  return figure;
}
