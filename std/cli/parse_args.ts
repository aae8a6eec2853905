/**
 * `parseArgs` of `@std/cli/parse-args` for named string, boolean and collected options, over
 * `parseArgs` of `node:util`. Without the `links` line of deno.json the real package takes its place.
 *
 * @module
 */
import { parseArgs as parseTokens, type ParseArgsConfig } from "node:util";

/** What may be said about the options. */
export interface ParseOptions<
  B extends string = string,
  S extends string = string,
  C extends string = string,
> {
  /** Options that take no value; false unless given. */
  boolean?: readonly B[];
  /** Options that take a text; the empty text when the value is missing. */
  string?: readonly S[];
  /** Options that may be repeated; their values come as an array. */
  collect?: readonly C[];
  /** Boolean options that `--no-NAME` turns off. */
  negatable?: readonly string[];
  /** Other names of an option. */
  alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Values of options that were not given. */
  default?: Readonly<Record<string, unknown>>;
  /** Called for what no option names; the argument is dropped when it returns false. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** What `parseArgs` found. */
export type Args<B extends string, S extends string, C extends string> =
  & { [K in B]: boolean }
  & { [K in Exclude<S, C>]?: string }
  & { [K in Extract<S, C>]: string[] }
  & { [key: string]: unknown; _: (string | number)[] };

/**
 * Parses command line arguments.
 *
 * @example
 * ```ts
 * import { parseArgs } from "@std/cli/parse-args";
 * import { assertEquals } from "@std/assert";
 *
 * const args = parseArgs(["--limit", "2", "--no-cache", "x"], {
 *   string: ["limit"],
 *   boolean: ["cache"],
 *   negatable: ["cache"],
 *   default: { cache: true },
 * });
 * assertEquals({ ...args }, { limit: "2", cache: false, _: ["x"] });
 * ```
 */
export function parseArgs<
  B extends string = never,
  S extends string = never,
  C extends string = never,
>(args: string[], options: ParseOptions<B, S, C> = {}): Args<B, S, C> {
  const names = new Names(options);
  const result: Record<string, unknown> = { _: [] };
  const positionals = result["_"] as (string | number)[];
  const { tokens } = parseTokens({
    args: closeMissingValues(args, names),
    options: names.forNode(),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  let afterTerminator = false;
  for (const token of tokens) {
    if (token.kind === "option-terminator") afterTerminator = true;
    else if (token.kind === "positional") {
      if (!afterTerminator && options.unknown?.(token.value) === false) continue;
      positionals.push(names.strings.has("_") ? token.value : numeric(token.value));
    } else names.set(result, token);
  }
  names.fillIn(result);
  return result as Args<B, S, C>;
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
}

class Names {
  readonly strings: ReadonlySet<string>;
  readonly booleans: ReadonlySet<string>;
  readonly #collect: ReadonlySet<string>;
  readonly #negatable: ReadonlySet<string>;
  /** Every name with all the names that mean the same, itself included. */
  readonly #same = new Map<string, readonly string[]>();

  constructor(private readonly options: ParseOptions) {
    for (const [name, value] of Object.entries(options.alias ?? {})) {
      const all = [name, ...(typeof value === "string" ? [value] : value)];
      for (const one of all) this.#same.set(one, all);
    }
    const all = (list: readonly string[] = []) => new Set(list.flatMap((n) => this.same(n)));
    this.strings = all(options.string);
    this.booleans = all(options.boolean);
    this.#collect = all(options.collect);
    this.#negatable = all(options.negatable);
  }

  same(name: string): readonly string[] {
    return this.#same.get(name) ?? [name];
  }

  forNode(): NonNullable<ParseArgsConfig["options"]> {
    const described: NonNullable<ParseArgsConfig["options"]> = {};
    for (const name of this.strings) described[name] = { type: "string" };
    for (const name of this.booleans) described[name] = { type: "boolean" };
    return described;
  }

  set(result: Record<string, unknown>, token: OptionToken): void {
    const negated = token.name.startsWith("no-") ? token.name.slice(3) : undefined;
    if (negated !== undefined && this.#negatable.has(negated) && token.value === undefined) {
      for (const name of this.same(negated)) result[name] = false;
      return;
    }
    const isBoolean = this.booleans.has(token.name);
    const known = isBoolean || this.strings.has(token.name) || this.#same.has(token.name);
    const value = isBoolean ? token.value !== "false" : token.value ?? true;
    if (!known) {
      const shown = token.value === undefined ? token.rawName : `${token.rawName}=${token.value}`;
      if (this.options.unknown?.(shown, token.name, value) === false) return;
    }
    for (const name of this.same(token.name)) {
      const before = result[name];
      result[name] = !this.#collect.has(name)
        ? value
        : Array.isArray(before)
        ? [...before, value]
        : [value];
    }
  }

  fillIn(result: Record<string, unknown>): void {
    for (const [key, value] of Object.entries(this.options.default ?? {})) {
      for (const name of this.same(key)) if (!Object.hasOwn(result, name)) result[name] = value;
    }
    for (const name of this.booleans) {
      if (!Object.hasOwn(result, name)) result[name] = this.#collect.has(name) ? [] : false;
    }
    for (const name of this.strings) {
      if (!Object.hasOwn(result, name) && this.#collect.has(name)) result[name] = [];
    }
  }
}

/** A text option followed by another option, or by nothing, has the empty text as its value. */
function closeMissingValues(args: readonly string[], names: Names): string[] {
  const end = args.indexOf("--");
  return args.map((arg, i) => {
    if (!arg.startsWith("--") || (end >= 0 && i >= end)) return arg;
    const next = args[i + 1];
    const missing = next === undefined || next.startsWith("-");
    return names.strings.has(arg.slice(2)) && missing ? `${arg}=` : arg;
  });
}

function numeric(text: string): string | number {
  return /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(e[-+]?\d+)?$|^0x[0-9a-f]+$/i.test(text)
    ? Number(text)
    : text;
}
