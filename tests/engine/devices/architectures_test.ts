/** Every architecture, and every kind of rotary positions, computes what Transformers computes. */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { modelTypes } from "../../../engine/checkpoint/architectures/registry.ts";
import { SafetensorsFile } from "../../../engine/checkpoint/safetensors.ts";
import { readValues } from "../../../engine/checkpoint/stored_blocks.ts";
import { runCausally } from "./causal_run.ts";
import { testOnEngines } from "./engines.ts";

const golden = (name: string) =>
  fileURLToPath(new URL(`../../golden/architectures/${name}`, import.meta.url));
const ids: number[] = JSON.parse(await Deno.readTextFile(golden("ids.json")));

const folders: string[] = [];
for await (const { name, isDirectory } of Deno.readDir(golden(""))) {
  if (isDirectory) folders.push(name);
}

/** Largest difference, as a share of the largest entry that is expected. */
function difference(is: Float32Array, wanted: Float32Array): number {
  assertEquals(is.length, wanted.length);
  let [far, largest] = [0, 0];
  for (const [i, value] of wanted.entries()) {
    const off = Math.abs(is[i]! - value);
    if (!(off <= far)) far = off;
    largest = Math.max(largest, Math.abs(value));
  }
  return far / largest;
}

for (const folder of folders.sort()) {
  testOnEngines(`${folder} agrees with Transformers`, golden(folder), async (engine) => {
    const expected = await SafetensorsFile.open(golden(`${folder}/expected.safetensors`));
    for (const chunk of [ids.length, 48]) {
      const { logits, layers } = await runCausally(engine, ids, chunk, 8);
      for (const [name, entry] of expected.tensors) {
        const [, layer, kind] = name.match(/^layers\.(\d+)\.(key|value)$/) ?? [];
        const is = layer === undefined ? logits : layers[Number(layer)]![kind as "key" | "value"];
        const off = difference(is, await readValues(expected.tensor(entry)));
        assert(off <= 1e-4, `${name} differs by ${off} in chunks of ${chunk}`);
      }
    }
  }, { crossCheck: true });
}

Deno.test("every architecture has a golden model", async () => {
  const tested = new Set<string>();
  for (const folder of folders) {
    tested.add(JSON.parse(await Deno.readTextFile(golden(`${folder}/config.json`))).model_type);
  }
  assertEquals([...tested].sort(), [...modelTypes].sort());
});
