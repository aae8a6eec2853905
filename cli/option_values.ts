/**
 * Values of options, read and checked one by one. The text that a user gave is quoted in every
 * message.
 *
 * @module
 */
import type { Device, Precision } from "../engine/devices/open.ts";
import { UsageError } from "./usage_error.ts";

/** Named here too, so that a help text does not load the engines. */
export const PRECISIONS = ["float32", "float16"] as const satisfies readonly Precision[];
export const DEVICES = [
  "auto",
  "webgpu",
  "webgpu-onnx",
  "cpu",
  "wasm",
] as const satisfies readonly Device[];

/** For `parseArgs`: refuses what no option of a table names. */
export function refuseUnknown(
  options: Readonly<Record<string, unknown>>,
): (arg: string, key?: string) => never {
  const known = Object.keys(options).map((name) => `--${name}`).join(", ");
  return (arg, key) => {
    const now = renamed(key);
    if (now !== undefined && Object.hasOwn(options, now)) {
      throw new UsageError(
        `There is no option --${key} any more; give --${now}, with one or several names`,
      );
    }
    throw new UsageError(
      key === undefined
        ? `Unexpected argument ${JSON.stringify(arg)}; expected only options: ${known}`
        : `Unknown option ${arg.split("=")[0]}; expected one of ${known}${
          /^-\d/.test(arg) ? ` (a negative number is written --NAME=${arg})` : ""
        }`,
    );
  };
}

/** The same for a command that takes more than options: what is none is looked at by the command. */
export function refuseUnknownOptions(
  options: Readonly<Record<string, unknown>>,
): (arg: string, key?: string) => void {
  const refuse = refuseUnknown(options);
  return (arg, key) => {
    if (key !== undefined) refuse(arg, key);
  };
}

/** What was given beside options, for a message that expected something else. */
export function givenOperands(operands: readonly string[]): string {
  return operands.map((operand) => JSON.stringify(operand)).join(" ") || "nothing";
}

/** What an option is called that had a name of its own in one command. */
const NOW_CALLED = { models: "model", slices: "slice", policies: "policy" } as const;

function renamed(key: string | undefined): string | undefined {
  return key !== undefined && Object.hasOwn(NOW_CALLED, key)
    ? NOW_CALLED[key as keyof typeof NOW_CALLED]
    : undefined;
}

/** The error for an option without its value. */
export function missingValue(name: string, example: string): UsageError {
  return new UsageError(`--${name} needs a value, as in --${name} ${example}`);
}

/** Reads and checks the values of one command line. */
export class OptionValues<Name extends string> {
  /**
   * @param parsed what `parseArgs` found
   * @param examples a right value of every option, for messages
   */
  constructor(
    private readonly parsed: Readonly<Record<string, unknown>>,
    private readonly examples: Readonly<Record<Name, string>>,
  ) {}

  /** A text; undefined when the option is not given. */
  text(name: Name): string | undefined {
    const given = this.#given(name);
    if (given.length > 1) {
      throw new UsageError(
        `--${name} is given ${given.length} times, ${
          given.map((text) => JSON.stringify(text)).join(" and ")
        }; this command takes one`,
      );
    }
    return given[0];
  }

  /** Every text that was given for an option. */
  #given(name: Name): string[] {
    const value = this.parsed[name];
    const given = value === undefined ? [] : Array.isArray(value) ? value : [value];
    for (const text of given) {
      if (typeof text !== "string" || text === "") throw missingValue(name, this.examples[name]);
    }
    return given;
  }

  /** A whole number from `min` to `max`. */
  integer(name: Name, min: number, max?: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    return integerOf(name, text, min, max);
  }

  /** A decimal number from `min` to `max`. */
  decimal(name: Name, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      throw new UsageError(
        `--${name} must be a number from ${min} to ${max}, got ${JSON.stringify(text)}`,
      );
    }
    return value;
  }

  /** A number of bytes, above 0. */
  size(name: Name): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const [, number, unit] = /^(\d+(?:\.\d+)?) ?([kmgt]i?b)$/i.exec(text) ?? [];
    const bytes = number === undefined ? 0 : Math.floor(Number(number) * bytesOfUnit(unit!));
    if (bytes === 0) {
      throw new UsageError(
        `--${name} must be a size with its unit, such as ${this.examples[name]} or 500MB, got ${
          JSON.stringify(text)
        }`,
      );
    }
    return bytes;
  }

  /** One of `values`. */
  oneOf<T extends string>(name: Name, values: readonly T[]): T | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : known(name, text, values);
  }

  /** Names of an option that may be repeated and hold several, each once, in the order given. */
  names(name: Name): string[] | undefined {
    const names = this.#given(name).flatMap(separated);
    if (names.includes("")) throw missingValue(name, this.examples[name]);
    return names.length === 0 ? undefined : [...new Set(names)];
  }

  /** Whole numbers from `min` to `max`, as `names` has names. */
  integers(name: Name, min: number, max: number): number[] | undefined {
    return this.names(name)?.map((text) => integerOf(name, text, min, max));
  }
}

/** A text as a whole number from `min` to `max`. */
function integerOf(
  name: string,
  text: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  // Digits that are a number and no integer that is kept exactly are too large.
  const range = max === Number.MAX_SAFE_INTEGER && !(value > max)
    ? `of at least ${min}`
    : `from ${min} to ${max}`;
  throw new UsageError(`--${name} must be an integer ${range}, got ${JSON.stringify(text)}`);
}

/** The parts between the commas of a text; of a path that exists, the path. */
export function separated(text: string): string[] {
  if (text.includes(",") && isThere(text)) return [text];
  return text.split(",").map((part) => part.trim());
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Bytes of KB, MB, ... (thousands) and KiB, MiB, ... (1,024s). */
function bytesOfUnit(unit: string): number {
  const power = "kmgt".indexOf(unit[0]!.toLowerCase()) + 1;
  return (unit.length === 3 ? 1024 : 1000) ** power;
}

/** `text` as one of `values`, or an error that lists them. */
export function known<T extends string>(what: string, text: string, values: readonly T[]): T {
  const found = values.find((value) => value === text);
  if (found === undefined) {
    throw new UsageError(`Unknown ${what} ${JSON.stringify(text)}; expected ${list(values)}`);
  }
  return found;
}

/** Values in words, the last behind "or". */
export function list(values: readonly string[]): string {
  return values.length < 2
    ? values.join("")
    : `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}
