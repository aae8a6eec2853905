/** The embedded calibration set. */
import { assert, assertEquals } from "@std/assert";
import { renderPrompt } from "../../benchmarks/datasets.ts";
import { loadDataFile, loadSlice, sliceNames } from "../../benchmarks/slices.ts";
import { loadCalibrationSet } from "../../calibration/calibration_set.ts";
import { chooseTexts, DEFAULT_CALIBRATION_TOKENS } from "../../calibration/chosen_texts.ts";
import { loadModel } from "../../engine/checkpoint/model.ts";
import { findModel } from "../../engine/checkpoint/resolve.ts";
import { calibrationTokens } from "../../evaluation/question.ts";

Deno.test("the embedded set has a short and a long text of every kind", async () => {
  const texts = await loadCalibrationSet();
  const kinds = Map.groupBy(texts, ({ kind }) => kind);
  assertEquals(
    [...kinds.keys()],
    ["prose", "dialogue", "code", "table", "arithmetic", "languages"],
  );
  for (const own of kinds.values()) {
    const [short, long] = own;
    assertEquals(own.length, 2);
    assert(long!.prompt.length > short!.prompt.length);
  }
  assertEquals(new Set(texts.map(({ id }) => id)).size, texts.length);
});

/** Runs of so many words that a text has. */
function wordRuns(text: string, count: number): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return new Set(words.slice(count - 1).map((_, i) => words.slice(i, i + count).join(" ")));
}

Deno.test("the embedded set says nothing that the slices say", async () => {
  const folder = new URL("../../benchmarks/development/", import.meta.url);
  const development = await Promise.all(
    [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".jsonl"))
      .map(({ name }) => loadDataFile(new URL(name, folder).pathname)),
  );
  const examples = [...await Promise.all(sliceNames.map(loadSlice)), ...development].flat();
  const said = new Set<string>();
  for (const example of examples) {
    for (const run of wordRuns(renderPrompt(example), 6)) said.add(run);
  }
  assert(said.size > 1000);
  for (const { id, prompt, target } of await loadCalibrationSet()) {
    const shared = [...wordRuns(`${prompt}\n${target}`, 6)].filter((run) => said.has(run));
    assertEquals(shared, [], id);
  }
});

Deno.test("the embedded models learn from all of it, nearly as far as they were trained", async () => {
  const { path } = await findModel("mini");
  const model = await loadModel(path);
  const { maxPositions } = model.shape;
  const { samples, tooLong, isCut } = chooseTexts(
    await loadCalibrationSet(),
    (text) => calibrationTokens(model, text),
    DEFAULT_CALIBRATION_TOKENS,
    maxPositions,
  );
  assertEquals([samples.length, tooLong, isCut], [12, 0, false]);
  // They were trained on up to 4,096 tokens (models/README.md).
  const longest = Math.max(...samples.map(({ ids }) => ids.length));
  assert(longest > 3500 && longest <= 4096, `${longest} tokens`);
  for (const { reply } of samples) assert(reply >= 16);
});
