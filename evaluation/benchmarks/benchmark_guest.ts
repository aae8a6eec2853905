/**
 * Benchmarks of the user's as guests of the sandbox: the text of the module that runs one in its realm.
 *
 * @module
 */
import { callText, type Guest } from "../../sandbox/child.ts";
import { exportProblem, policyOf } from "../../sandbox/default_export.ts";
import { describeThrown, REALM_GLOBALS, sealRealm } from "../../sandbox/realm_seal.ts";
import { encodeValue } from "../../sandbox/reply_value.ts";
import { benchmarkRealm } from "./benchmark_realm.ts";

/** Methods that a benchmark may have. */
export const BENCHMARK_METHODS = [
  ...["rows", "prompt", "answers", "score", "beside", "id", "group"] as const,
] as const;

/** Its other fields. */
export const BENCHMARK_FIELDS = [
  ...["maxNewTokens", "metric", "stop", "chat", "truncate", "floor"] as const,
] as const;

/** Benchmarks: asked and answering in text. */
export const benchmarkGuest: Guest = {
  name: "benchmark",
  globals: REALM_GLOBALS,
  binary: false,
  realmSource: () =>
    `export default ${
      callText(benchmarkRealm, {
        seal: String(sealRealm),
        describe: String(describeThrown),
        encode: String(encodeValue),
        exportProblem: String(exportProblem),
        policyOf: String(policyOf),
        methods: JSON.stringify(BENCHMARK_METHODS),
        fields: JSON.stringify(BENCHMARK_FIELDS),
        globals: JSON.stringify(REALM_GLOBALS),
      })
    };`,
};
