/** Calibration texts of the user's own. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { CalibrationDataError, loadCalibrationData } from "../../calibration/calibration_data.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";

async function loaded(folder: string, name: string, content: string | Uint8Array) {
  const path = join(folder, name);
  await Deno.writeFile(
    path,
    typeof content === "string" ? new TextEncoder().encode(content) : content,
  );
  return await loadCalibrationData(path);
}

Deno.test("a line has a text, or a prompt and what was replied", async () => {
  await inTemporaryFolder(async (folder) => {
    const lines = [
      { text: "All of it.", kind: "prose", _id: "one" },
      { prompt: "Why?", target: "Because." },
    ];
    const jsonl = lines.map((line) => JSON.stringify(line)).join("\r\n\n");
    assertEquals(await loaded(folder, "texts.JSONL", jsonl), [
      { id: "one-0", kind: "prose", target: "All of it." },
      { id: "line-3", kind: "own", prompt: "Why?", target: "Because." },
    ]);
  });
});

Deno.test("a text is cut where lines or words end, and nothing of it is lost", async () => {
  await inTemporaryFolder(async (folder) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("word ", "line\n", "x".repeat(700), "𝒜", "字"), {
          minLength: 1,
          maxLength: 3000,
        }),
        async (parts) => {
          const text = parts.join("");
          fc.pre(text.trim() !== "");
          const pieces = await loaded(folder, "text.txt", text);
          const whole = pieces.map(({ target }) => target).join("");
          assertEquals(whole.replaceAll(/\s+$/g, ""), text.replaceAll(/\s+$/g, ""));
          for (const { target } of pieces) {
            assert(target.length <= 6000);
            assert(target.isWellFormed());
          }
        },
      ),
      { numRuns: 40, seed: 2 },
    );
  });
});

Deno.test("what cannot be used is refused by file and line", async () => {
  await inTemporaryFolder(async (folder) => {
    const wrong: [name: string, content: string | Uint8Array, says: string][] = [
      ["a.jsonl", '{"text": "a"}\nnone', "a.jsonl, line 2 is not JSON; expected one object"],
      ["a.jsonl", "[1]", "line 1 is [1]; expected an object with text, or prompt and target"],
      ["a.jsonl", '{"text": 5}', "line 1: text is 5; expected text"],
      ["a.jsonl", '{"text": "a", "text": "b"}', 'line 1 has "text" twice; expected it once'],
      ["a.jsonl", '{"prompt": "a"}', "line 1 has prompt; expected either text, or prompt and"],
      ["a.jsonl", '{"text": "a", "target": "b"}', "line 1 has text and target; expected either"],
      ["a.jsonl", '{"kind": "prose"}', "line 1 has neither; expected either text, or prompt"],
      ["a.jsonl", "\n\n", "holds no text; expected at least one"],
      ["a.txt", "  \n", "holds no text; expected at least one"],
      ["a.txt", Uint8Array.of(0xff, 0xfe, 0x00), "is not UTF-8 text"],
    ];
    for (const [name, content, says] of wrong) {
      await assertRejects(() => loaded(folder, name, content), CalibrationDataError, says);
    }
    await assertRejects(
      () => loadCalibrationData(folder),
      CalibrationDataError,
      "is no file; expected a text file or JSON lines",
    );
    await assertRejects(
      () => loadCalibrationData("no_such.txt"),
      CalibrationDataError,
      `There is no calibration data "no_such.txt" at ${join(Deno.cwd(), "no_such.txt")}`,
    );
  });
});
