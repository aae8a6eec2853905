/**
 * The manifest of a result: what it was made from, enough to make it again.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import type { BenchmarkOrigin } from "../evaluation/benchmarks/benchmark_slices.ts";

/** A file or folder of the user's that a command reads. */
export interface InputFile {
  /** As the command names it. */
  readonly path: string;
  readonly bytes: number;
  /** Of a folder: of the names and hashes of the files in it. */
  readonly sha256: string;
  /** What is in it, for the code of policies and quantizers, and for tables. */
  readonly text?: string;
}

/** What has to be run to make a result again. */
export interface Made {
  /** The command and its arguments, without those that say where results and caches go. */
  readonly command: readonly string[];
  /** SHA-256 of the program: every file of its source, and the versions of its libraries. */
  readonly source: string;
  readonly files: readonly InputFile[];
}

/** What every manifest says of how its result was made. */
export interface Provenance extends Made {
  readonly project: { readonly name: string; readonly version: string; readonly commit: string };
  /** Version of the replay contract. */
  readonly contract: string;
  /** Versions of what else the numbers may depend on. */
  readonly versions: Readonly<Record<string, string>>;
  /** Fields of result files that differ from run to run. */
  readonly volatile: readonly string[];
}

/** Models and slices as they were found, before anything was computed. */
export interface Found {
  readonly models: readonly {
    /** As the user named it. */
    readonly name: string;
    /** Fingerprint of weights, configuration, graph and runtime. */
    readonly hash: string;
  }[];
  readonly slices: readonly {
    readonly name: string;
    /** Of an embedded slice of a leaderboard: of its file; else of the examples that are replayed. */
    readonly sha256: string;
  }[];
}

/** A model, and where it is from. */
export type ModelFacts = Found["models"][number] & {
  /** Repository and commit of a model of the hub; null for any other. */
  readonly hub: { readonly name: string; readonly commit: string } | null;
};

/** The manifest of a replay. */
export interface RunManifest extends Provenance {
  readonly engine: {
    readonly device: string;
    /** What the model computed in. */
    readonly precision: string;
    readonly machines: readonly string[];
  };
  readonly models: readonly (ModelFacts & {
    /** Whether prompts went through its chat template; a base model has none. */
    readonly chat_template: boolean;
  })[];
  readonly slices: readonly (Found["slices"][number] & {
    readonly max_new_tokens: number;
    /** Where rows and wording of a benchmark came from. */
    readonly benchmark?: BenchmarkOrigin;
  })[];
  /** Day that chat templates were told. */
  readonly chat_date: string;
  /** Whether the run ended before it was finished. */
  readonly partial: boolean;
  /** ISO 8601, UTC. */
  readonly started: string;
  readonly finished: string;
}

/** A time as manifests have it. */
export function manifestDate(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}

/** What is read of any manifest. */
export interface ReadManifest extends Provenance, Found {
  readonly engine: { readonly machines: readonly string[] };
  readonly models: readonly ModelFacts[];
  readonly partial?: boolean;
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const listOf = (check: Check): Check => (value) => Array.isArray(value) && value.every(check);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const fields = (checks: Readonly<Record<string, Check>>): Check => (value) =>
  isObject(value) && Object.entries(checks).every(([field, check]) => check(value[field]));
const maybe = (check: Check): Check => (value) => value === undefined || check(value);

const CHECKS: Readonly<Record<string, Check>> = {
  project: fields({ version: isText, commit: isText }),
  contract: isText,
  command: (value) => listOf(isText)(value) && (value as string[]).length > 0,
  source: isText,
  files: listOf(fields({ path: isText, sha256: isText, text: maybe(isText) })),
  versions: (value) => isObject(value) && Object.values(value).every(isText),
  engine: fields({ machines: listOf(isText) }),
  models: listOf(fields({
    ...{ name: isText, hash: isText },
    hub: (value) => value === null || fields({ name: isText, commit: isText })(value),
  })),
  slices: listOf(fields({ name: isText, sha256: isText })),
  partial: maybe((value) => typeof value === "boolean"),
};

/**
 * Reads a manifest.
 *
 * @param path for the error's sentence
 * @throws {UserError} when the text is none
 */
export function readManifest(text: string, path: string): ReadManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UserError(`${path} is no manifest: expected the JSON that a run writes with --out`);
  }
  if (!isObject(value)) {
    throw new UserError(`${path} is no manifest: expected the JSON that a run writes with --out`);
  }
  for (const [field, check] of Object.entries(CHECKS)) {
    if (check(value[field])) continue;
    throw new UserError(
      value[field] === undefined
        ? `${path} has no "${field}": it is no manifest, or one of an earlier version`
        : `${path} is no manifest: its "${field}" is ${JSON.stringify(value[field]).slice(0, 80)}`,
    );
  }
  return value as unknown as ReadManifest;
}
