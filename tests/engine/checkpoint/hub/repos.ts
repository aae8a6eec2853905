/** Repositories that tests fetch from, made from the models of the golden files. */
import { fileURLToPath } from "node:url";
import type { FakeRepo } from "./fake_hub.ts";

const GOLDEN = fileURLToPath(new URL("../../../golden/model/", import.meta.url));

/** The files of a model's folder by name. */
function filesOf(model: "sharded-bf16" | "wide-heads-f16"): Record<string, Uint8Array> {
  const names = [...Deno.readDirSync(GOLDEN + model)].map(({ name }) => name).sort();
  return Object.fromEntries(
    names.map((name) => [name, Deno.readFileSync(`${GOLDEN}${model}/${name}`)]),
  );
}

const text = (content: string) => new TextEncoder().encode(content);

/** What a repository has beside a model: weights in other formats, papers, examples. */
const BESIDE = {
  ".gitattributes": text("*.safetensors filter=lfs\n"),
  "README.md": text("# A model\n"),
  "consolidated.safetensors": text("the same weights once more"),
  "onnx/model.onnx": text("a graph"),
  "pytorch_model.bin": text("a pickle"),
};

/** A model in one file of weights; its branch and its tag are at different commits. */
export const WHOLE: FakeRepo = {
  name: "acme/Wide-0.1B",
  revisions: {
    main: { ...filesOf("wide-heads-f16"), ...BESIDE },
    "v1.0": { ...filesOf("wide-heads-f16"), "README.md": text("# The first\n") },
  },
};

/** A model in three shards. */
export const SHARDED: FakeRepo = {
  name: "acme/Sharded-0.1B",
  revisions: { main: { ...filesOf("sharded-bf16"), ...BESIDE } },
};

/** GGUF files, one of which is split; they are never read here. */
export const GGUF: FakeRepo = {
  name: "acme/Wide-0.1B-GGUF",
  revisions: {
    main: {
      "README.md": text("# Files\n"),
      "wide-q4_0.gguf": text("GGUF, four bits"),
      "q8/wide-q8_0-00001-of-00002.gguf": text("GGUF, the first half"),
      "q8/wide-q8_0-00002-of-00002.gguf": text("GGUF, the second half"),
    },
  },
};

/** A dataset. */
export const DATASET: FakeRepo = {
  type: "dataset",
  name: "acme/Questions",
  revisions: { main: { "data/test.jsonl": text('{"input": "x"}\n') } },
};

/** A model for those with a token, and one for some of those. */
export const PRIVATE: FakeRepo = { ...WHOLE, name: "acme/Private", access: "private" };
export const GATED: FakeRepo = { ...WHOLE, name: "acme/Gated", access: "gated" };
