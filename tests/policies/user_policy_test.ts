import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { miniQuestion } from "../../bench/sandbox/questions.ts";
import { PolicyError } from "../../policies/check.ts";
import { InProcessHost } from "../../policies/host.ts";
import { SandboxError } from "../../sandbox/sandbox_error.ts";
import { SandboxHost } from "../../policies/guest/sandbox_host.ts";
import { reportedName } from "../../policies/user_file.ts";
import { isPolicyPath, openPolicyFile } from "../../policies/user_policy.ts";

const TEXT = `
  import type { Policy } from "@kvreplay/kvreplay";
  export default class {
    choose_bits(layer: number): number { return layer === 0 ? 4 : 2; }
    choose_axis() { return "token"; }
    residual_length() { return 32; }
    calibration_mode() { return "none"; }
  }
`;

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "policies with spaces #1 " });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function refusal(path: string, trust = false): Promise<string> {
  const error = await assertRejects(
    () => openPolicyFile(path, { trust, notice: () => {} }),
    PolicyError,
  );
  assert(!error.message.includes("\n"));
  return error.message;
}

Deno.test("a file runs in the sandbox, and in this process when it is trusted", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "my_policy.ts");
    await Deno.writeTextFile(path, TEXT);
    const notices: string[] = [];
    const notice = (sentence: string) => void notices.push(sentence);
    await using boxed = await openPolicyFile(path, { notice });
    assert(boxed instanceof SandboxHost);
    assertEquals(notices, []);
    await using trusted = await openPolicyFile(path, { trust: true, notice });
    assert(trusted instanceof InProcessHost);
    assertEquals(notices, [
      "Policy my_policy is trusted: it runs without a sandbox and may do what this program may do",
    ]);
    assertEquals([boxed.name, trusted.name], ["my_policy", "my_policy"]);
    assertEquals(await boxed.plan(miniQuestion(0)), await trusted.plan(miniQuestion(0)));
  });
});

Deno.test("a file that is none is refused in one sentence", async () => {
  await withFolder(async (folder) => {
    const path = (name: string) => join(folder, name);
    const shown = (name: string) => JSON.stringify(path(name)).slice(0, 61).replace(/"?$/, '"');
    await Deno.mkdir(path("folder.ts"));
    await Deno.writeTextFile(path("kivi_overlap_4bit.ts"), TEXT);
    await Deno.writeTextFile(path("§§.ts"), TEXT);
    await Deno.writeTextFile(path("Adaptive.ts"), TEXT);
    await Deno.writeTextFile(path("long.ts"), TEXT + " ".repeat(4 * 2 ** 20));
    for (const trust of [false, true]) {
      assertEquals(
        await refusal("nowhere.ts", trust),
        `Policy file "nowhere.ts" does not exist; it was looked for at ${
          join(Deno.cwd(), "nowhere.ts")
        }`,
      );
      assertEquals(
        await refusal(path("folder.ts"), trust),
        `Policy file ${shown("folder.ts")} is a folder`,
      );
      assertEquals(
        await refusal("policy.json", trust),
        'Policy file "policy.json" is no module; its name should end in .ts, .mts, .js, .mjs, .py',
      );
      assert((await refusal(path("kivi_overlap_4bit.ts"), trust)).endsWith(
        "has the name of the built-in kivi_overlap_4bit; give it another",
      ));
      assert((await refusal(path("Adaptive.ts"), trust)).endsWith(
        "has the name of the built-in adaptive; give it another",
      ));
      assert((await refusal(path("long.ts"), trust)).endsWith(
        "has more than 4194304 bytes; a policy has fewer, unless --policy-message-bytes says otherwise",
      ));
      assert((await refusal(path("§§.ts"), trust)).endsWith(
        "has no name to report its results under",
      ));
    }
  });
});

Deno.test("a file that is no policy is refused in one sentence", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "mine.js");
    const write = (text: string) => Deno.writeTextFile(path, text);
    await write("export default 4;");
    assertEquals(
      await refusal(path),
      "Policy mine: rejected: It cannot be loaded: its default export is a number; expected a class or an object",
    );
    assert((await refusal(path, true)).endsWith(
      ": its default export is a number; expected a class or an object",
    ));
    await write("export default {};");
    assertEquals(await refusal(path), 'Policy "mine" has no method choose_bits');
    await write('import fs from "node:fs"; export default fs;');
    assertEquals(
      await refusal(path),
      'Policy mine: rejected: It imports "node:fs"; a policy is one file, which imports types only',
    );
    const error = await assertRejects(() => openPolicyFile(path), PolicyError);
    assert(error.cause instanceof SandboxError);
  });
});

Deno.test("results are reported under one word, whatever the file is called", async () => {
  await withFolder(async (folder) => {
    const names: Record<string, string> = {
      "my policy quality_main=100.ts": "my_policy_quality_main_100",
      "a\nTEST_METRICS: slice=x.mjs": "a_TEST_METRICS_slice_x",
      "v1.2-final.js": "v1.2-final",
    };
    for (const [file, name] of Object.entries(names)) {
      const path = join(folder, file);
      await Deno.writeTextFile(
        path,
        TEXT.replace(/^.*import type.*$/m, "").replaceAll(": number", ""),
      );
      const host = await openPolicyFile(path);
      assertEquals(host.name, name);
      await host.close();
    }
  });
});

Deno.test("names of built-ins are told from paths of files", () => {
  for (const path of ["./a.ts", "a.ts", "a.mjs", "a.py", "/tmp/a.js", "dir/a", "C:\\a.ts"]) {
    assert(isPolicyPath(path), path);
  }
  for (const name of ["kivi_overlap_4bit", "all", "unknown"]) assert(!isPolicyPath(name), name);
});

Deno.test("a file in Python may be called like the built-in that it repeats", () => {
  const kind = { what: "Policy", endings: [".ts", ".py"] };
  assertEquals(reportedName("x/adaptive.py", kind), "adaptive.py");
  assertEquals(reportedName("x/mine.py", kind), "mine");
  assertThrows(() => reportedName("x/adaptive.ts", kind), PolicyError, "built-in adaptive");
});
