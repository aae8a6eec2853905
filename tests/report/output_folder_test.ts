import { UserError } from "../../errors.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { openOutputFile, openOutputFolder, writeAll } from "../../report/output_folder.ts";

function inTemporaryFolder(body: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "kvreplay-test-" });
  try {
    body(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();

Deno.test("an output folder is made with its parents and stays empty", () => {
  inTemporaryFolder((root) => {
    openOutputFolder(`${root}/a/b`);
    assertEquals(names(`${root}/a/b`), []);
  });
});

Deno.test("all files are written, over older ones, and nothing else is left", () => {
  inTemporaryFolder((folder) => {
    writeAll(folder, { "a.json": "old", "b.csv": "1" });
    writeAll(folder, { "a.json": "new" });
    assertEquals(names(folder), ["a.json", "b.csv"]);
    assertEquals(Deno.readTextFileSync(`${folder}/a.json`), "new");
  });
});

Deno.test("a file as output folder is refused in one sentence", () => {
  inTemporaryFolder((root) => {
    Deno.writeTextFileSync(`${root}/file`, "");
    const { message } = assertThrows(() => openOutputFolder(`${root}/file`), UserError);
    assertStringIncludes(message, `Cannot write to ${root}/file: it is a file`);
  });
});

Deno.test("an output file has a folder, and is no folder or device itself", () => {
  inTemporaryFolder((root) => {
    openOutputFile(`${root}/new/file.json`);
    assertEquals(names(`${root}/new`), []);
    Deno.writeTextFileSync(`${root}/new/file.json`, "");
    openOutputFile(`${root}/new/file.json`);
    const { message } = assertThrows(() => openOutputFile(`${root}/new`), UserError);
    assertEquals(
      message,
      `Cannot write to ${root}/new: it is no file; expected one, or a new name`,
    );
    if (Deno.build.os === "linux") assertThrows(() => openOutputFile("/dev/full"), UserError);
    assertThrows(
      () => openOutputFile(`${root}/new/file.json/below`),
      UserError,
      `Cannot write to ${root}/new/file.json/below: it is a file; expected a folder`,
    );
  });
});

Deno.test("when one file cannot be renamed, no temporary file is left", () => {
  inTemporaryFolder((folder) => {
    // A folder in the way of the second file makes its rename fail after the writes.
    Deno.mkdirSync(`${folder}/b.csv/x`, { recursive: true });
    assertThrows(() => writeAll(folder, { "b.csv": "1", "c.json": "2" }), UserError);
    assertEquals(names(folder), ["b.csv"]);
  });
});

Deno.test("a folder that went away is an error of its own", () => {
  inTemporaryFolder((folder) => {
    assertThrows(() => writeAll(`${folder}/gone`, { "a.json": "1" }), UserError, "gone");
  });
});
