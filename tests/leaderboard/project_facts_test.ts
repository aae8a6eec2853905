import { assertEquals, assertMatch } from "@std/assert";
import { libraryVersions, machineText, projectCommit } from "../../leaderboard/project_facts.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";

async function checkout(files: Record<string, string>): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      const path = `${folder}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(path, text);
    }
    return await projectCommit(new URL(`file://${folder}/tree/`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the commit is read from git's files, however they lie", async () => {
  assertEquals(await checkout({ "tree/.git/HEAD": `${COMMIT}\n` }), COMMIT);
  assertEquals(
    await checkout({
      "tree/.git/HEAD": "ref: refs/heads/main\n",
      "tree/.git/refs/heads/main": `${COMMIT}\n`,
    }),
    COMMIT,
  );
  assertEquals(
    await checkout({
      "tree/.git/HEAD": "ref: refs/heads/main\n",
      "tree/.git/packed-refs": `# pack-refs with: peeled\n${"1".repeat(40)} refs/heads/other\n` +
        `${COMMIT} refs/heads/main\n`,
    }),
    COMMIT,
  );
  assertEquals(
    await checkout({
      "tree/.git": "gitdir: ../main/.git/worktrees/tree\n",
      "main/.git/worktrees/tree/HEAD": "ref: refs/heads/topic\n",
      "main/.git/worktrees/tree/commondir": "../..\n",
      "main/.git/refs/heads/topic": `${COMMIT}\n`,
    }),
    COMMIT,
  );
  assertEquals(await checkout({ "tree/README.md": "no checkout\n" }), "unknown");
  assertEquals(await checkout({ "tree/.git/HEAD": "nonsense\n" }), "unknown");
});

Deno.test("versions and machine are named", () => {
  const versions = libraryVersions();
  assertEquals(versions.deno, Deno.version.deno);
  assertMatch(versions["onnxruntime-node"]!, /^\d+\./);
  assertMatch(versions["onnxruntime-web"]!, /^\d+\./);
  assertMatch(machineText(), /^\w+ \w+, \d+ cores$/);
  assertEquals(machineText("one GPU"), `${machineText()}, one GPU`);
});
