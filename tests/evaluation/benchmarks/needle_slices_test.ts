/** Needle grids on a real tokenizer, and on the embedded model. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { BenchmarkError } from "../../../benchmarks/benchmark_error.ts";
import { UserError } from "../../../errors.ts";
import { needleQuestions, readHaystack } from "../../../evaluation/benchmarks/needle_slices.ts";
import { open, partsOf } from "../../../evaluation/lab.ts";
import { needleCells } from "../../../report/needle_cells.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

const TEXT =
  "The river runs past the old mill. Rain fell in the morning, and the streets were quiet. " +
  "A small boat waited at the pier until the fog had gone. ";

Deno.test("a grid is asked length by length, fits its lengths in tokens, and is found by the embedded model", () =>
  inTemporaryFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/b.md`, TEXT);
    await Deno.writeTextFile(`${folder}/a.txt`, "First sentence of all.");
    await Deno.writeTextFile(`${folder}/c.json`, "{}");
    const haystack = await readHaystack(folder);
    assertEquals(haystack[0], ["", "First sentence of all."]);
    assertEquals(haystack.length, 4);
    await using lab = await open("mini", { device: "cpu" });
    const { model } = partsOf(lab);
    const notices: string[] = [];
    const grid = {
      lengths: [256, 400, 9000],
      depths: [0, 1],
      samples: 1,
      maxNewTokens: 16,
      haystack,
    };
    const questions = needleQuestions("single", grid, model, (text) => notices.push(text));
    assertEquals(notices, ["Lengths left out: 9000: the model has 8192 positions"]);
    assertEquals(
      questions.map(({ id, group, depth }) => [id, group, depth]),
      [
        ["single-256-0-0", "256", 0],
        ["single-256-100-0", "256", 1],
        ["single-400-0-0", "400", 0],
        ["single-400-100-0", "400", 1],
      ],
    );
    for (const { prompt, group } of questions) {
      const tokens = model.tokenizer.encode(
        model.renderChat([{ role: "user", content: prompt }]),
      ).length;
      assert(tokens <= Number(group) - 16 && tokens > Number(group) - 16 - 40, `${tokens}`);
    }
    const slice = { name: "niah:single", examples: questions, maxNewTokens: 16 };
    const { outcomes } = await lab.replay(slice, "uniform_quant_4bit");
    assertEquals(
      needleCells(outcomes).map(({ recall_ref }) => recall_ref),
      [100, 100, 100, 100],
    );
    assertThrows(
      () => needleQuestions("uuid", { ...grid, lengths: [9000] }, model),
      BenchmarkError,
      "No length fits the model's 8192 positions: 9000",
    );
  }));

Deno.test("a haystack that is not there, or holds nothing, is told", () =>
  inTemporaryFolder(async (folder) => {
    await assertRejects(() => readHaystack(`${folder}/no.txt`), UserError, "There is no file");
    await assertRejects(() => readHaystack(folder), UserError, "has no text for --haystack");
    await Deno.writeTextFile(`${folder}/a.txt`, " \n");
    await assertRejects(() => readHaystack(folder), UserError, "holds no sentence");
    await Deno.writeFile(`${folder}/a.txt`, Uint8Array.of(0xff, 0xfe));
    await assertRejects(() => readHaystack(folder), UserError, "Cannot read the text");
  }));
