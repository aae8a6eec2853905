/**
 * From the arguments of `kvreplay niah` to checked options.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import {
  ascending,
  gridDepths,
  gridLength,
  MOST_DEPTHS,
  MOST_TOKENS,
} from "../benchmarks/niah/grid_axes.ts";
import {
  type NeedleKindName,
  needleKindNames,
  needleKinds,
} from "../benchmarks/niah/needle_kinds.ts";
import { commandHelp, twoColumns } from "./help.ts";
import { type OptionRow, OPTIONS, valueOptions } from "./option_table.ts";
import { known, OptionValues, refuseUnknown } from "./option_values.ts";
import { EXAMPLES, type ReplayOptions, replayOptionsOf } from "./replay_options.ts";
import { UsageError } from "./usage_error.ts";

const { data: _d, limit: _l, ...OF_EVERY_RUN } = OPTIONS;

/** Every option of `kvreplay niah`, without dashes. */
export const NIAH_OPTIONS = {
  lengths: {
    value: "N[k][,...]",
    help: "tokens of prompt and longest reply together; 4k is 4096 (default: 1k,2k,4k)",
  },
  depths: {
    value: "FROM:TO:STEP|D[,...]",
    help: "where the first needle lies, in per cent of the haystack (default: 0:100:10)",
  },
  haystack: {
    value: "FILE|FOLDER",
    help: "text that needles are hidden in, a file or a folder of .txt and .md",
  },
  kind: {
    value: `${needleKindNames.join("|")}|all`,
    help: "kinds of needles, one or several names (default: single)",
  },
  samples: { value: "N", help: "prompts of each cell (default: 1)" },
  ...OF_EVERY_RUN,
} as const satisfies Record<string, OptionRow>;

/** A right value of every option, for messages. */
const NIAH_EXAMPLES = {
  ...EXAMPLES,
  lengths: "1k,4k,16k",
  depths: "0:100:10",
  haystack: "essays",
  kind: "single,multikey",
  samples: "3",
} as const;

/** Checked options of `kvreplay niah`. */
export interface NiahOptions {
  readonly replay: ReplayOptions;
  readonly kinds: readonly NeedleKindName[];
  /** In tokens, from the shortest. */
  readonly lengths: readonly number[];
  /** 0..1, from the start. */
  readonly depths: readonly number[];
  readonly samples: number;
  /** File or folder; absent where no kind needs one. */
  readonly haystack?: string;
}

/** The text of `kvreplay niah --help`. */
export function niahHelp(summary: string): string {
  const rows = needleKindNames.map((name): [string, string] => [name, needleKinds[name].title]);
  return `${commandHelp("niah", summary, NIAH_OPTIONS)}

Kinds of needles:
${twoColumns(rows)}`;
}

/**
 * Parses the arguments of `kvreplay niah`.
 *
 * @returns undefined when the user asked for help
 * @throws {UsageError} naming the argument and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseNiahOptions } from "./niah_options.ts";
 *
 * const options = parseNiahOptions(["--haystack", "a.txt", "--lengths=1k", "--depths", "0:100:50"]);
 * assertEquals([options?.lengths, options?.depths], [[1024], [0, 0.5, 1]]);
 * ```
 */
export function parseNiahOptions(args: readonly string[]): NiahOptions | undefined {
  const parsed = parseArgs([...args], {
    string: [
      ...valueOptions,
      ...["lengths", "depths", "haystack", "kind", "samples", "_"] as const,
    ],
    boolean: ["stepwise", "audit", "cache", "quiet", "trust", "help"],
    negatable: ["cache"],
    collect: [...valueOptions, "lengths", "depths", "kind"] as const,
    alias: { help: "h" },
    default: { cache: true },
    unknown: refuseUnknown(NIAH_OPTIONS),
  });
  if (parsed.help) return undefined;
  const values = new OptionValues<keyof typeof NIAH_EXAMPLES>(parsed, NIAH_EXAMPLES);
  for (const name of ["data", "limit"] as const) {
    if (values.text(name) !== undefined) refuseUnknown(NIAH_OPTIONS)(`--${name}`, name);
  }
  const kinds = kindsOf(values.names("kind") ?? ["single"]);
  const haystack = values.text("haystack");
  const needsOne = kinds.find((kind) => !("piece" in needleKinds[kind]));
  if (haystack === undefined && needsOne !== undefined) {
    throw new UsageError(
      `Needles of kind ${needsOne} are hidden in a text: give its file or folder with --haystack`,
    );
  }
  const lengths = (values.names("lengths") ?? ["1k", "2k", "4k"]).map(tokensOf);
  const depths = (values.names("depths") ?? ["0:100:10"]).flatMap(depthsOf);
  return {
    replay: replayOptionsOf(parsed, values, []),
    kinds,
    lengths: ascending(lengths),
    depths: ascending(depths),
    samples: values.integer("samples", 1, 10_000) ?? 1,
    ...(haystack === undefined ? {} : { haystack }),
  };
}

function kindsOf(names: readonly string[]): readonly NeedleKindName[] {
  if (names.includes("all")) return needleKindNames;
  return names.map((name) => known("kind of needles", name, needleKindNames));
}

function tokensOf(text: string): number {
  const tokens = gridLength(text);
  if (tokens !== undefined) return tokens;
  throw new UsageError(
    `--lengths has ${
      JSON.stringify(text)
    }; expected tokens from 1 to ${MOST_TOKENS}, as in --lengths ${NIAH_EXAMPLES.lengths}`,
  );
}

/** 0..1. */
function depthsOf(text: string): number[] {
  const depths = gridDepths(text);
  if (depths !== undefined) return depths.map((depth) => depth / 100);
  throw new UsageError(
    `--depths has ${
      JSON.stringify(text)
    }; expected per cent from 0 to 100, or FROM:TO:STEP of up to ${MOST_DEPTHS} depths, as in --depths ${NIAH_EXAMPLES.depths}`,
  );
}
