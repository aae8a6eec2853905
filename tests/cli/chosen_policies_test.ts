/** Names of several policies at once on a command line. */
import { assert, assertEquals } from "@std/assert";
import { chosenPolicies } from "../../cli/chosen_policies.ts";
import { enginePolicies, policyNames } from "../../policies/registry.ts";

Deno.test("engines are the settings of engines, all is every built-in; neither names one", () => {
  const chosen = (...policy: string[]) => chosenPolicies({ policy, example: "reference" });
  assertEquals(chosen("engines").policies, [...enginePolicies]);
  assertEquals(chosen("engines").named, []);
  assertEquals(chosen("reference,engines").policies, ["reference", ...enginePolicies]);
  assertEquals(chosen("engines,all").policies.toSorted(), policyNames.toSorted());
  assert(enginePolicies.includes("llamacpp_q8_0") && !enginePolicies.includes("adaptive"));
});
