import { assertEquals, assertRejects } from "@std/assert";
import { writeWholeFile } from "../../leaderboard/whole_file.ts";

Deno.test("a file is replaced as a whole and no temporary file stays", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/a/b/file.txt`;
    await writeWholeFile(path, "first");
    await writeWholeFile(path, "second");
    assertEquals(await Deno.readTextFile(path), "second");
    assertEquals([...Deno.readDirSync(`${folder}/a/b`)].map((e) => e.name), ["file.txt"]);
    await Deno.mkdir(`${folder}/taken`);
    await assertRejects(() => writeWholeFile(`${folder}/taken`, "text"));
    assertEquals([...Deno.readDirSync(folder)].map((e) => e.name).sort(), ["a", "taken"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
