/**
 * The options of `kvreplay families`.
 *
 * @module
 */
import type { OptionRow } from "./option_table.ts";

/** Every option, without dashes. */
export const FAMILIES_OPTIONS = {
  json: { help: "the rows as JSON, with every field" },
  help: { help: "this text" },
} as const satisfies Record<string, OptionRow>;
