/**
 * Everything that reads what somebody else wrote: valid files, and how they are read.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { loadDataFile } from "../../benchmarks/slices.ts";
import { loadCalibrationFile, writeCalibration } from "../../calibration/calibration_file.ts";
import { loadModel } from "../../engine/checkpoint/model.ts";
import { readValues } from "../../engine/checkpoint/stored_blocks.ts";
import { sha256 } from "../../engine/digest.ts";
import type { ModelShape } from "../../engine/engine.ts";
import { UserError } from "../../errors.ts";
import { CacheFolder } from "../../evaluation/cache/cache_folder.ts";
import { readEntry, readHeader, verifyEntry } from "../../evaluation/cache/entry_file.ts";
import { entryPath } from "../../evaluation/cache/entry_places.ts";
import { referenceBytes, ReferenceCache } from "../../evaluation/cache/reference_cache.ts";
import { RunJournal } from "../../evaluation/run_journal.ts";
import { readCell, writeCell } from "../../leaderboard/cell_file.ts";
import { FRAME_KINDS, frameCodec } from "../../sandbox/frame.ts";
import { decodeReply, encodeValue } from "../../sandbox/reply_value.ts";
import { summarize } from "../../replay/metric.ts";
import { readManifest } from "../../report/manifest.ts";
import { sampleBoard, sampleCell } from "../leaderboard/sample_board.ts";
import { sampleManifest } from "../leaderboard/sample_manifest.ts";
import { resultFiles } from "../../report/result_files.ts";
import { savedRun } from "../../report/saved_run.ts";
import { result } from "../report/sample_result.ts";
import { run } from "../report/sample_run.ts";
import { cellsOf, parseSweep } from "../../sweep/definition.ts";
import { joinShards } from "../../sweep/join.ts";

/** Something that reads files. */
export interface Reader {
  /** Valid files. */
  seeds(): Promise<Uint8Array<ArrayBuffer>[]>;
  /**
   * Reads a file and looks at all that is in it.
   *
   * @param folder of its own, empty
   */
  read(bytes: Uint8Array<ArrayBuffer>, folder: string): Promise<void>;
}

const golden = (path: string) => new URL(`../golden/${path}`, import.meta.url);

/** One file of a model folder; the others are as they should be. */
function modelFile(model: string, name: string): Reader {
  const place = golden(`model/${model}/`);
  return {
    seeds: async () => [await Deno.readFile(new URL(name, place))],
    read: async (bytes, folder) => {
      for await (const { name: other } of Deno.readDir(place)) {
        if (other !== name) await Deno.symlink(new URL(other, place), `${folder}/${other}`);
      }
      await Deno.writeFile(`${folder}/${name}`, bytes);
      await useModel(folder);
    },
  };
}

/** What a run leaves that was stopped after two examples. */
async function journal(): Promise<Uint8Array<ArrayBuffer>> {
  const path = await Deno.makeTempFile();
  try {
    {
      using opened = await RunJournal.open(path, "key");
      for (const id of ["a", "b"]) {
        opened!.add({ id, refused: "not finite", policies: [], failures: [] });
      }
    }
    return await Deno.readFile(path);
  } finally {
    await Deno.remove(path);
  }
}

/** Loads a model, reads its weights and has it render, encode and decode a text. */
async function useModel(path: string): Promise<void> {
  const model = await loadModel(path);
  for (const tensor of model.tensors.values()) await readValues(tensor);
  const ids = model.tokenizer.encode(
    model.renderChat([{ role: "user", content: "Why 42 lamps?\n" }]),
  );
  model.tokenizer.decode(ids);
}

const text = (value: string) => new TextEncoder().encode(value);

const shape: ModelShape = {
  layers: 2,
  queryHeads: 2,
  kvHeads: 2,
  headDim: 4,
  hidden: 8,
  vocab: 5,
  maxPositions: 64,
  rotary: { theta: 10_000, stretch: [1, 1], scale: 1 },
};
const PROMPT = [1, 2, 3];
const KEY = "a".repeat(64);

/** An entry of the cache: a reference of two steps. */
async function reference(): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-fuzz-" });
  try {
    const cache = await CacheFolder.open(folder);
    const payload = new Float32Array(referenceBytes(shape, PROMPT.length, 2) / 4).fill(0.5);
    new Int32Array(payload.buffer).set([...PROMPT, 0, 0]);
    await cache.write({
      kind: "references",
      key: KEY,
      model: "mini",
      device: "cpu",
      payloadBytes: payload.byteLength,
      facts: { steps: 2, prefillMs: 1.5 },
    }, [new Uint8Array(payload.buffer)]);
    return await Deno.readFile(entryPath(folder, "references", KEY));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** With the sums that such contents have: who writes a file by hand can hash it, too. */
function summed(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const end = bytes.length - 36;
  if (end < 0) return bytes;
  new DataView(bytes.buffer).setUint32(end, crc32(bytes.subarray(0, end)), true);
  bytes.set(createHash("sha256").update(bytes.subarray(0, end + 4)).digest(), end + 4);
  return bytes;
}

async function readCache(bytes: Uint8Array<ArrayBuffer>, folder: string): Promise<void> {
  const cache = await CacheFolder.open(folder);
  const path = entryPath(folder, "references", KEY);
  await Deno.writeFile(path, bytes);
  const references = new ReferenceCache(cache, { model: "mini", device: "cpu" });
  await references.load(KEY, PROMPT, shape);
  await cache.locate("references", KEY, 64);
  for (
    const look of [readHeader, verifyEntry, (path: string) => readEntry(path, () => true)]
  ) await look(path);
}

const cell = sampleCell("mini", "needle", "kivi_overlap_4bit");
const sweep = parseSweep("models: mini\npolicies: kivi_overlap_4bit\nbenchmarks: needle", "a.yaml");
const [one, two] = cellsOf(sweep);
/** The record of a shard, one cell of which is not there. */
const shard = [
  {
    ...{ format: "kvreplay sweep 2", sweep, shard: { index: 1, count: 1 } },
    program: { version: "0.1.0", commit: "unknown", sources: { reference: "a" } },
  },
  { cell: one, kind: "finished", file: "mini.json" },
  { cell: two, kind: "failed", reason: "It broke" },
].map((line) => `${JSON.stringify(line)}\n`).join("");
const examples = cell.examples.slice(0, 2);
const short = { ...cell, examples, numbers: summarize(examples) };

async function hashedCell(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { format, sha256: _, ...content } = JSON.parse(new TextDecoder().decode(bytes));
    return text(
      JSON.stringify({ format, sha256: await sha256(JSON.stringify(content)), ...content }),
    );
  } catch {
    return bytes;
  }
}

const saved = resultFiles(run, [{ data: null, max_new_tokens: 32, result }]);
const savedSteps = saved["steps.jsonl"]!;

const learned = {
  set: { samples: 2, tokens: 30, sha256: "c".repeat(64) },
  seconds: 1.5,
  samplesSeconds: 0.5,
};

const calibration = () =>
  writeCalibration({
    engine: "e",
    set: "s",
    entries: [{
      ...learned,
      family: "kvquant",
      settings: '{"bits":4}',
      value: { levels: Float32Array.of(-1, 0.5, 2), order: Int32Array.of(2, 0, 1) },
    }],
  });

async function readCalibrationFile(
  bytes: Uint8Array<ArrayBuffer>,
  folder: string,
): Promise<void> {
  await Deno.writeFile(`${folder}/learned`, bytes);
  await loadCalibrationFile(`${folder}/learned`);
}

/** With the hash that such contents have. */
function hashed(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const end = bytes.length - 32;
  if (end < 0) return bytes;
  bytes.set(createHash("sha256").update(bytes.subarray(0, end)).digest(), end);
  return bytes;
}

const nonce = new Uint8Array(16).fill(7);

function readReply(body: Uint8Array): void {
  decodeReply(new TextDecoder().decode(body));
}

/** Reads the messages of a process, in pieces, and what they say. */
function readFrames(bytes: Uint8Array<ArrayBuffer>): void {
  const reader = frameCodec().reader(nonce, 1 << 16);
  const third = Math.ceil(bytes.length / 3);
  for (let at = 0; at < bytes.length; at += third) {
    let frames;
    try {
      frames = reader.push(bytes.subarray(at, at + third));
    } catch (error) {
      // The codec's text also runs where there are no classes of ours; its reader says whose fault it is.
      throw new UserError((error as Error).message);
    }
    for (const { kind, body } of frames) if (kind === FRAME_KINDS.reply) readReply(body);
  }
}

const row = (id: string, more: object) =>
  JSON.stringify({
    ...{ _id: id, input: "What is the pass key?", context: "The pass key is 42.", answers: ["42"] },
    ...{ length: 9, dataset: "passkey", language: "en", all_classes: null },
    ...more,
  });

/** Every reader by name. */
export const readers = {
  "config.json": modelFile("sharded-bf16", "config.json"),
  "generation_config.json": modelFile("wide-heads-f16", "generation_config.json"),
  "tokenizer.json": modelFile("wide-heads-f16", "tokenizer.json"),
  "tokenizer_config.json": modelFile("sharded-bf16", "tokenizer_config.json"),
  "chat_template.jinja": modelFile("wide-heads-f16", "chat_template.jinja"),
  "safetensors": modelFile("wide-heads-f16", "model.safetensors"),
  "safetensors index": modelFile("sharded-bf16", "model.safetensors.index.json"),
  "gguf": {
    seeds: async () => [await Deno.readFile(golden("gguf/llama.gguf"))],
    read: async (bytes, folder) => {
      await Deno.writeFile(`${folder}/model.gguf`, bytes);
      await useModel(`${folder}/model.gguf`);
    },
  },
  "jsonl": {
    seeds: () =>
      Promise.resolve([
        text(`${row("a", {})}\n${row("b", { dataset: "hotpotqa", depth: 0.5 })}\n`),
        text(row("c", { dataset: "stem_mc", answers: ["B"], all_classes: ["A", "B"] })),
      ]),
    read: async (bytes, folder) => {
      await Deno.writeFile(`${folder}/data.jsonl`, bytes);
      await loadDataFile(`${folder}/data.jsonl`);
    },
  },
  "cache entry": { seeds: async () => [await reference()], read: readCache },
  "summed cache entry": {
    seeds: async () => [await reference()],
    read: (bytes, folder) => readCache(summed(bytes), folder),
  },
  "run journal": {
    seeds: async () => [await journal()],
    read: async (bytes, folder) => {
      await Deno.writeFile(`${folder}/run.jsonl`, bytes);
      using opened = await RunJournal.open(`${folder}/run.jsonl`, "key");
      for (const { policies } of opened!.finished) policies.map(({ outcome }) => outcome.steps);
    },
  },
  "cell": {
    seeds: async () => [text(await writeCell(short))],
    read: async (bytes) => {
      await readCell(new TextDecoder().decode(bytes), "a.json", cell.key);
    },
  },
  "hashed cell": {
    seeds: async () => [text(await writeCell(short))],
    read: async (bytes) => {
      const made = new TextDecoder().decode(await hashedCell(bytes));
      await readCell(made, "a.json", cell.key);
    },
  },
  "manifest": {
    seeds: () => Promise.resolve([text(JSON.stringify(sampleManifest(sampleBoard())))]),
    read: (bytes) => {
      readManifest(new TextDecoder().decode(bytes), "manifest.json");
      return Promise.resolve();
    },
  },
  "sweep": {
    seeds: () =>
      Promise.resolve([
        text("models: [mini]\nseeds: [0, 1]\nlimit: 2\ndevice: cpu\n"),
        text(
          "benchmarks: [{benchmark: gsm8k, shots: 2, data: a}, {niah: uuid, depths: 0:100:50}]\n",
        ),
        text("benchmarks: [{fields: {prompt: q, answer: a}, data: b}, {ppl: c, window: 64}]\n"),
      ]),
    read: (bytes) => {
      cellsOf(parseSweep(new TextDecoder().decode(bytes), "a.yaml"));
      return Promise.resolve();
    },
  },
  "shard of a sweep": {
    seeds: () => Promise.resolve([text(shard)]),
    read: async (bytes, folder) => {
      await Deno.mkdir(`${folder}/shards`);
      await Deno.writeFile(`${folder}/shards/1-of-1.jsonl`, bytes);
      await joinShards([folder], () => {});
    },
  },
  "calibration": { seeds: async () => [await calibration()], read: readCalibrationFile },
  "hashed calibration": {
    seeds: async () => [await calibration()],
    read: (bytes, folder) => readCalibrationFile(hashed(bytes), folder),
  },
  "metrics of a run": {
    seeds: () => Promise.resolve([text(saved["metrics.json"]!)]),
    read: async (bytes) => {
      await Promise.resolve(savedRun(new TextDecoder().decode(bytes), savedSteps, "a"));
    },
  },
  "steps of a run": {
    seeds: () => Promise.resolve([text(savedSteps)]),
    read: async (bytes) => {
      await Promise.resolve(savedRun(saved["metrics.json"]!, new TextDecoder().decode(bytes), "a"));
    },
  },
  "policy messages": {
    seeds: () => {
      const value = { bits: [4, NaN, 2], mode: "offline", family: undefined };
      const reply = JSON.stringify(encodeValue(value));
      const codec = frameCodec();
      const frames = [1, 2].map((seq) => codec.encode(FRAME_KINDS.reply, seq, nonce, text(reply)));
      return Promise.resolve([Uint8Array.from(frames.flatMap((frame) => [...frame]))]);
    },
    read: (bytes) => Promise.resolve(readFrames(bytes)),
  },
  "policy reply": {
    seeds: () =>
      Promise.resolve([
        text(JSON.stringify(encodeValue({ a: [1, NaN, -0], b: { $: 1 }, c: undefined }))),
        text(JSON.stringify(encodeValue([5n, () => 1]))),
      ]),
    read: (bytes) => Promise.resolve(readReply(bytes)),
  },
} satisfies Record<string, Reader>;

/** Name of a reader. */
export type ReaderName = keyof typeof readers;

/** All of them. */
export const readerNames = Object.keys(readers) as ReaderName[];
