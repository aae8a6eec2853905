/**
 * Built-in policies as the text of a policy file, so that the same policy can be run in-process and
 * in the sandbox.
 *
 * @module
 */
import { InternalError } from "../../errors.ts";
import { policies, type PolicyName } from "../../policies/registry.ts";
import type { PolicySource } from "../../policies/guest/policy_link.ts";

const FOLDER = new URL("../../policies/", import.meta.url);

/**
 * The file of a built-in policy with the policy as its default export, as a user could have written
 * it. Results would be reported under the name with `_sandboxed` after it.
 */
export async function builtinSource(builtin: PolicyName): Promise<PolicySource> {
  for await (const { name: file, isFile } of Deno.readDir(FOLDER)) {
    if (!isFile) continue;
    const url = new URL(file, FOLDER);
    const exports: Record<string, unknown> = await import(url.href);
    const found = Object.keys(exports).find((name) => exports[name] === policies[builtin]);
    if (found === undefined) continue;
    const text = `${await Deno.readTextFile(url)}\nexport default ${found}();\n`;
    return { name: `${builtin}_sandboxed`, text, language: "ts" };
  }
  throw new InternalError(`No file in policies/ exports the built-in ${builtin}`);
}
