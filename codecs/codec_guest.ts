/**
 * Codecs as guests of the sandbox: the text of the module that runs one in its realm.
 *
 * @module
 */
import { callText, type Guest } from "../sandbox/child.ts";
import { exportProblem, policyOf } from "../sandbox/default_export.ts";
import { describeThrown, REALM_GLOBALS, sealRealm } from "../sandbox/realm_seal.ts";
import { encodeValue } from "../sandbox/reply_value.ts";
import { KV_KINDS } from "../quant/family.ts";
import { fieldForMethod, methodsOf, MOST_METHODS } from "../policies/methods.ts";
import { OPTIONAL_CODEC_METHODS } from "./codec_methods.ts";
import { codecRealm } from "./codec_realm.ts";

/** Global names that a codec keeps. */
const CODEC_GLOBALS: readonly string[] = [...REALM_GLOBALS, "WebAssembly"];

/** Codecs: asked and answering in bytes. */
export const codecGuest: Guest = {
  name: "codec",
  globals: CODEC_GLOBALS,
  binary: true,
  realmSource: () =>
    `export default ${
      callText(codecRealm, {
        seal: String(sealRealm),
        describe: String(describeThrown),
        encode: String(encodeValue),
        exportProblem: String(exportProblem),
        policyOf: String(policyOf),
        methodsOf: String(methodsOf),
        fieldForMethod: String(fieldForMethod),
        mostMethods: String(MOST_METHODS),
        optional: JSON.stringify(OPTIONAL_CODEC_METHODS),
        kinds: JSON.stringify(KV_KINDS),
        globals: JSON.stringify(CODEC_GLOBALS),
      })
    };`,
};
