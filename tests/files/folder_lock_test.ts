/** One process at a time. */
import { assertEquals, assertThrows } from "@std/assert";
import { inFolder } from "../../files/folder_lock.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";

Deno.test("the lock of a folder leaves no file, and is free again after an error", async () => {
  await inTemporaryFolder((folder) => {
    const fail = () => {
      throw new Error("in the middle");
    };
    assertThrows(() => inFolder(folder, fail), Error, "in the middle");
    assertEquals(inFolder(folder, () => "done"), "done");
    assertEquals([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("a folder that is not there is what the system says", () => {
  assertThrows(() => inFolder("nowhere", () => {}), Deno.errors.NotFound);
});
