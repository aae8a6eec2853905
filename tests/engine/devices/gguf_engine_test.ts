import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { SafetensorsFile } from "../../../engine/checkpoint/safetensors.ts";
import { readValues } from "../../../engine/checkpoint/stored_blocks.ts";
import { runCausally } from "./causal_run.ts";
import { testOnEngines } from "./engines.ts";

const golden = (name: string) =>
  fileURLToPath(new URL(`../../golden/gguf/${name}`, import.meta.url));

/** Largest difference from Transformers, relative to the largest entry. */
const TOLERANCE = 1e-4;

function assertClose(is: Float32Array, wanted: Float32Array, what: string): void {
  assertEquals(is.length, wanted.length);
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  wanted.forEach((value, i) => {
    const difference = Math.abs(is[i]! - value);
    // Also false for NaN.
    assert(difference <= TOLERANCE * largest, `${what} differs by ${difference} of ${largest}`);
  });
}

for (const [type, file] of [["qwen2", "qwen2-00001-of-00003.gguf"], ["llama", "llama.gguf"]]) {
  testOnEngines(
    `a GGUF file of ${type} computes what Transformers does with its weights`,
    golden(file!),
    async (engine, { shape }) => {
      const expected = await SafetensorsFile.open(golden(`${type}.safetensors`));
      const wanted = (name: string) => readValues(expected.tensor(expected.tensors.get(name)!));
      const ids = Array.from({ length: 20 }, (_, i) => (7 * i * i + 3 * i + 1) % shape.vocab);
      const { logits, layers } = await runCausally(engine, ids, ids.length, 4);
      assertClose(logits, await wanted("logits_last_4"), "logits");
      for (const [l, { key, value }] of layers.entries()) {
        assertClose(key, await wanted(`layers.${l}.key`), `layers.${l}.key`);
        assertClose(value, await wanted(`layers.${l}.value`), `layers.${l}.value`);
      }
    },
  );
}
