/** That a place that cannot be used is found before there is anything to keep. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import {
  CalibrationError,
  isCalibrationThere,
  loadCalibrationFile,
} from "../../calibration/calibration_file.ts";

async function inTemporaryFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a calibration file is there, or can be written, or neither", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, "c.json");
    assertEquals(await isCalibrationThere(path), false);
    assertEquals([...Deno.readDirSync(folder)], []);
    await Deno.writeTextFile(path, "");
    assertEquals(await isCalibrationThere(path), true);
    const wrong: [path: string, says: string][] = [
      [folder, "is no file; expected one, or a new name"],
      [join(folder, "none", "c.json"), `cannot be written: there is no folder ${folder}`],
      [join(path, "c.json"), "cannot be read: Not a directory"],
      ...(Deno.build.os === "linux" ? [["/dev/full", "Calibration file"] as [string, string]] : []),
    ];
    for (const [place, says] of wrong) {
      const { message } = await assertRejects(() => isCalibrationThere(place), CalibrationError);
      assertStringIncludes(message, says);
    }
  });
});

Deno.test("a calibration file that is missing is named with where it was looked for", async () => {
  await assertRejects(
    () => loadCalibrationFile("no_such.json"),
    CalibrationError,
    `There is no calibration file "no_such.json" at ${join(Deno.cwd(), "no_such.json")}`,
  );
});
