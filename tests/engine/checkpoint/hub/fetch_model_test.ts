/** What a fetch brings, and where it puts it. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { UserError } from "../../../../errors.ts";
import { cachedModel } from "../../../../engine/checkpoint/hub/cached_model.ts";
import { HubClient } from "../../../../engine/checkpoint/hub/hub_client.ts";
import { parseHubName } from "../../../../engine/checkpoint/hub/name.ts";
import { RepoDownload } from "../../../../engine/checkpoint/hub/repo_download.ts";
import { loadModel } from "../../../../engine/checkpoint/model.ts";
import { commitOf, gitSha1, isLfs, sha256 } from "./fake_hub.ts";
import { FetchScene } from "./fetch_scene.ts";
import { DATASET, GGUF, SHARDED, WHOLE } from "./repos.ts";

const NEEDED = [
  ...["chat_template.jinja", "config.json", "generation_config.json", "model.safetensors"],
  ...["tokenizer.json", "tokenizer_config.json"],
];

Deno.test("a model's files lie under their hashes, its commit links to them, its branch names it", async () => {
  await using scene = await FetchScene.open(WHOLE);
  const { path, commit, received } = await scene.fetch(WHOLE.name);
  const files = WHOLE.revisions.main!;
  const folder = "models--acme--Wide-0.1B";
  assertEquals(commit, commitOf(WHOLE, "main"));
  assertEquals(path, join(scene.cacheFolder, folder, "snapshots", commit));
  const hash = (name: string) => (isLfs(name, files[name]!) ? sha256 : gitSha1)(files[name]!);
  assertEquals(scene.files(), {
    [`${folder}/refs/main`]: "",
    ...Object.fromEntries(NEEDED.flatMap((name) => [
      [`${folder}/blobs/${hash(name)}`, ""],
      [`${folder}/snapshots/${commit}/${name}`, `../../blobs/${hash(name)}`],
    ])),
  });
  assertEquals(await Deno.readTextFile(join(scene.cacheFolder, folder, "refs/main")), commit);
  for (const name of NEEDED) assertEquals(await Deno.readFile(join(path, name)), files[name]);
  assertEquals(received, NEEDED.reduce((sum, name) => sum + files[name]!.length, 0));
  assertEquals(scene.progress.at(-1)!.done, received);
  await loadModel(path);
});

Deno.test("nothing is asked of the hub but the listing and these files", async () => {
  await using scene = await FetchScene.open(WHOLE);
  await scene.fetch(WHOLE.name);
  const resolved = scene.hub.paths("hub").filter((path) => path.includes("/resolve/"));
  const prefix = `/acme/Wide-0.1B/resolve/${commitOf(WHOLE, "main")}/`;
  assertEquals(resolved.sort(), NEEDED.map((name) => prefix + name).sort());
  // Neither the protocol behind the hub that its answers offer, nor a second look at the weights.
  assertEquals(scene.hub.paths("cdn"), [`/${sha256(WHOLE.revisions.main!["model.safetensors"]!)}`]);
  assertEquals(scene.hub.paths("hub").filter((path) => /xet/.test(path)), []);
});

Deno.test("shards are those that the index names", async () => {
  await using scene = await FetchScene.open(SHARDED);
  const { path } = await scene.fetch(SHARDED.name);
  assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), [
    "config.json",
    ...[1, 2, 3].map((n) => `model-0000${n}-of-00003.safetensors`),
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  await loadModel(path);
});

Deno.test("a GGUF file comes alone, or with the parts that belong to it", async () => {
  await using scene = await FetchScene.open(GGUF);
  const whole = await scene.fetch(`${GGUF.name}:wide-q4_0.gguf`);
  assertEquals([...Deno.readDirSync(join(whole.path, ".."))].length, 1);
  const part = await scene.fetch(`${GGUF.name}:q8/wide-q8_0-00002-of-00002.gguf`);
  assertStringIncludes(part.path, "/q8/wide-q8_0-00001-of-00002.gguf");
  assertEquals([...Deno.readDirSync(join(part.path, ".."))].length, 2);
  for (const { path } of [whole, part]) {
    assertStringIncludes(await Deno.readTextFile(path), "GGUF, ");
  }
});

Deno.test("what is there already does not come again, at this revision or another", async () => {
  await using scene = await FetchScene.open(WHOLE);
  await scene.fetch(WHOLE.name);
  assertEquals((await scene.fetch(WHOLE.name)).received, 0);
  const tagged = await scene.fetch(`${WHOLE.name}@v1.0`);
  assertEquals([tagged.commit, tagged.received], [commitOf(WHOLE, "v1.0"), 0]);
  assertEquals(tagged.path.endsWith(`/snapshots/${tagged.commit}`), true);
  const commit = commitOf(WHOLE, "main");
  assertEquals((await scene.fetch(`${WHOLE.name}@${commit}`)).received, 0);
  // A commit stands for itself.
  const refs = Object.keys(scene.files()).filter((path) => path.includes("/refs/"));
  assertEquals(refs.map((path) => path.split("/").at(-1)).sort(), ["main", "v1.0"]);
});

Deno.test("a file in the cache that is not what the hub lists is brought anew", async () => {
  await using scene = await FetchScene.open(WHOLE);
  const { path } = await scene.fetch(WHOLE.name);
  const weights = await Deno.realPath(join(path, "model.safetensors"));
  const bytes = await Deno.readFile(weights);
  for (const wrong of [bytes.slice(0, -1), bytes.with(100, bytes[100]! ^ 1)]) {
    await Deno.writeFile(weights, wrong);
    assertEquals((await scene.fetch(WHOLE.name)).received, bytes.length);
    assertEquals(
      scene.notices.at(-1),
      "model.safetensors in the cache is not what the hub lists; downloading it anew",
    );
    assertEquals(await Deno.readFile(join(path, "model.safetensors")), bytes);
  }
});

Deno.test("a model that has moved on the hub is fetched at its new commit", async () => {
  await using scene = await FetchScene.open({
    ...WHOLE,
    revisions: { main: WHOLE.revisions["v1.0"]! },
  });
  const before = await scene.fetch(WHOLE.name);
  await using later = await FetchScene.open(WHOLE);
  const after = await scene.fetch(WHOLE.name, { endpoint: later.hub.endpoint });
  assert(after.commit !== before.commit);
  const found = await cachedModel(parseHubName(WHOLE.name)!, scene.cacheFolder, "");
  assertEquals(found.commit, after.commit);
});

Deno.test("the files of a dataset come the same way", async () => {
  await using scene = await FetchScene.open(DATASET);
  const repo = { type: "dataset" as const, name: DATASET.name };
  const client = new HubClient({ repo, access: { endpoint: scene.hub.endpoint, offline: false } });
  const download = await RepoDownload.open(client, scene.cacheFolder, "main", {});
  assertEquals([...download.listing.files.keys()], ["data/test.jsonl"]);
  await download.bring(["data/test.jsonl"]);
  await download.publish("main");
  assertEquals(await download.text("data/test.jsonl"), '{"input": "x"}\n');
  const hash = gitSha1(DATASET.revisions.main!["data/test.jsonl"]!);
  const { commit } = download.listing;
  assertEquals(scene.files(), {
    [`datasets--acme--Questions/blobs/${hash}`]: "",
    [`datasets--acme--Questions/refs/main`]: "",
    [`datasets--acme--Questions/snapshots/${commit}/data/test.jsonl`]: `../../../blobs/${hash}`,
  });
});

Deno.test("a repository without the files of a model is refused before anything comes", async () => {
  const text = (content: string) => new TextEncoder().encode(content);
  const { "tokenizer.json": _, ...untokenized } = WHOLE.revisions.main!;
  const empty = { name: "acme/Empty", revisions: { main: { "README.md": text("#") } } };
  const without = { name: "acme/Without", revisions: { main: untokenized } };
  await using scene = await FetchScene.open(GGUF, empty, without);
  const wrong: [name: string, sentence: string][] = [
    [
      GGUF.name,
      "name one of its GGUF files after a colon, of wide-q4_0.gguf, q8/wide-q8_0-00001-of-00002.gguf",
    ],
    [`${GGUF.name}:none.gguf`, "acme/Wide-0.1B-GGUF:none.gguf has no none.gguf at commit "],
    ["acme/Empty", ", which a model is loaded from"],
    ["acme/Without", "acme/Without has no tokenizer.json at commit "],
  ];
  for (const [name, sentence] of wrong) {
    await assertRejects(() => scene.fetch(name), UserError, sentence);
  }
  assertEquals(scene.files(), {});
});

Deno.test("offline nothing is asked, and what is in the cache is found", async () => {
  await using scene = await FetchScene.open(WHOLE);
  await assertRejects(
    () => scene.fetch(WHOLE.name, { offline: true }),
    UserError,
    `The model acme/Wide-0.1B is not in the hub's cache at ${scene.cacheFolder}; HF_HUB_OFFLINE is set: unset it`,
  );
  const { path } = await scene.fetch(WHOLE.name);
  const asked = scene.hub.requests.length;
  assertEquals((await scene.fetch(WHOLE.name, { offline: true })).path, path);
  assertEquals(scene.hub.requests.length, asked);
});
