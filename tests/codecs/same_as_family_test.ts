/**
 * The door is proved by what is known: `uniform` and `kivi` written as codecs store the bytes of the
 * families and restore what they restore.
 */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { CodecHost } from "../../codecs/codec_host.ts";
import type { BufferContents, Family, KvKind, Source, Store } from "../../quant/family.ts";
import { kivi } from "../../quant/families/kivi/kivi.ts";
import { uniform } from "../../quant/families/uniform/uniform.ts";
import { settingsFor } from "../../quant/settings_for.ts";
import type { KvShape } from "../../quant/tensor.ts";
import { type TestBackend, testOnBackends } from "../quant/backends.ts";
import { kvData } from "../quant/kv_data.ts";

const SHAPE = { heads: 2, headDim: 64, capacity: 420 };
const LAYERS = 2;
const PROMPT = 300;

/** Snapshots that are looked at: the prompt's, and some behind it that close a block. */
const SNAPSHOTS = [PROMPT, PROMPT + 1, PROMPT + 84, PROMPT + 100];

const CASES = [
  { file: "uniform_4bit.ts", family: uniform, axes: { key: "token", value: "token" }, window: 0 },
  { file: "kivi_4bit.ts", family: kivi, axes: { key: "channel", value: "token" }, window: 128 },
] as const;

async function openExample(file: string): Promise<CodecHost> {
  const path = fileURLToPath(new URL(`examples/${file}`, import.meta.url));
  const host = await CodecHost.open({
    name: "example",
    text: await Deno.readTextFile(path),
    language: "ts",
  });
  const model = { layers: LAYERS, query_heads: 2, kv_heads: SHAPE.heads, head_dim: SHAPE.headDim };
  await host.calibrationMode({ model: { ...model, hidden_size: 128, vocab_size: 16 } } as never);
  return host;
}

function sourcesOf(backend: TestBackend, kind: KvKind): Source<KvShape>[] {
  const siblings: Source<KvShape>[] = [];
  for (let layer = 0; layer < LAYERS; layer++) {
    const seed = 2 * layer + (kind === "key" ? 0 : 1);
    const data = kvData(SHAPE.heads * SHAPE.capacity, SHAPE.headDim, "outlier channels", seed);
    const tensor = backend.upload(data, SHAPE);
    siblings.push({ layer, kind, tensor, promptTokens: PROMPT, siblings, shared: new Map() });
  }
  return siblings;
}

/** Both stores of every layer and kind: the family's, and the codec's. */
function stores(
  backend: TestBackend,
  codec: Family,
  { family, axes, window }: typeof CASES[number],
): { family: Store<KvShape>; codec: Store<KvShape> }[] {
  const pairs = [];
  for (const kind of ["key", "value"] as const) {
    for (const source of sourcesOf(backend, kind)) {
      const { layer } = source;
      const place = { layer, kind, calibrationMode: "none" } as const;
      const answers = { ...place, bits: [4, 4], axis: axes[kind], residualLength: window };
      const settings = settingsFor(family as Family, answers, SHAPE);
      const own = codec.resolve({ ...answers, bits: [1, 1], options: {} }, SHAPE);
      pairs.push({
        family: backend.open(family, source, settings, SHAPE.capacity),
        codec: backend.open(codec, source, own, SHAPE.capacity),
      });
    }
  }
  return pairs;
}

async function restored(backend: TestBackend, store: Store<KvShape>): Promise<Float32Array> {
  const target = backend.upload(
    new Float32Array(SHAPE.heads * SHAPE.capacity * SHAPE.headDim),
    SHAPE,
  );
  store.restore(target);
  return await backend.read(target);
}

/** How often every byte value occurs: the order of codes and parameters is each layout's own. */
function histogram(contents: readonly BufferContents[]): number[] {
  const counts = new Array<number>(256).fill(0);
  for (const { words } of contents) {
    for (const byte of new Uint8Array(words.buffer, words.byteOffset, words.byteLength)) {
      counts[byte]!++;
    }
  }
  return counts;
}

for (const known of CASES) {
  testOnBackends(`${known.file} is the family ${known.family.name}`, async (backend) => {
    await using host = await openExample(known.file);
    const pairs = stores(backend, host.family, known);
    for (const n of SNAPSHOTS) {
      for (const pair of pairs) {
        pair.family.grow(n);
        pair.codec.grow(n);
      }
      for (const { family, codec } of pairs) {
        await family.settle();
        await codec.settle();
        assertEquals(codec.quantized, family.quantized);
        const bytes = (store: Store<KvShape>) =>
          store.buffers(n).reduce((sum, buffer) => sum + buffer.bytes, 0);
        assert(bytes(family) > 0);
        assertEquals(bytes(codec), bytes(family));
        assertEquals(await restored(backend, codec), await restored(backend, family));
      }
    }
    await host.verifyDeterminism();
    // The same bytes, once all that there is room for is filled.
    if (known.family !== uniform) return;
    for (const { family, codec } of pairs) {
      family.grow(SHAPE.capacity);
      codec.grow(SHAPE.capacity);
      await family.settle();
      await codec.settle();
      assertEquals(histogram(await codec.contents()), histogram(await family.contents()));
    }
  });
}
