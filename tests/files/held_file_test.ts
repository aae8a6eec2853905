/** Whose files they are. */
import { assert, assertEquals } from "@std/assert";
import { createHeld, removeAbandoned } from "../../files/held_file.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("a file that somebody holds stays, and one that nobody holds goes", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/held`;
    const remove = () => removeAbandoned(path, () => Deno.removeSync(path));
    {
      using held = await createHeld(() => path);
      assertEquals(held.path, path);
      remove();
      assertEquals(names(folder), ["held"]);
    }
    remove();
    assertEquals(names(folder), []);
    // There is nothing to remove.
    remove();
  });
});

Deno.test("who loses a file before it is held makes another", async () => {
  await inTemporaryFolder(async (folder) => {
    const paths = ["first", "second"].map((name) => `${folder}/${name}`);
    const open = Deno.open;
    try {
      Deno.open = async (path, options) => {
        const file = await open(path, options);
        // Somebody looks for what was left behind just then.
        if (path === paths[0]) removeAbandoned(path, () => Deno.removeSync(path));
        return file;
      };
      let asked = 0;
      using held = await createHeld(() => paths[asked++]!);
      assertEquals(held.path, paths[1]);
      assertEquals(names(folder), ["second"]);
      assert((await held.file.stat()).nlink === 1);
    } finally {
      Deno.open = open;
    }
  });
});
