/** Benchmarks from the hub's cache, and from files and folders of a user's. */
import { Buffer } from "node:buffer";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { zipSync } from "fflate";
import { BenchmarkError } from "../../../benchmarks/benchmark_error.ts";
import { benchmarksNamed } from "../../../benchmarks/suites.ts";
import { UserError } from "../../../errors.ts";
import { cachedDataset } from "../../../engine/checkpoint/hub/dataset.ts";
import { benchmarkSlice } from "../../../evaluation/benchmarks/benchmark_slices.ts";
import { fetchBenchmark } from "../../../evaluation/benchmarks/fetch_benchmark.ts";
import { fetchWording, wordingAt } from "../../../evaluation/benchmarks/wording.ts";
import { commitOf, type FakeRepo, sha256 } from "../../engine/checkpoint/hub/fake_hub.ts";
import { FetchScene } from "../../engine/checkpoint/hub/fetch_scene.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const lines = (...rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).join("\n");

const example = (dataset: string, id: string) => ({
  ...{ input: "Who?", context: "Ada.", answers: ["Ada"], length: 2, dataset, language: "en" },
  ...{ all_classes: null, _id: id },
});
const solved = (answer: number) => ({ question: `${answer}?`, answer: `So.\n#### ${answer}` });

const LONGBENCH: FakeRepo = {
  type: "dataset",
  name: "THUDM/LongBench",
  revisions: {
    main: {
      "README.md": bytes("# LongBench\n"),
      "data.zip": zipSync({
        "data/qasper.jsonl": bytes(lines(example("qasper", "q1"), example("qasper", "q2"))),
        "data/qasper_e.jsonl": bytes(lines(example("qasper_e", "e1"))),
      }),
    },
  },
};

const WORDING = bytes('{"qasper": "{context}|{input}"}');

const named = (name: string) => benchmarksNamed(name)[0]!;

/** Fetches as the command does, with a server for GitHub's files that is this scene's hub. */
async function fetched(scene: FetchScene, name: "longbench" | "gsm8k" | "ruler") {
  const place = `${scene.cacheFolder}/wording.json`;
  const options = {
    access: { endpoint: scene.hub.endpoint, offline: false },
    cacheFolder: scene.cacheFolder,
    notice: (sentence: string) => scene.notices.push(sentence),
    patience: { answerMs: 60_000, pause: () => Promise.resolve() },
  };
  const github = { place, github: scene.hub.endpoint, sha256: sha256(WORDING) };
  return { place, ...await fetchBenchmark(name, options, github) };
}

Deno.test("a benchmark is fetched once, and found without the network", async () => {
  await using scene = await FetchScene.open(LONGBENCH);
  scene.hub.fail("hub", /dataset2prompt\.json$/, () => new Response(WORDING));
  const first = await fetched(scene, "longbench");
  assertEquals(first.commit, commitOf(LONGBENCH, "main"));
  assertEquals(first.received > WORDING.length, true);
  assertEquals(await wordingAt(first.place, sha256(WORDING)), { qasper: "{context}|{input}" });
  assertEquals((await fetched(scene, "longbench")).received, 0);
  // Nothing but the archive comes.
  assertEquals(scene.hub.paths("hub").filter((path) => path.includes("README")), []);
  const asked = scene.hub.requests.length;
  const { paths: [path] } = await cachedDataset(
    LONGBENCH.name,
    ["data.zip"],
    scene.cacheFolder,
    "fetch it",
  );
  const slice = await benchmarkSlice(named("longbench:qasper"), { data: path! }, false);
  assertEquals(slice.examples.map(({ id }) => id), ["q1", "q2"]);
  assertEquals(slice.maxNewTokens, 128);
  const even = await benchmarkSlice(named("longbench-e:qasper"), { data: path! }, true);
  assertEquals(even.examples.map(({ id, group }) => [id, group]), [["e1", "0-4k"]]);
  assertEquals(scene.hub.requests.length, asked);
});

Deno.test("wording that does not come, or is another, leaves the project's own", async () => {
  await using scene = await FetchScene.open(LONGBENCH);
  const { place } = await fetched(scene, "longbench");
  assertMatch(
    scene.notices.at(-1)!,
    /has no dataset .*; prompts will have this project's wording$/,
  );
  assertEquals(await wordingAt(place), undefined);
  scene.hub.fail("hub", /dataset2prompt\.json$/, () => new Response("{}"));
  await assertRejects(
    () =>
      fetchWording({
        access: { endpoint: scene.hub.endpoint, offline: false },
        place,
        github: scene.hub.endpoint,
      }),
    UserError,
    `has SHA-256 ${sha256(bytes("{}"))}; expected 56d22ad4`,
  );
  assertEquals([...Deno.readDirSync(scene.cacheFolder)].some(({ isFile }) => isFile), false);
});

Deno.test("what is in no data set, or lacks its files, says so", async () => {
  await using scene = await FetchScene.open({
    type: "dataset",
    name: "openai/gsm8k",
    revisions: { main: { "main/test-00000-of-00001.parquet": bytes("PAR1") } },
  });
  await assertRejects(() => fetched(scene, "ruler"), UserError, "give them to run with --data");
  await assertRejects(
    () => fetched(scene, "gsm8k"),
    UserError,
    "The dataset openai/gsm8k has no main/train-00000-of-00001.parquet at commit",
  );
  await assertRejects(
    () => cachedDataset("openai/gsm8k", ["a.parquet"], scene.cacheFolder, "fetch it"),
    UserError,
    `Of the dataset openai/gsm8k the hub's cache at ${scene.cacheFolder} lacks a.parquet; fetch it`,
  );
});

Deno.test("rows are found in a folder, and a file holds one benchmark", async () => {
  await inTemporaryFolder(async (data) => {
    await Deno.writeTextFile(`${data}/test.jsonl`, lines(solved(1), solved(2)));
    await Deno.writeTextFile(`${data}/train.jsonl`, lines(solved(3), solved(4), solved(5)));
    const mixed = lines(example("qasper", "a"), example("hotpotqa", "b"));
    await Deno.writeTextFile(`${data}/mixed.jsonl`, mixed);
    const slice = (name: string, choice: object, several = false) =>
      benchmarkSlice(named(name), { data, ...choice }, several);
    const two = await slice("gsm8k", { shots: 2 });
    assertEquals(two.examples.map(({ answers }) => answers), [["So.\n#### 1"], ["So.\n#### 2"]]);
    assertEquals(two.examples[0]!.prompt.match(/Question: \d/g), [
      ...["Question: 3", "Question: 4", "Question: 1"],
    ]);
    assertEquals(two.origin, {
      ...{ data: `${data}/test.jsonl`, data_commit: null, metric: "flexible", shots: 2 },
      ...{ chat: true, prompts: "this project's" },
    });
    const plain = await slice("gsm8k", { plain: true, maxNewTokens: 9 });
    assertEquals([plain.examples[0]!.chat, plain.maxNewTokens], [false, 9]);
    // Rows of other sets are left out.
    const mine = await slice("longbench:qasper", { data: `${data}/mixed.jsonl` });
    assertEquals(mine.examples.map(({ id }) => id), ["a"]);
    const prompts = `${data}/prompts.json`;
    await Deno.writeFile(prompts, WORDING);
    const worded = await slice("longbench:qasper", { data: `${data}/mixed.jsonl`, prompts });
    assertEquals([worded.examples[0]!.prompt, worded.origin.prompts], ["Ada.|Who?", prompts]);

    const wrong: [name: string, choice: object, several: boolean, message: string][] = [
      ["mmlu", { data: `${data}/none` }, false, "There is no file or folder "],
      ["ruler:vt", {}, false, "has no rows of ruler:vt: expected one of vt.jsonl"],
      ["gsm8k", { data: `${data}/test.jsonl` }, true, "holds the rows of one benchmark"],
      ["gsm8k", { shots: 9 }, false, "gsm8k has up to 8 worked examples, and --shots asks for 9"],
      ["gsm8k", { shots: 4 }, false, "train.jsonl has 3 rows; --shots asks for 4"],
      ["longbench:qasper", { data: `${data}/mixed.jsonl`, shots: 1 }, false, "leave out --shots 1"],
      ["longbench:lcc", { data: `${data}/mixed.jsonl` }, false, "has no row of lcc: its 2 rows"],
      ["gsm8k", { prompts: `${data}/none` }, false, "Cannot read the prompts "],
    ];
    const words: [content: string | Uint8Array, message: string][] = [
      [Uint8Array.of(0x7b, 0xff, 0x7d), "words.json is not UTF-8 text"],
      ['{"lcc": "{context}"}', "has no prompt for qasper; expected one beside lcc"],
      ["[]", "holds no prompts; expected a JSON object"],
      ["{}", "holds no prompts; expected a JSON object"],
      ['{"qasper": 3}', "holds no prompts; expected a JSON object"],
      ['{"qasper": "Read this."}', "has no field in the prompt of qasper; expected {context} and"],
      ['{"qasper": "{context} {inputs}"}', "has {inputs} in the prompt of qasper; expected {con"],
    ];
    for (const [content, message] of words) {
      const file = `${data}/words.json`;
      await Deno.writeFile(file, Buffer.from(content));
      await assertRejects(
        () => slice("longbench:qasper", { data: `${data}/mixed.jsonl`, prompts: file }),
        UserError,
        message,
      );
    }
    for (const [name, choice, several, message] of wrong) {
      const error = await assertRejects(() => slice(name, choice, several), UserError, message);
      assertEquals(error instanceof BenchmarkError || error instanceof UserError, true);
    }
  });
});
