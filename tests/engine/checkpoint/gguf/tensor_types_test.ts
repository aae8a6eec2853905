import { assertEquals } from "@std/assert";
import {
  type TensorTypeName,
  tensorTypeName,
  tensorTypes,
  unreadTypes,
} from "../../../../engine/checkpoint/gguf/tensor_types.ts";

interface Block {
  readonly type: TensorTypeName;
  readonly source: string;
  readonly bytes: string;
  readonly float32_le: string;
}

const blocks: Block[] = JSON.parse(
  await Deno.readTextFile(new URL("../../../golden/gguf/blocks.json", import.meta.url)),
);

Deno.test("blocks of every format stand for the gguf package's floats, bit for bit", () => {
  const seen = new Set<string>();
  for (const { type, source, bytes, float32_le } of blocks) {
    const out = new Float32Array(float32_le.length / 8);
    tensorTypes[type].restore(Uint8Array.fromHex(bytes), out);
    assertEquals(new Uint8Array(out.buffer).toHex(), float32_le, `${type}, ${source}`);
    seen.add(type);
  }
  // Of float32 there is nothing to restore.
  assertEquals([...seen, "F32"].sort(), Object.keys(tensorTypes).sort());
});

Deno.test("float32 stays as it is", () => {
  const values = new Float32Array([1.5, -0, Infinity]);
  const out = new Float32Array(3);
  tensorTypes.F32.restore(new Uint8Array(values.buffer), out);
  assertEquals(out, values);
});

Deno.test("a block is restored wherever it lies among others", () => {
  for (const { type, bytes, float32_le } of blocks) {
    const { restore, values, bytes: size } = tensorTypes[type];
    const stored = Uint8Array.fromHex(bytes);
    const wanted = new Float32Array(Uint8Array.fromHex(float32_le).buffer);
    for (let at = 0; at < wanted.length / values; at++) {
      const out = new Float32Array(values);
      restore(stored.subarray(at * size, (at + 1) * size), out);
      assertEquals(out, wanted.subarray(at * values, (at + 1) * values), type);
    }
  }
});

Deno.test("every number names one format, read or not", () => {
  const ids = [...Object.values(tensorTypes).map(({ id }) => id), ...Object.keys(unreadTypes)];
  assertEquals(new Set(ids.map(Number)).size, ids.length);
  for (const [name, { id }] of Object.entries(tensorTypes)) assertEquals(tensorTypeName(id), name);
  for (const id of Object.keys(unreadTypes)) assertEquals(tensorTypeName(Number(id)), undefined);
});
