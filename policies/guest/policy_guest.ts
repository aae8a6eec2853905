/**
 * Policies as guests of the sandbox: the text of the module that runs one in its realm.
 *
 * @module
 */
import { KV_KINDS } from "../../quant/family.ts";
import { hookNames } from "../../quant/hooks.ts";
import { askPolicy, STAT_NAMES } from "../ask.ts";
import {
  fieldForMethod,
  methodsOf,
  MOST_METHODS,
  OPTIONAL_METHODS,
  outsideBudgetOf,
  REQUIRED_METHODS,
} from "../methods.ts";
import { callText, type Guest } from "../../sandbox/child.ts";
import { exportProblem, policyOf } from "../../sandbox/default_export.ts";
import { policyRealm } from "./policy_realm.ts";
import { describeThrown, REALM_GLOBALS, sealRealm } from "../../sandbox/realm_seal.ts";
import { encodeValue } from "../../sandbox/reply_value.ts";

/** Policies: asked and answering in text. */
export const policyGuest: Guest = {
  name: "policy",
  globals: REALM_GLOBALS,
  binary: false,
  realmSource: () =>
    `export default ${
      callText(policyRealm, {
        seal: String(sealRealm),
        describe: String(describeThrown),
        ask: String(askPolicy),
        encode: String(encodeValue),
        exportProblem: String(exportProblem),
        policyOf: String(policyOf),
        methodsOf: String(methodsOf),
        fieldForMethod: String(fieldForMethod),
        outsideBudgetOf: String(outsideBudgetOf),
        mostMethods: String(MOST_METHODS),
        words: JSON.stringify({ kinds: KV_KINDS, hooks: hookNames }),
        stats: JSON.stringify(STAT_NAMES),
        required: JSON.stringify(REQUIRED_METHODS),
        optional: JSON.stringify(OPTIONAL_METHODS),
        globals: JSON.stringify(REALM_GLOBALS),
      })
    };`,
};
