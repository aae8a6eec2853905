/**
 * The cache formats of engines against what the `gguf` package, PyTorch and torchao make of the same
 * tensors: bytes as they are stored, and restored values to the last bit, except where a case says
 * otherwise.
 */
import { assert, assertEquals } from "@std/assert";
import type { Family, HookAnswers, KvKind } from "../../quant/family.ts";
import { builtInFamilies } from "../../quant/registry.ts";
import { settingsFor } from "../../quant/settings_for.ts";
import { testOnBackends } from "./backends.ts";
import { answers } from "./stores/affine/affine_answers.ts";
import { firstTokens, type Golden, loadGolden, sourceOf } from "./golden_cases.ts";

/** How a format is asked for. */
interface Subject {
  readonly family: string;
  readonly bits: number;
  readonly ask?: Partial<HookAnswers>;
  readonly kind?: KvKind;
}

const ggml = (bits: number, type: string, rotated?: KvKind): Subject => ({
  family: "ggml",
  bits,
  ask: { options: { type, rotate: rotated !== undefined } },
  ...(rotated === undefined ? {} : { kind: rotated }),
});

const SUBJECTS: Readonly<Record<string, Subject>> = {
  ggml_q8_0: ggml(8, "q8_0"),
  ggml_q8_0_rotated_key: ggml(8, "q8_0", "key"),
  ggml_q8_0_rotated_value: ggml(8, "q8_0", "value"),
  ggml_q5_1: ggml(5, "q5_1"),
  ggml_q5_0: ggml(5, "q5_0"),
  ggml_q4_1: ggml(4, "q4_1"),
  ggml_q4_0: ggml(4, "q4_0"),
  ggml_q4_0_rotated_key: ggml(4, "q4_0", "key"),
  ggml_q4_0_rotated_value: ggml(4, "q4_0", "value"),
};

/** Formats that are not run. */
const EXCEPT: Readonly<Record<string, string>> = {
  ggml_mxfp4: "a type of weights, which llama.cpp does not offer for its cache",
};

type FormatCase = Golden & { readonly format: string; readonly tolerance?: unknown };

const CASES = loadGolden("engine_formats") as unknown as FormatCase[];

Deno.test("every golden format of an engine is run or excepted by name", () => {
  const formats = new Set(CASES.map(({ format }) => format));
  assertEquals(formats, new Set([...Object.keys(SUBJECTS), ...Object.keys(EXCEPT)]));
});

for (const golden of CASES) {
  const subject = SUBJECTS[golden.format];
  if (subject === undefined) continue;
  testOnBackends(`golden ${golden.id}`, async (backend) => {
    const { bits, ask, kind = "key" } = subject;
    const family: Family = builtInFamilies.of(subject.family);
    const [, heads, tokens, headDim] = golden.shape as [number, number, number, number];
    const given = answers(kind, { bits: new Array<number>(heads).fill(bits), ...ask });
    const settings = settingsFor(family, given, { heads, headDim });
    const shape = { heads, capacity: tokens, headDim };
    const input = Float32Array.from(golden.tensor("input")!.data);
    const tensor = backend.upload(input, shape);
    const store = backend.open(family, sourceOf(tensor, kind, tokens), settings, tokens);
    store.grow(tokens);
    // A target with more room than the source, so that neither stride can stand in for the other.
    const room = { heads, capacity: tokens + 3, headDim };
    const target = backend.upload(new Float32Array(heads * room.capacity * headDim), room);
    store.restore(target);
    await store.settle();
    const restored = firstTokens(await backend.read(target), room, tokens);
    const expected = golden.tensor("restored")!.data;
    const held = new Map((await store.contents()).map(({ role, words }) => [role, words]));
    const codes = headsFirst(new Uint8Array(held.get("codes")!.buffer), heads, tokens);
    const bytes = golden.tensor("bytes")!.data;
    if (golden.tolerance !== undefined) {
      const largest = Math.max(...input.map(Math.abs));
      const worst = Math.max(...restored.map((x, i) => Math.abs(x - expected[i]!)));
      assert(worst <= 1e-5 * largest, `restored within ${worst}`);
      // Of a row of equal entries the matrix leaves one; what the official bytes hold elsewhere is the
      // rounding of its sums.
      const rowBytes = bytes.length / (heads * tokens);
      const level = (row: number) => {
        const [first, ...others] = input.subarray(row * headDim, (row + 1) * headDim);
        return others.every((x) => x === first);
      };
      const others = codes.filter((byte, i) =>
        byte !== bytes[i] && !level(Math.floor(i / rowBytes))
      );
      assert(
        others.length <= bytes.length / 200,
        `${others.length} of ${bytes.length} bytes differ`,
      );
      return;
    }
    assertEquals(codes, Uint8Array.from(bytes));
    assertEquals(restored, Float32Array.from(expected));
  });
}

/** Rows, which are stored token by token, in the order of a tensor: head by head. */
function headsFirst(bytes: Uint8Array, heads: number, tokens: number): Uint8Array {
  const row = Math.floor(bytes.length / (heads * tokens));
  const sorted = new Uint8Array(heads * tokens * row);
  for (let head = 0; head < heads; head++) {
    for (let token = 0; token < tokens; token++) {
      const from = (token * heads + head) * row;
      sorted.set(bytes.subarray(from, from + row), (head * tokens + token) * row);
    }
  }
  return sorted;
}
