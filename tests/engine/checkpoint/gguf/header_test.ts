import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../../../errors.ts";
import { type GgufHeader, readHeader } from "../../../../engine/checkpoint/gguf/header.ts";
import { ggufBytes, joined, text, uint32, uint64 } from "./gguf_bytes.ts";
import { memoryFile } from "./memory_file.ts";

const tensor = { name: "a", shape: [2, 64], type: "Q8_0" } as const;
const file = { metadata: { "general.name": "tiny", list: [1, 2] }, tensors: [tensor] };

/** The sentence with which a header is refused; it must name the file. */
async function refusal(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const { message } = await assertRejects(() => readHeader(memoryFile(bytes)), UserError);
  assertStringIncludes(message, "model.gguf");
  assert(/^[^\n]*[^.]$/.test(message), message);
  return message;
}

/** The bytes with some at `at` replaced. */
function patched(bytes: Uint8Array<ArrayBuffer>, at: number, ...parts: Uint8Array[]) {
  const copy = bytes.slice();
  copy.set(joined(parts), at);
  return copy;
}

Deno.test("values of every type are read", async () => {
  const scalar = (type: number, array: ArrayBufferView) => ({
    type,
    bytes: new Uint8Array(array.buffer),
  });
  const { metadata } = await readHeader(memoryFile(ggufBytes({
    version: 2,
    metadata: {
      uint8: scalar(0, new Uint8Array([200])),
      int8: scalar(1, new Int8Array([-3])),
      uint16: scalar(2, new Uint16Array([60000])),
      int16: scalar(3, new Int16Array([-300])),
      uint32: 4_000_000_000,
      int32: scalar(5, new Int32Array([-70000])),
      float32: 0.5,
      flag: true,
      text: "zażółć \u{1f600}",
      uint64: scalar(10, new BigUint64Array([2n ** 40n])),
      int64: scalar(11, new BigInt64Array([-(2n ** 40n)])),
      float64: scalar(12, new Float64Array([0.1])),
      texts: ["", "\ufeff", "b"],
      counts: [3, 3, 3],
      floats: [0.25, 2.5],
    },
  })));
  assertEquals(
    ["uint8", "uint16", "uint32", "uint64", "counts"].map((key) => metadata.count(key)),
    [200, 60000, 4_000_000_000, 2 ** 40, 3],
  );
  assertEquals(
    ["int8", "int16", "int32", "int64", "float32", "float64"].map((key) => metadata.number(key)),
    [-3, -300, -70000, -(2 ** 40), 0.5, 0.1],
  );
  assertEquals(metadata.flag("flag"), true);
  assertEquals(metadata.text("text"), "zażółć \u{1f600}");
  assertEquals(metadata.texts("texts"), ["", "\ufeff", "b"]);
  assertEquals(metadata.numbers("floats"), [0.25, 2.5]);
});

Deno.test("tensors are found where they lie", async () => {
  const data = new Uint8Array(8).fill(7);
  const bytes = ggufBytes({
    metadata: { "general.alignment": 32 },
    tensors: [tensor, { name: "b", shape: [2], data }],
  });
  const { tensors, bytes: header } = await readHeader(memoryFile(bytes));
  const start = Math.ceil(header.length / 32) * 32;
  assertEquals([...tensors.values()], [
    { name: "a", type: "Q8_0", shape: [2, 64], at: start, bytes: 136 },
    { name: "b", type: "F32", shape: [2], at: start + 160, bytes: 8 },
  ]);
  assertEquals(bytes.slice(start + 160, start + 168), data);
  assertEquals(header, bytes.slice(0, header.length));
});

Deno.test("a header longer than what is read at first is read whole", async () => {
  const tokens = Array.from({ length: 300 }, (_, i) => `${i}`.padEnd(40_000, "x"));
  const bytes = ggufBytes({ metadata: { tokens }, tensors: [tensor] });
  assert(bytes.length > 2 ** 23);
  const { metadata, tensors } = await readHeader(memoryFile(bytes));
  assertEquals(metadata.texts("tokens").at(-1), tokens.at(-1));
  assertEquals([...tensors.keys()], ["a"]);
});

Deno.test("values of the wrong kind are refused where they are asked for", async () => {
  const { metadata } = await readHeader(memoryFile(ggufBytes({
    metadata: { text: "x", number: 1.5, mixed: [1, 2], none: [], long: "y".repeat(100) },
  })));
  const cases: [() => unknown, string][] = [
    [() => metadata.text("no"), 'model.gguf lacks "no" in its metadata, which must be a text'],
    [() => metadata.text("number"), 'model.gguf: "number" is 1.5; it must be a text'],
    [() => metadata.count("number"), '"number" is 1.5; it must be a whole number from 0 on'],
    [() => metadata.count("mixed"), '"mixed" is [1,2]; it must be a whole number'],
    [() => metadata.count("none"), '"none" is []; it must be a whole number'],
    [() => metadata.number("text"), '"text" is "x"; it must be a finite number'],
    [() => metadata.flag("text"), '"text" is "x"; it must be true or false'],
    [() => metadata.texts("mixed"), '"mixed" is [1,2]; it must be a list of texts'],
    [() => metadata.numbers("long"), `"long" is "${"y".repeat(59)}…; it must be a list of`],
  ];
  for (const [read, sentence] of cases) {
    const { message } = await assertRejects(() => Promise.try(read), UserError);
    assertStringIncludes(message, sentence);
  }
  assertEquals(metadata.count("no", 7), 7);
  assertEquals(metadata.texts("none"), []);
});

Deno.test("a broken header is refused in one sentence", async (t) => {
  const good = ggufBytes(file);
  const firstValue = 24 + text("general.name").length;
  const cases: Record<string, [Uint8Array<ArrayBuffer>, string]> = {
    "an empty file": [
      new Uint8Array(),
      "is truncated: it has 0 bytes, and a GGUF file starts with",
    ],
    "another kind of file": [
      patched(good, 0, new TextEncoder().encode("PK\x03\x04")),
      'is not a GGUF file: it starts with the bytes 504b0304, not with 47475546 ("GGUF")',
    ],
    "version 1": [
      patched(good, 4, uint32(1)),
      "is a GGUF file of version 1; versions 2 and 3 are read",
    ],
    "version 4": [patched(good, 4, uint32(4)), "of version 4; versions 2 and 3 are read"],
    "big-endian": [
      patched(good, 4, new Uint8Array([0, 0, 0, 3])),
      "is a GGUF file in big-endian byte order; only little-endian files are read",
    ],
    "an absurd number of tensors": [
      patched(good, 8, uint64(2n ** 63n)),
      "it announces 9223372036854776000 tensors, and its",
    ],
    "an absurd number of keys": [
      patched(good, 16, uint64(1_000_000)),
      "it announces 1000000 metadata keys, and its",
    ],
    "a text longer than the file": [
      patched(good, 24, uint64(10_000)),
      "is truncated or broken: metadata key 1 of 2 goes on to byte 10032, and the file has",
    ],
    "a list longer than the file": [
      ggufBytes({
        metadata: { list: { type: 9, bytes: joined([uint32(8), uint64(5000)]) } },
      }),
      'the value of "list" goes on to byte 5052, and the file has 52',
    ],
    "an absurd list": [
      ggufBytes({ metadata: { list: { type: 9, bytes: joined([uint32(0), uint64(2n ** 40n)]) } } }),
      'the value of "list" has 1099511627776 elements; at most 16777216 are read',
    ],
    "lists in lists in lists": [
      ggufBytes({
        metadata: {
          deep: { type: 9, bytes: joined(Array(9).fill(joined([uint32(9), uint64(1)]))) },
        },
      }),
      'the value of "deep" nests more than 4 lists',
    ],
    "an unknown type of value": [
      patched(good, firstValue, uint32(13)),
      'the value of "general.name" has the type 13; types 0 to 12 are known',
    ],
    "text that is not UTF-8": [
      patched(good, firstValue + 12, new Uint8Array([0xff])),
      'the value of "general.name" holds a text that is not UTF-8',
    ],
    "a key that occurs twice": [
      ggufBytes({ metadata: { aa: 1, ab: 2 } }).map((byte) => byte === 98 ? 97 : byte),
      'the value of "aa" is there twice',
    ],
    "an alignment that is none": [
      ggufBytes({ metadata: { "general.alignment": 24 } }),
      '"general.alignment" is 24; a power of two from 8 to 1048576 is needed',
    ],
    "no dimension": [
      ggufBytes({ tensors: [{ name: "a", shape: [] }] }),
      'the tensor "a" has 0 dimensions; 1 to 4 are possible',
    ],
    "an absurd number of dimensions": [
      ggufBytes({ tensors: [{ name: "a", shape: [1, 1, 1, 1, 1] }] }),
      'the tensor "a" has 5 dimensions; 1 to 4 are possible',
    ],
    "a format that is not read": [
      ggufBytes({ tensors: [{ name: "a", shape: [256], type: 16 }] }),
      'the tensor "a" has the type IQ2_XXS; those that are read are F32, F16, BF16, Q4_0,',
    ],
    "a format that nobody knows": [
      ggufBytes({ tensors: [{ name: "a", shape: [256], type: 999 }] }),
      'the tensor "a" has the type 999; those that are read are',
    ],
    "a row that is no whole number of blocks": [
      ggufBytes({
        tensors: [{ name: "a", shape: [2, 33], type: "Q4_0", data: new Uint8Array(36) }],
      }),
      'the tensor "a" has rows of 33 values; in Q4_0 they must be a multiple of 32',
    ],
    "no values": [
      ggufBytes({ tensors: [{ name: "a", shape: [0] }] }),
      'the tensor "a" of sizes [0] in F32 takes the bytes',
    ],
    "absurd sizes": [
      ggufBytes({
        tensors: [{ name: "a", shape: [2 ** 40, 2 ** 40], data: new Uint8Array(8) }],
      }),
      'the tensor "a" of sizes [1099511627776, 1099511627776] in F32 takes the bytes',
    ],
    "an offset between the boundaries": [
      ggufBytes({ tensors: [{ name: "a", shape: [2], at: 4 }] }),
      'the tensor "a" starts at offset 4, which must be a multiple of 32',
    ],
    "an offset beyond the end": [
      ggufBytes({ tensors: [{ name: "a", shape: [2], at: 2 ** 40 }] }),
      'the tensor "a" of sizes [2] in F32 takes the bytes 1099511627840 to 1099511627848, and the file has',
    ],
    "two tensors in one place": [
      ggufBytes({ tensors: [tensor, { name: "b", shape: [2], at: 0 }] }),
      'the tensor "b" starts at byte 128, inside "a", which ends at 264',
    ],
    "a tensor twice": [
      ggufBytes({ tensors: [tensor, tensor] }),
      'has the tensor "a" twice',
    ],
  };
  for (const [name, [bytes, sentence]] of Object.entries(cases)) {
    await t.step(name, async () => assertStringIncludes(await refusal(bytes), sentence));
  }
});

Deno.test("a file that ends anywhere is refused", async () => {
  const good = ggufBytes({ ...file, tensors: [{ ...tensor, data: new Uint8Array(136).fill(1) }] });
  await readHeader(memoryFile(good));
  const end = good.findLastIndex((byte) => byte === 1) + 1;
  for (let length = 0; length < end; length++) {
    assertStringIncludes(await refusal(good.slice(0, length)), "truncated");
  }
});

Deno.test("whatever bytes are changed, a header is read or refused in one sentence", async () => {
  const good = ggufBytes({
    metadata: { ...file.metadata, tokens: ["a", "b"], "general.alignment": 32 },
    tensors: [tensor, { name: "b", shape: [4] }],
  });
  const mutation = fc.record({
    at: fc.nat(good.length - 1),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(good.length)),
      async (mutations, cut) => {
        const bytes = good.slice();
        for (const { at, bytes: changed } of mutations) {
          bytes.set(changed.subarray(0, good.length - at), at);
        }
        const whole = cut === null ? bytes : bytes.slice(0, cut);
        let header: GgufHeader;
        try {
          header = await readHeader(memoryFile(whole));
        } catch (error) {
          assert(error instanceof UserError, String(error));
          assert(/^[^\n]*model\.gguf/.test(error.message), error.message);
          return;
        }
        for (const { at, bytes: size } of header.tensors.values()) {
          assert(at >= header.bytes.length && size > 0 && at + size <= whole.length);
        }
      },
    ),
    { numRuns: 2000 },
  );
});
