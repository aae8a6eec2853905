/**
 * What one step's plan costs: the same policy in this process, and in the sandbox.
 *
 * @module
 */
import { InProcessHost, type PolicyHost } from "../../policies/host.ts";
import { policies } from "../../policies/registry.ts";
import { policyOf } from "../../sandbox/default_export.ts";
import type { PolicySource } from "../../policies/guest/policy_link.ts";
import { SandboxHost } from "../../policies/guest/sandbox_host.ts";
import type { Policy } from "../../policies/policy.ts";
import { builtinSource } from "./builtin_source.ts";
import { miniQuestion } from "./questions.ts";

/** Reads every kind's statistics: the dearest kind of question. */
const READS_STATISTICS = `
export default {
  choose_bits: (layer, kind, head, stats) => stats.abs_max > 6 * stats.std ? 4 : 2,
  choose_axis: () => "token",
  residual_length: () => 32,
  calibration_mode: () => "none",
};
`;

const kivi = await builtinSource("kivi_overlap_4bit");
const reading: PolicySource = { name: "reads_statistics", text: READS_STATISTICS, language: "js" };
const { default: readingPolicy } = await import(
  `data:application/javascript,${encodeURIComponent(READS_STATISTICS)}`
);

const hosts: [string, boolean, PolicyHost][] = [
  ["kivi_overlap_4bit", false, new InProcessHost("in process", policies.kivi_overlap_4bit())],
  ["kivi_overlap_4bit", true, await SandboxHost.open(kivi)],
  ["reads statistics", false, new InProcessHost("in process", policyOf(readingPolicy) as Policy)],
  ["reads statistics", true, await SandboxHost.open(reading)],
];

let step = 0;
for (const [group, sandboxed, host] of hosts) {
  Deno.bench({
    name: sandboxed ? `${group}, sandbox` : `${group}, in process`,
    group,
    baseline: !sandboxed,
    fn: async () => {
      await host.plan(miniQuestion(step++ % 24));
    },
  });
}

Deno.bench("start the sandbox and load a policy", { group: "start", n: 20 }, async () => {
  await (await SandboxHost.open(kivi)).close();
});

globalThis.addEventListener("unload", () => hosts.forEach(([, , host]) => void host.close()));
