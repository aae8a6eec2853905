/**
 * Real weights. The variable KVREPLAY_REAL_MODELS names the folder that `tools/real_models.sh` brought
 * them to; where it is set, SmolLM2 must be there. Other files are read when they are there.
 */
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openGguf } from "../../../../engine/checkpoint/gguf/checkpoint.ts";
import { loadModel, type Model } from "../../../../engine/checkpoint/model.ts";
import { readValues } from "../../../../engine/checkpoint/stored_blocks.ts";
import { openCpuEngine } from "../../../../engine/devices/cpu.ts";
import { argmax } from "../../../../replay/reference.ts";
import { runCausally } from "../../devices/causal_run.ts";

interface Golden {
  readonly file: string;
  readonly eos: readonly number[];
  readonly weights_sha256: string;
  readonly tokenizer: { readonly text: string; readonly ids: number[]; readonly decoded: string }[];
  readonly chat: {
    readonly user: string;
    readonly rendered: string;
    readonly ids: readonly number[];
    readonly greedy: readonly number[];
    readonly top10_first_step: { readonly ids: number[]; readonly logits: number[] };
  }[];
}

const FOLDER = Deno.env.get("KVREPLAY_REAL_MODELS");
const golden = async (name: string): Promise<Golden> =>
  JSON.parse(
    await Deno.readTextFile(
      fileURLToPath(new URL(`../../../golden/gguf/${name}.json`, import.meta.url)),
    ),
  );

/** Largest difference from PyTorch's logits, which are between -30 and 40. */
const TOLERANCE = 1e-3;

/** Tokens of a reply that are compared, at most. */
const REPLY = 24;

for (const name of FOLDER === undefined ? [] : ["smollm2", "qwen2.5-coder"]) {
  const expected = await golden(name);
  const path = join(FOLDER!, expected.file);
  if (name !== "smollm2" && !await Deno.stat(path).then(() => true, () => false)) continue;

  Deno.test(`every tensor of ${name} is what the gguf package restores`, async () => {
    const checkpoint = await openGguf(path);
    const hash = createHash("sha256");
    for (const tensor of [...checkpoint.tensors.keys()].sort()) {
      const stored = checkpoint.tensors.get(tensor)!;
      hash.update(new Uint8Array((await readValues(stored)).buffer));
    }
    assertEquals(hash.digest("hex"), expected.weights_sha256);
  });

  Deno.test(`${name} reads, renders, computes and answers as with Transformers`, async (t) => {
    const model = await loadModel(path);
    await t.step("token ids", () => {
      for (const { text, ids, decoded } of expected.tokenizer) {
        assertEquals(model.tokenizer.encode(text), ids, JSON.stringify(text));
        assertEquals(model.tokenizer.decode(ids), decoded, JSON.stringify(text));
      }
      assertEquals(model.eosIds.toSorted(), expected.eos.toSorted());
    });
    await t.step("chat turns", () => {
      for (const { user, rendered, ids } of expected.chat) {
        const turn = model.renderChat([{ role: "user", content: user }]);
        assertEquals(turn, rendered);
        assertEquals(model.tokenizer.encode(turn), ids);
      }
    });
    await t.step("logits and greedy tokens", () => assertAnswers(model, expected));
  });
}

async function assertAnswers(model: Model, { chat }: Golden): Promise<void> {
  const engine = await openCpuEngine(model);
  try {
    for (const { ids, greedy, top10_first_step: top } of chat) {
      // All replies at once: the last tokens of prompt and reply predict the reply.
      const reply = greedy.slice(0, REPLY);
      const fed = [...ids, ...reply.slice(0, -1)];
      const { logits } = await runCausally(engine, fed, fed.length, reply.length);
      const rows = reply.map((_, i) =>
        logits.subarray(i * model.shape.vocab, (i + 1) * model.shape.vocab)
      );
      top.ids.forEach((id, i) => {
        const difference = Math.abs(rows[0]![id]! - top.logits[i]!);
        assert(difference <= TOLERANCE, `The logit of ${id} differs by ${difference}`);
      });
      assertEquals(rows.map((row) => argmax(row)), reply);
    }
  } finally {
    await engine.close();
  }
}
