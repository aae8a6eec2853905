/**
 * Writes a policy or quantizer that runs at once, and a test of it.
 *
 * @module
 */
import { join } from "node:path";
import { commandText } from "../engine/command_text.ts";
import { UserError } from "../errors.ts";
import { builtinLike } from "../policies/registry.ts";
import { print, shownLine } from "../report/terminal.ts";
import { builtInFamilies } from "../quant/registry.ts";
import {
  policyText,
  PYTHON,
  pythonPolicyText,
  pythonQuantizerText,
  quantizerText,
  testText,
} from "./new_files.ts";
import type { NewOptions } from "./new_options.ts";

const TEXTS = {
  policy: { ts: policyText, py: pythonPolicyText },
  quantizer: { ts: quantizerText, py: pythonQuantizerText },
} as const;

/**
 * Writes both files; the exit code is 0.
 *
 * @throws {UserError} when one of them is there, or cannot be written
 */
export async function writeNew(
  { kind, name, out, python, interpreter = PYTHON }: NewOptions,
): Promise<number> {
  const taken = builtinLike(name) ?? builtInFamilies.names.find((n) => n === name.toLowerCase());
  if (taken !== undefined) {
    throw new UserError(`There is a built-in ${taken}; give your ${kind} another name`);
  }
  const made = `${name}.${python ? "py" : "ts"}`;
  const files = {
    [made]: TEXTS[kind][python ? "py" : "ts"],
    [`${name}_test.ts`]: testText(kind, name, made, interpreter),
  };
  const written: string[] = [];
  try {
    await Deno.mkdir(out, { recursive: true });
    for (const [file, text] of Object.entries(files)) {
      const path = join(out, file);
      await Deno.writeTextFile(path, text, { createNew: true });
      written.push(path);
    }
  } catch (error) {
    for (const path of written) await Deno.remove(path);
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    const path = join(out, Object.keys(files)[written.length]!);
    throw new UserError(
      error instanceof Deno.errors.AlreadyExists
        ? `File ${path} is there already; give your ${kind} another name`
        : `File ${path} cannot be written: ${error.message}`,
    );
  }
  const [file, test] = written as [string, string];
  const flag = kind === "policy" ? "--policy" : "--quantizer";
  const needsTorch = kind === "quantizer" && python;
  const how = needsTorch ? ` --python ${interpreter}` : "";
  for (
    const line of [
      `Wrote ${file} and ${test}`,
      ...(needsTorch
        ? [
          `It runs in an interpreter that has PyTorch${
            interpreter === PYTHON ? "; name yours:" : ":"
          }`,
        ]
        : []),
      `  ${commandText(`check ${file}${how}`)}`,
      `  ${commandText(`longbench ${flag} ${file}${how}`)}`,
      `  ${needsTorch ? `PYTHON=${interpreter} ` : ""}deno test --allow-all ${test}`,
    ]
  ) print(shownLine(line));
  return 0;
}
