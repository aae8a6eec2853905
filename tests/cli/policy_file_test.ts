/** Policy files from the command line: which permission they need, and the sandbox's own entry. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { SandboxHost } from "../../policies/guest/sandbox_host.ts";
import { NO_CACHE } from "../no_cache.ts";

const ROOT = new URL("../../", import.meta.url);

const POLICY = `
import type { Policy } from "@kvreplay/kvreplay";
export default {
  choose_bits: (layer: number) => layer === 0 ? 4 : 2,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
} satisfies Policy;
`;

async function deno(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1", ...NO_CACHE },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function withPolicyFile(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    const path = `${folder}/mine.ts`;
    await Deno.writeTextFile(path, POLICY);
    await body(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const short = ["--limit", "1", "--max-new-tokens", "2", "--device", "cpu", "--no-cache"];

Deno.test("a task runs a policy file in the sandbox", async () => {
  await withPolicyFile(async (path) => {
    const { code, stdout, stderr } = await deno(
      ...["task", "--quiet", "reasoning", "--policy", path, ...short],
    );
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /^TEST_METRICS: slice=reasoning policy=mine /);
  });
});

Deno.test("a policy file is refused where Deno itself may not be started", async () => {
  await withPolicyFile(async (path) => {
    const { code, stdout, stderr } = await deno(
      ...["run", "--quiet", "--no-prompt", "-P=replay", "cli.ts", "reasoning", "--policy", path],
      ...short,
    );
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, `allow it with --allow-run=${Deno.execPath()}`);
  });
});

Deno.test("the program started with the hidden argument is the sandbox's process", async () => {
  const args = ["run", "--quiet", "--no-prompt", "--unstable-worker-options", "-P=replay"];
  await using host = await SandboxHost.open({ name: "mine", text: POLICY, language: "ts" }, {
    // As a compiled binary does: with the permissions of the evaluator, which it gives up itself.
    launch: () =>
      new Deno.Command(Deno.execPath(), {
        args: [...args, fileURLToPath(new URL("cli.ts", ROOT)), "--sandbox-child"],
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn(),
  });
  const answers = await host.plan({
    budget: {
      ...{ budget_bits: 4, used_bits: 0, remaining_bits: 4, step: 0, total_steps: null },
      ...{ layers: 2, kv_heads: 1, head_dim: 64 },
    },
    request: {
      ...{ slice: "s", dataset: "d", prompt_tokens: 9, cache_tokens: 8, max_new_tokens: 4 },
    },
    stats: () => {
      throw new Error("this policy reads no statistics");
    },
  });
  assertEquals(answers.map((answer) => answer.bits), [[4], [4], [2], [2]]);
});
