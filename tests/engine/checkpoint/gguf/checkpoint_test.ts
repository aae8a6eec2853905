import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { UserError } from "../../../../errors.ts";
import { openGguf } from "../../../../engine/checkpoint/gguf/checkpoint.ts";
import { loadModel } from "../../../../engine/checkpoint/model.ts";
import { openCheckpoint } from "../../../../engine/checkpoint/open.ts";
import { readValues } from "../../../../engine/checkpoint/stored_blocks.ts";
import { modelCopy } from "../temporary_folder.ts";
import { ggufBytes } from "./gguf_bytes.ts";

const GOLDEN = fileURLToPath(new URL("../../../golden/gguf", import.meta.url));
const LLAMA = "llama.gguf";
const QWEN2 = [1, 2, 3].map((part) => `qwen2-0000${part}-of-00003.gguf`);

/** SHA-256 of the float32 values of every tensor, by Hugging Face name. */
const weights: Record<"llama" | "qwen2", Record<string, string>> = JSON.parse(
  await Deno.readTextFile(`${GOLDEN}/weights.json`),
);

/** A folder with copies of golden files, removed with `using`. */
async function folderOf(...names: readonly string[]): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "kvreplay-gguf-" });
  for (const name of names) await Deno.copyFile(`${GOLDEN}/${name}`, `${path}/${name}`);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

for (const [type, file] of [["llama", LLAMA], ["qwen2", QWEN2[0]!]] as const) {
  Deno.test(`every tensor of a ${type} file is what the gguf package restores, in Transformers' order`, async () => {
    const checkpoint = await openGguf(`${GOLDEN}/${file}`);
    assertEquals([...checkpoint.tensors.keys()].sort(), Object.keys(weights[type]).sort());
    for (const [name, tensor] of checkpoint.tensors) {
      const values = await readValues(tensor);
      const sha256 = createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
      assertEquals(sha256, weights[type][name], `${name} in ${tensor.dtype}`);
      assertEquals(values.length, tensor.shape.reduce((product, size) => product * size, 1));
    }
  });
}

Deno.test("a model in parts is loaded whole, whichever part or folder is named", async () => {
  await using folder = await folderOf(...QWEN2);
  const model = await loadModel(`${folder.path}/${QWEN2[0]}`);
  assertEquals(model.shape, {
    ...model.shape,
    layers: 2,
    hidden: 64,
    queryHeads: 4,
    kvHeads: 2,
    headDim: 16,
    vocab: 528,
    maxPositions: 256,
  });
  assert(model.config.tiedEmbeddings);
  assertEquals(model.eosIds, [523, 521]);
  assertEquals(
    model.renderChat([{ role: "user", content: "hi" }]),
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
  );
  assertEquals(model.tokenizer.encode("<|im_start|>").length, 1);
  assertEquals([...model.tensors.keys()].sort(), Object.keys(weights.qwen2).sort());
  for (const other of [`${folder.path}/${QWEN2[2]}`, folder.path]) {
    assertEquals((await loadModel(other)).hash, model.hash);
  }
});

Deno.test("a folder's tokenizer and template may take the place of the file's", async () => {
  await using folder = await modelCopy("wide-heads-f16");
  const qwen2 = `${GOLDEN}/${QWEN2[0]}`;
  const plain = await loadModel(qwen2);
  const model = await loadModel(qwen2, { tokenizer: folder.path });
  assertEquals(model.tokenizer.id("<|im_end|>"), 258);
  assertNotEquals(model.hash, plain.hash);
  // The file's template is used where the folder has none.
  await Deno.remove(`${folder.path}/chat_template.jinja`);
  const { renderChat } = await loadModel(qwen2, { tokenizer: folder.path });
  const turn = [{ role: "user", content: "hi" }] as const;
  assertEquals(renderChat(turn), plain.renderChat(turn));
});

Deno.test("the hash covers metadata and weights of every part", async () => {
  await using folder = await folderOf(...QWEN2);
  const load = async () => (await loadModel(folder.path)).hash;
  const hashes = new Set([await load()]);
  for (const name of QWEN2) {
    const bytes = await Deno.readFile(`${folder.path}/${name}`);
    bytes[bytes.length - 40]! ^= 1;
    await Deno.writeFile(`${folder.path}/${name}`, bytes);
    hashes.add(await load());
  }
  const first = `${folder.path}/${QWEN2[0]}`;
  const text = "tiny qwen2";
  const bytes = await Deno.readFile(first);
  const at = new TextDecoder("latin1").decode(bytes).indexOf(text);
  bytes[at]! ^= 1;
  await Deno.writeFile(first, bytes);
  hashes.add(await load());
  assertEquals(hashes.size, 5);
});

Deno.test("a folder with several models asks which", async () => {
  await using folder = await folderOf(LLAMA, ...QWEN2);
  await assertRejects(
    () => openCheckpoint(folder.path),
    UserError,
    `holds 2 GGUF models, ${LLAMA}, ${QWEN2[0]}: name the one to load`,
  );
});

Deno.test("what is no model of a known kind is refused in one sentence", async (t) => {
  const metadata = {
    "general.architecture": "qwen2",
    "qwen2.context_length": 8,
    "qwen2.embedding_length": 8,
    "qwen2.block_count": 1,
    "qwen2.feed_forward_length": 8,
    "qwen2.attention.head_count": 2,
    "qwen2.attention.layer_norm_rms_epsilon": 0.5,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": ["a"],
    "tokenizer.ggml.merges": [],
    "tokenizer.ggml.eos_token_id": 0,
    "tokenizer.chat_template": "x",
  };
  const embedding = { name: "token_embd.weight", shape: [1, 8] };
  const without = (key: keyof typeof metadata) => {
    const { [key]: _, ...rest } = metadata;
    return rest;
  };
  const cases: Record<string, [Parameters<typeof ggufBytes>[0], string]> = {
    "no embedding": [{ metadata }, 'lacks the tensor "token_embd.weight"'],
    "another architecture": [
      { metadata: { "general.architecture": "mamba" }, tensors: [embedding] },
      '"general.architecture" is "mamba"; those that are known are llama, qwen2, qwen3',
    ],
    "no end token": [
      { metadata: without("tokenizer.ggml.eos_token_id"), tensors: [embedding] },
      "names no end token",
    ],
    "a tensor too few": [
      { metadata, tensors: [embedding] },
      'lacks the tensor "model.norm.weight" of shape [8]',
    ],
    "a tensor too many": [
      { metadata, tensors: [embedding, { name: "blk.0.ssm_a", shape: [8] }] },
      'has the tensor "blk.0.ssm_a", which is not part of the model that its metadata describes',
    ],
    "a tensor of another shape": [
      { metadata, tensors: [embedding, { name: "output_norm.weight", shape: [4] }] },
      'the tensor "model.norm.weight" has shape [4]; its metadata asks for [8]',
    ],
  };
  for (const [what, [file, sentence]] of Object.entries(cases)) {
    await t.step(what, async () => {
      await using folder = await folderOf();
      await Deno.writeFile(`${folder.path}/m.gguf`, ggufBytes(file));
      await assertRejects(() => loadModel(folder.path), UserError, sentence);
    });
  }
});

for (const names of [[LLAMA], QWEN2]) {
  Deno.test(`${names[0]} with bytes changed is loaded or refused in one sentence`, async () => {
    await using folder = await folderOf(...names);
    const first = `${folder.path}/${names[0]}`;
    const good = await Deno.readFile(first);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(24_000),
        fc.uint8Array({ minLength: 1, maxLength: 16 }),
        async (at, changed) => {
          const bytes = good.slice();
          bytes.set(changed, at);
          await Deno.writeFile(first, bytes);
          try {
            await loadModel(folder.path);
          } catch (error) {
            assert(error instanceof UserError, `${at}: ${(error as Error).stack}`);
            assert(!error.message.includes("\n"), error.message);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
}
