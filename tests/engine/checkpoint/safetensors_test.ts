import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../../errors.ts";
import { SafetensorsFile } from "../../../engine/checkpoint/safetensors.ts";
import { readValues } from "../../../engine/checkpoint/stored_blocks.ts";
import { safetensorsBytes, temporaryFile } from "./temporary_folder.ts";

/** The sentence with which opening these bytes fails; it must name the file. */
async function refusal(bytes: Uint8Array): Promise<string> {
  await using file = await temporaryFile(bytes);
  const error = await assertRejects(() => SafetensorsFile.open(file.path), UserError);
  assertStringIncludes(error.message, file.path);
  assert(!error.message.endsWith("."), error.message);
  return error.message;
}

const tensor = (shape: unknown, offsets: unknown, dtype: unknown = "F32") => ({
  dtype,
  shape,
  data_offsets: offsets,
});

Deno.test("a file's tensors are read in float32", async () => {
  const header = JSON.stringify({
    __metadata__: { format: "pt" },
    b: tensor([2], [8, 12], "F16"),
    a: tensor([1, 2], [0, 8]),
    c: tensor([1], [12, 14], "BF16"),
    none: tensor([0, 3], [8, 8]),
  });
  const data = new Uint8Array(14);
  new Float32Array(data.buffer, 0, 2).set([1.5, -2]);
  new Uint16Array(data.buffer, 8).set([0x3c00, 0xc000, 0x3fc0]);
  await using path = await temporaryFile(safetensorsBytes(header, data));
  const file = await SafetensorsFile.open(path.path);
  assertEquals([...file.tensors.keys()], ["a", "none", "b", "c"]);
  const values = async (name: string) => [
    ...await readValues(file.tensor(file.tensors.get(name)!)),
  ];
  assertEquals(await values("a"), [1.5, -2]);
  assertEquals(await values("b"), [1, -2]);
  assertEquals(await values("c"), [1.5]);
  assertEquals(await values("none"), []);
});

Deno.test("every way to be broken has its own sentence", async (t) => {
  const eight = new Uint8Array(8);
  const announced = (length: bigint) => {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  };
  const of = (header: unknown, data = eight) => safetensorsBytes(JSON.stringify(header), data);
  const cases: Record<string, [Uint8Array, string]> = {
    "empty file": [new Uint8Array(), "it has 0 bytes"],
    "half a length": [new Uint8Array(5), "it has 5 bytes"],
    "header longer than allowed": [announced(100_000_001n), "at most 100000000 are allowed"],
    "header beyond 2^53": [announced(2n ** 63n), "a header of 9223372036854775808 bytes"],
    "header longer than the file": [announced(9n), "its header should be 9 bytes long"],
    "header that is not UTF-8": [
      safetensorsBytes(new Uint8Array([0x7b, 0xff, 0x7d])),
      "is not UTF-8",
    ],
    "header that is not JSON": [safetensorsBytes("{]"), "is not valid JSON"],
    "header that is a list": [safetensorsBytes("[]"), "must hold a JSON object"],
    "header behind a byte order mark": [safetensorsBytes("\ufeff{}"), "is not valid JSON"],
    "a name twice": [
      safetensorsBytes(
        `{"a":${JSON.stringify(tensor([1], [0, 4]))},"\\u0061":${
          JSON.stringify(tensor([1], [4, 8]))
        }}`,
        eight,
      ),
      'holds the key "a" twice',
    ],
    "metadata that is not text": [of({ __metadata__: { n: 1 } }), '"__metadata__" must map'],
    "a tensor that is a number": [of({ a: 3 }), 'the tensor "a" must be described by an object'],
    "an integer tensor": [
      of({ a: tensor([2], [0, 8], "I32") }),
      'dtype "I32"; supported are F32, F16, BF16',
    ],
    "no dtype": [of({ a: { shape: [2], data_offsets: [0, 8] } }), "has dtype undefined"],
    "a negative size": [of({ a: tensor([-2], [0, 8]) }), "has shape [-2]"],
    "a broken size": [of({ a: tensor([0.5], [0, 8]) }), "has shape [0.5]"],
    "a size that is text": [of({ a: tensor(["2"], [0, 8]) }), 'has shape ["2"]'],
    "no shape": [of({ a: { dtype: "F32", data_offsets: [0, 8] } }), "has shape undefined"],
    "one offset": [of({ a: tensor([2], [8]) }), "has data_offsets [8]"],
    "offsets backwards": [of({ a: tensor([2], [8, 0]) }), "has data_offsets [8,0]"],
    "a negative offset": [of({ a: tensor([2], [-8, 0]) }), "has data_offsets [-8,0]"],
    "a shape larger than its bytes": [
      of({ a: tensor([3], [0, 8]) }),
      "takes 12 bytes, but its data_offsets give it 8",
    ],
    "a shape beyond 2^53": [
      of({ a: tensor([2 ** 40, 2 ** 40], [0, 8]) }),
      "but its data_offsets give it 8",
    ],
    "tensors that overlap": [
      of({ a: tensor([2], [0, 8]), b: tensor([1], [4, 8]) }),
      'the tensor "b" starts at byte 4, inside the tensor before it, which ends at 8',
    ],
    "a hole": [
      of({ a: tensor([1], [4, 8]) }),
      'the bytes 0 to 4 before the tensor "a" belong to no tensor',
    ],
    "bytes left over": [of({ a: tensor([1], [0, 4]) }), "the last 4 bytes belong to no tensor"],
    "data cut short": [
      of({ a: tensor([2], [0, 8]) }, new Uint8Array(7)),
      'the tensor "a" ends at byte 8 of the data, which has 7',
    ],
  };
  for (const [name, [bytes, sentence]] of Object.entries(cases)) {
    await t.step(name, async () => assertStringIncludes(await refusal(bytes), sentence));
  }
});

Deno.test("a file that is not there is named", async () => {
  await assertRejects(
    () => SafetensorsFile.open("/nowhere/model.safetensors"),
    UserError,
    "/nowhere/model.safetensors does not exist",
  );
});

Deno.test("a spoilt file is refused or read whole, never anything else", async () => {
  const header = JSON.stringify({ a: tensor([2], [0, 8]), b: tensor([2], [8, 12], "F16") });
  const right = safetensorsBytes(header, new Uint8Array(12));
  await fc.assert(
    fc.asyncProperty(
      fc.nat(right.length - 1),
      fc.nat(255),
      fc.nat(right.length),
      async (at, byte, length) => {
        const bytes = right.slice(0, length);
        if (at < length) bytes[at] = byte;
        await using path = await temporaryFile(bytes);
        let file: SafetensorsFile;
        try {
          file = await SafetensorsFile.open(path.path);
        } catch (error) {
          assert(error instanceof UserError, String(error));
          return;
        }
        let total = 0;
        for (const entry of file.tensors.values()) {
          for await (const block of file.tensor(entry).blocks()) total += block.length;
        }
        assertEquals(total, 12);
      },
    ),
    { numRuns: 200 },
  );
});
