/** References on disk: the same to the last bit, or made anew. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CacheFolder, type CacheOptions } from "../../../evaluation/cache/cache_folder.ts";
import { type Entry, entryBytes, readEntry } from "../../../evaluation/cache/entry_file.ts";
import { entriesIn } from "../../../evaluation/cache/entry_places.ts";
import { referenceBytes, ReferenceCache } from "../../../evaluation/cache/reference_cache.ts";
import { References } from "../../../evaluation/references.ts";
import type { CpuTensor } from "../../../quant/tensor.ts";
import type { ForwardInput, ForwardOutput } from "../../../engine/engine.ts";
import type { Reference } from "../../../replay/reference.ts";
import { SyntheticEngine } from "../../engine/synthetic_engine.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

/** Logits that name a token for every id; values that only their bits tell apart. */
class TellingEngine extends SyntheticEngine {
  override async forward(input: ForwardInput<CpuTensor>): Promise<ForwardOutput<CpuTensor>> {
    const out = await super.forward(input);
    const { vocab } = this.shape;
    out.logits.forEach((_, i) => out.logits[i] = Math.fround(Math.sin(i * 1.7 + input.ids[0]!)));
    out.logits[(3 * input.ids[0]! + 1) % vocab] = 7;
    if (out.layers.length > 0) out.layers[0]!.value.data.set([-0, 1e-45, -Infinity]);
    return out;
  }
}

const prompts = [[1, 2, 3, 4, 5], [9, 8, 7], [6, 6, 6, 6]];
const MAX_NEW_TOKENS = 4;

/** Every reference in a folder's cache; how often the model ran, and what was told. */
async function run(folder: string, options: CacheOptions = {}, asked = prompts) {
  const engine = new TellingEngine();
  const notices: string[] = [];
  const notice = (sentence: string) => notices.push(sentence);
  const cache = new ReferenceCache(await CacheFolder.open(folder, { ...options, notice }), {
    model: "telling",
    device: "cpu",
  });
  const references = new References(
    { engine, maxNewTokens: MAX_NEW_TOKENS, eosIds: [2], decode: String, cache },
    asked.map((prompt) => ({ prompt })),
  );
  const shortage = await references.shortage();
  const found: Reference<CpuTensor>[] = [];
  for (const i of asked.keys()) found.push(await references.get(i));
  await references.close();
  return { found: found.map(bitsOf), runs: engine.runs, notices, shortage };
}

/** A reference with its floats as words: -0 is not 0, and NaN is itself. */
function bitsOf({ prompt, tokens, logits, layers, prefillMs }: Reference<CpuTensor>) {
  const words = (data: Float32Array) => [...new Uint32Array(data.slice().buffer)];
  return {
    prompt,
    tokens,
    prefillMs,
    logits: words(logits),
    layers: layers.map(({ key, value }) => [
      [key.heads, key.capacity, key.headDim],
      words(key.data),
      words(value.data),
    ]),
  };
}

Deno.test("a second run gets every bit of the first, and the model does not run", async () => {
  await inTemporaryFolder(async (folder) => {
    const first = await run(folder);
    assertEquals(first.found.map(({ tokens }) => tokens.length), [4, 1, 4]);
    const second = await run(folder);
    assertEquals(second, { ...first, runs: 0 });
    assert(first.runs > 0);
  });
});

Deno.test("the size on disk is foretold", async () => {
  await inTemporaryFolder(async (folder) => {
    const { found } = await run(folder);
    const { shape } = new TellingEngine();
    const payloads = found.map(({ prompt, tokens }) =>
      referenceBytes(shape, prompt.length, tokens.length)
    );
    for (const { path, bytes } of entriesIn(folder)) {
      const { header, payload } = await readEntry(path, () => true);
      assert(payloads.includes(payload.length));
      assertEquals([bytes, header.model, header.device], [entryBytes(header), "telling", "cpu"]);
    }
  });
});

Deno.test("steps allowed, end tokens and prompt are part of the key", async () => {
  await inTemporaryFolder(async (folder) => {
    const cache = new ReferenceCache(await CacheFolder.open(folder), { model: "m", device: "cpu" });
    const keys = await Promise.all([
      cache.key("f", [1, 2], 4, [2]),
      cache.key("g", [1, 2], 4, [2]),
      cache.key("f", [1, 3], 4, [2]),
      cache.key("f", [1, 2], 5, [2]),
      cache.key("f", [1, 2], 4, [3]),
    ]);
    assertEquals(new Set(keys).size, keys.length);
    for (const key of keys) assertMatch(key, /^[0-9a-f]{64}$/);
  });
});

Deno.test("an entry whose ids are not those of its prompt and logits is made anew", async () => {
  const first = prompts.slice(0, 1);
  const spoil: Record<string, (entry: Entry, words: Int32Array) => Entry["header"]["facts"]> = {
    "another prompt": ({ header }, words) => (words[0]!++, header.facts),
    "a token that is not the likeliest": ({ header }, words) => (words[5] = 0, header.facts),
    "a token beyond the vocabulary": ({ header }, words) => (words[6] = 1 << 20, header.facts),
    "no steps": ({ header }) => ({ ...header.facts, steps: 0 }),
    "other steps": ({ header }) => ({ ...header.facts, steps: 2 }),
    "no time": ({ header: { facts: { steps } } }) => ({ steps: steps! }),
  };
  for (const [what, change] of Object.entries(spoil)) {
    await inTemporaryFolder(async (folder) => {
      const { found, runs } = await run(folder, {}, first);
      const { path } = entriesIn(folder)[0]!;
      const entry = await readEntry(path, () => true);
      const facts = change(entry, new Int32Array(entry.payload.buffer));
      // Written by the cache itself, so that the hash is right.
      const cache = await CacheFolder.open(folder);
      await cache.write({ ...entry.header, facts }, [entry.payload]);
      const again = await run(folder, {}, first);
      const bits = again.found.map((reference, i) => ({
        ...reference,
        prefillMs: found[i]!.prefillMs,
      }));
      assertEquals(bits, found, what);
      assertEquals([again.runs, again.notices.length], [runs, 1], what);
      assertEquals((await run(folder, {}, first)).runs, 0, what);
    });
  }
});

Deno.test("under a limit a run keeps what came first, so that the next one finds it", async () => {
  await inTemporaryFolder(async (folder) => {
    const whole = await run(folder);
    const sizes = entriesIn(folder).map(({ bytes }) => bytes);
    await Promise.all(entriesIn(folder).map(({ path }) => Deno.remove(path)));
    // Headers hold the time of the prefill, whose digits make entries differ by a few bytes.
    const limit = sizes.reduce((a, b) => a + b) - Math.min(...sizes) / 2;
    const first = await run(folder, { limit });
    assertEquals([first.runs, first.notices.length], [whole.runs, 1]);
    const second = await run(folder, { limit });
    assert(second.runs > 0 && second.runs < whole.runs);
    assert(entriesIn(folder).reduce((sum, { bytes }) => sum + bytes, 0) <= limit);
  });
});

Deno.test("a full disk is told before the work, and nothing when all is kept already", async () => {
  await inTemporaryFolder(async (folder) => {
    const full = { free: () => Promise.resolve(0) };
    const first = await run(folder, full);
    assertMatch(first.shortage!, /has 0 B free, and up to [\d.]+ KiB would be kept/);
    assertEquals(entriesIn(folder), []);
    await run(folder);
    const second = await run(folder, full);
    assertEquals([second.shortage, second.runs], [undefined, 0]);
  });
});
