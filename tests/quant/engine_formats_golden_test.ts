/**
 * The cache formats of engines against what the `gguf` package, ggml, PyTorch, torchao and MLX make of
 * the same tensors: bytes as they are stored, and restored values to the last bit, except where a case
 * says otherwise.
 */
import { keepSamples } from "../../quant/sample_keeper.ts";
import { assert, assertEquals } from "@std/assert";
import type { CalibrationSamples } from "../../quant/calibration.ts";
import type { Family, HookAnswers, KvKind } from "../../quant/family.ts";
import { builtInFamilies } from "../../quant/registry.ts";
import { settingsFor } from "../../quant/settings_for.ts";
import type { CpuTensor } from "../../quant/tensor.ts";
import { testOnBackends } from "./backends.ts";
import { rotaryOf } from "./cache_scenes.ts";
import { answers } from "./stores/affine/affine_answers.ts";
import { firstTokens, type Golden, loadGolden, sourceOf } from "./golden_cases.ts";

/** How a format is asked for. */
interface Subject {
  readonly family: string;
  readonly bits: number;
  readonly ask?: Partial<HookAnswers>;
  readonly kind?: KvKind;
  /** Whether the case's scales are learned from its tensor. */
  readonly learned?: true;
  /** The golden bytes of a stored row, where they lie otherwise. */
  unpack?(row: Uint8Array): Uint8Array;
}

const ggml = (bits: number, type: string, rotated?: KvKind): Subject => ({
  family: "ggml",
  bits,
  ask: { options: { type, rotate: rotated !== undefined } },
  ...(rotated === undefined ? {} : { kind: rotated }),
});

const fp8 = (scale: "tensor" | "head"): Subject => ({
  family: "fp8",
  bits: 8,
  ask: { options: { scale }, calibrationMode: "offline" },
  learned: true,
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
  ggml_iq4_nl: ggml(4, "iq4_nl"),
  mlx_4: { family: "mlx", bits: 4 },
  mlx_8: { family: "mlx", bits: 8 },
  fp8_e4m3_scale_one: { family: "fp8", bits: 8 },
  fp8_e4m3_scale_tensor: fp8("tensor"),
  fp8_e4m3_scale_head: fp8("head"),
  fp8_e4m3_scale_token_head: { family: "fp8", bits: 8, ask: { options: { scale: "token_head" } } },
  fp8_e5m2_scale_one: { family: "fp8", bits: 8, ask: { options: { format: "e5m2" } } },
  int8_token_head: { family: "int_token_head", bits: 8 },
  int8_asymmetric_token_head: { family: "int_token_head", bits: 8, ask: { symmetric: false } },
  int4_asymmetric_token_head: {
    family: "int_token_head",
    bits: 4,
    ask: { symmetric: false },
    // The golden codes lie one a byte; LMDeploy has entry i beside entry i + headDim / 2.
    unpack: (row) => Uint8Array.from([...row.map((byte) => byte & 15), ...row.map((b) => b >> 4)]),
  },
  nvfp4: { family: "nvfp4", bits: 4 },
  nvfp4_two_level: {
    family: "nvfp4",
    bits: 4,
    ask: { options: { levels: 2 }, calibrationMode: "offline" },
    learned: true,
  },
  mxfp4: { family: "mxfp4", bits: 4 },
  mxfp8_e4m3: { family: "mxfp8", bits: 8 },
};

/** Formats that are not run. */
const EXCEPT: Readonly<Record<string, string>> = {
  ggml_mxfp4: "a type of weights, which llama.cpp does not offer for its cache",
};

type FormatCase = Omit<Golden, "tolerance"> & {
  readonly format: string;
  readonly tolerance?: string;
  readonly tensor_scale?: number;
};

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
    const shape = { heads, capacity: tokens, headDim };
    const input = Float32Array.from(golden.tensor("input")!.data);
    const given = answers(kind, { bits: new Array<number>(heads).fill(bits), ...ask });
    const resolved = settingsFor(family, given, { heads, headDim });
    const settings = subject.learned
      ? {
        ...resolved,
        calibration: family.calibrate!(keepSamples(samplesOf({ ...shape, data: input })), resolved),
      }
      : resolved;
    const store = backend.open(
      family,
      sourceOf(backend.upload(input, shape), kind, tokens),
      settings,
      tokens,
    );
    store.grow(tokens);
    // A target with more room than the source, so that neither stride can stand in for the other.
    const room = { heads, capacity: tokens + 3, headDim };
    const target = backend.upload(new Float32Array(heads * room.capacity * headDim), room);
    store.restore(target);
    await store.settle();
    const restored = firstTokens(await backend.read(target), room, tokens);
    const held = new Map((await store.contents()).map(({ role, words }) => [role, words]));
    const rowsOf = (role: string) =>
      headsFirst(
        new Uint8Array(held.get(role)!.buffer),
        heads,
        tokens,
        role === "codes" ? subject.unpack : undefined,
      );
    const bytes = Uint8Array.from(golden.tensor("bytes")!.data);
    const expected = Float32Array.from(golden.tensor("restored")!.data);
    if (golden.tolerance !== undefined) {
      assertRotated({ input, restored, expected, codes: rowsOf("codes"), bytes, headDim });
      return;
    }
    assertEquals(rowsOf("codes"), bytes);
    // The official zeros have signs; 0 and -0 are the same entry.
    assertEquals(restored.map((x) => x + 0), expected.map((x) => x + 0));
    const scales = golden.tensor("scales") ?? golden.tensor("block_scales");
    if (scales === undefined || golden.format === "fp8_e4m3_scale_one") return;
    if (settings.calibration !== undefined && golden.tensor_scale === undefined) {
      const learned = settings.calibration.scales!;
      assertEquals(
        [...learned],
        Array.from(learned, (_, i) => scales.data[i % scales.data.length]),
      );
      return;
    }
    if (golden.format === "fp8_e5m2_scale_one") return;
    const zeros = golden.tensor("zeros");
    const perRow = scales.data.length / (heads * tokens);
    const wanted = scales.data instanceof Uint8Array
      ? scales.data
      : new Uint8Array(Float32Array.from(pairs(scales.data, zeros?.data)).buffer);
    assert(perRow >= 1);
    assertEquals(rowsOf("parameters").subarray(0, wanted.length), wanted);
  });
}

/** Scale and zero of each row, one after the other. */
function pairs(scales: ArrayLike<number>, zeros: ArrayLike<number> | undefined): number[] {
  return Array.from(scales).flatMap((scale, i) =>
    zeros === undefined ? [scale] : [scale, zeros[i]!]
  );
}

/** Samples of one layer whose keys and values are the tensor. */
function samplesOf(tensor: CpuTensor): CalibrationSamples {
  const layer = { keys: [tensor], preRopeKeys: [tensor], values: [tensor], queries: [tensor] };
  return { layers: [layer], rotary: rotaryOf(tensor.headDim) };
}

/** Sums of another order round otherwise, so codes of rotated entries may differ at ties. */
function assertRotated(
  { input, restored, expected, codes, bytes, headDim }: {
    readonly input: Float32Array;
    readonly restored: Float32Array;
    readonly expected: Float32Array;
    readonly codes: Uint8Array;
    readonly bytes: Uint8Array;
    readonly headDim: number;
  },
): void {
  const largest = Math.max(...input.map(Math.abs));
  const worst = Math.max(...restored.map((x, i) => Math.abs(x - expected[i]!)));
  assert(worst <= 1e-5 * largest, `restored within ${worst}`);
  // Of a row of equal entries the matrix leaves one; what the official bytes hold elsewhere is the
  // rounding of its sums.
  const rowBytes = bytes.length / (input.length / headDim);
  const level = (row: number) => {
    const [first, ...others] = input.subarray(row * headDim, (row + 1) * headDim);
    return others.every((x) => x === first);
  };
  const others = codes.filter((byte, i) => byte !== bytes[i] && !level(Math.floor(i / rowBytes)));
  assert(others.length <= bytes.length / 200, `${others.length} of ${bytes.length} bytes differ`);
}

/** Rows, which are stored token by token, in the order of a tensor: head by head. */
function headsFirst(
  bytes: Uint8Array,
  heads: number,
  tokens: number,
  unpack: (row: Uint8Array) => Uint8Array = (row) => row,
): Uint8Array {
  const size = Math.floor(bytes.length / (heads * tokens));
  const rows: number[] = [];
  for (let head = 0; head < heads; head++) {
    for (let token = 0; token < tokens; token++) {
      const from = (token * heads + head) * size;
      rows.push(...unpack(bytes.subarray(from, from + size)));
    }
  }
  return Uint8Array.from(rows);
}
