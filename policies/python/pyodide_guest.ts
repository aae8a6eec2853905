/**
 * Python as a guest of the sandbox.
 *
 * @module
 */
import { callText, type Guest } from "../../sandbox/child.ts";
import { describeThrown, REALM_GLOBALS, sealRealm } from "../../sandbox/realm_seal.ts";
import { pyodideRealm } from "./pyodide_realm.ts";

const PYTHON_GLOBALS: readonly string[] = [
  ...REALM_GLOBALS,
  ...["WebAssembly", "FinalizationRegistry", "WeakRef"],
];

/** Pyodide: asked in bytes, replying in text. */
export const pyodideGuest: Guest = {
  name: "python",
  globals: PYTHON_GLOBALS,
  binary: true,
  realmSource: () =>
    `export default ${
      callText(pyodideRealm, {
        seal: String(sealRealm),
        describe: String(describeThrown),
        globals: JSON.stringify(PYTHON_GLOBALS),
      })
    };`,
};
