/**
 * A program that opens a policy in the sandbox, tells the process ids of both, and is then killed by
 * a test. With `ask`, the policy is in a question when that happens, and does not come back from it.
 */
import { miniQuestion } from "../../bench/sandbox/questions.ts";
import { SandboxHost } from "../../policies/guest/sandbox_host.ts";

const text = `export default {
  choose_bits() { for (;;); }, choose_axis() {}, residual_length() {}, calibration_mode() {},
};`;
const host = await SandboxHost.open({ name: "endless", text, language: "js" }, {
  limits: { stepMs: 600_000 },
});
console.log(host.pid);
if (Deno.args[0] === "ask") await host.plan(miniQuestion(0));
else await new Promise((resolve) => setTimeout(resolve, 600_000));
