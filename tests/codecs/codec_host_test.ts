import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import wabt from "wabt";
import { openCodecFile } from "../../codecs/codec_file.ts";
import { CodecHost } from "../../codecs/codec_host.ts";
import { ShownPrompt } from "../../codecs/shown_prompt.ts";
import { UserError } from "../../errors.ts";
import { PolicyError } from "../../policies/check.ts";
import { runSlice } from "../../evaluation/slice_run.ts";
import { trial } from "../../evaluation/trial.ts";
import { numbersOf, tinyRun, tinySlice } from "../sandbox/tiny_run.ts";

async function run(text: string, stepwise = false) {
  await using host = await CodecHost.open({ name: "mine", text, language: "ts" });
  return await runSlice({ ...tinySlice([host]), stepwise });
}

/** Differences to the block before, in half precision: both sides remember. */
const DELTA = `
  const last = new Map<string, Float32Array>();
  const before = (layer: number, kind: string, length: number) =>
    last.get(layer + kind) ?? new Float32Array(length);
  export default {
    blocks: () => ({ tokens: 4, window: 3, sink_tokens: 1 }),
    encode(layer, kind, { data }) {
      const past = before(layer, kind, data.length);
      const coded = Float16Array.from(data, (x, i) => x - past[i]);
      last.set(layer + kind, Float32Array.from(coded, (x, i) => x + past[i]));
      return new Uint8Array(coded.buffer);
    },
    decode(layer, kind, bytes) {
      const coded = new Float16Array(bytes.buffer);
      const past = before(layer, kind, coded.length);
      const restored = Float32Array.from(coded, (x, i) => x + past[i]);
      last.set(layer + kind, restored);
      return restored;
    },
  };`;

Deno.test("a codec that remembers gives the same numbers step by step", async () => {
  const [whole, stepwise] = [await run(DELTA), await run(DELTA, true)];
  assertEquals(whole.failures, []);
  assertEquals(numbersOf(stepwise, "mine"), numbersOf(whole, "mine"));
  const { cache_error, avg_bits_per_kv_token, code_bits } = numbersOf(whole, "mine");
  assert(cache_error! > 0 && cache_error! < 1e-3);
  assertEquals([avg_bits_per_kv_token, code_bits], [16, 0]);
});

Deno.test("one that looks at prompts is shown its prompt again, and must code the same", async () => {
  const text = (noise: string) => `
    let heaviest = 0;
    export default {
      observe: (_layer, { scores }) => heaviest = Math.max(heaviest, ...scores),
      encode: (_l, _k, { data }) =>
        new Uint8Array(Float16Array.from(data, (x) => x * heaviest + ${noise}).buffer),
      decode: (_l, _k, bytes) => Float32Array.from(new Float16Array(bytes.buffer)),
    };`;
  const { failures, results } = await run(text("0"));
  assertEquals([failures, results[0]!.remarks], [[], []]);
  const { failures: [random] } = await run(text("Math.random()"));
  assertMatch(random!.reason, /not deterministic: Given the run's first \d+ blocks in a fresh/);
});

Deno.test("one that takes long to load may learn", async () => {
  const text = `
    for (const start = Date.now(); Date.now() < start + 20;);
    let lesson = 0;
    export default {
      calibrate: () => Uint8Array.of(7),
      reset: (_, [learned]) => lesson = learned,
      encode: (_l, _k, { data }) => new Uint8Array(Float32Array.from(data, (x) => x * lesson).buffer),
      decode: (_l, _k, bytes) => new Float32Array(bytes.buffer).map((x) => x / lesson),
    };`;
  const open = () => CodecHost.open({ name: "slow", text, language: "ts" });
  const { result } = await trial(open, { budgetBits: 4, seed: 0 });
  assert(result.numbers.cache_error < 1e-6);
});

Deno.test("a prompt that is too large to be shown again is not kept", () => {
  const shown = new ShownPrompt(1);
  const layer = (entries: number) => {
    const tensor = new Float32Array(entries);
    return { layer: 0, tokens: 1, tensors: [tensor, tensor, tensor, tensor] as const };
  };
  shown.add(layer(2 ** 15));
  assertEquals(shown.layers?.length, 1);
  shown.add(layer(2 ** 16));
  assertEquals(shown.layers, undefined);
});

Deno.test("blocks of a layer and kind come in order, after the prompt was shown", async () => {
  const text = `
    const next = { key: [1, 1], value: [0, 0] };
    let shown = 0;
    export default {
      blocks: (kind) => kind === "key" ? { tokens: 2, sink_tokens: 1 } : { tokens: 3, window: 2 },
      observe(layer, { tokens, queries, keys, values, scores }) {
        if (layer !== shown++) throw new Error("layer " + layer);
        const mass = scores.subarray(0, tokens).reduce((a, b) => a + b, 0);
        if (Math.abs(mass - tokens) > 1e-3) throw new Error("scores add up to " + mass);
        if (keys.length !== values.length || queries.length % keys.length !== 0) {
          throw new Error("sizes");
        }
        if (scores.length * 64 !== queries.length) throw new Error("scores");
      },
      encode(layer, kind, { first, tokens, heads, headDim, data }) {
        if (shown !== 2) throw new Error("encoded before the prompt was shown");
        if (first !== next[kind][layer]) throw new Error(kind + " " + first);
        if (data.length !== heads * tokens * headDim) throw new Error("length " + data.length);
        next[kind][layer] += tokens;
        return new Uint8Array(data.slice().buffer);
      },
      decode: (_layer, _kind, bytes) => new Float32Array(bytes.buffer),
    };`;
  const result = await run(text);
  assertEquals(result.failures, []);
  assertEquals(numbersOf(result, "mine").cache_error, 0);
});

Deno.test("methods may be async but where a step waits for them", async () => {
  const codec = (encode: string) =>
    `export default {
    async reset() { await null; },
    ${encode},
    decode: (_l, _k, bytes) => new Float32Array(bytes.buffer),
  };`;
  const good = await run(
    codec("encode: (_l, _k, { data }) => new Uint8Array(data.slice().buffer)"),
  );
  assertEquals(good.failures, []);
  const shown = await run(codec(`
    async observe() { await null; this.shown = true; },
    encode(_l, _k, { data }) {
      if (!this.shown) throw new Error("not shown");
      return new Uint8Array(data.slice().buffer);
    }`));
  assertEquals(shown.failures, []);
  const bad = await run(codec("encode: async () => new Uint8Array(0)"));
  assertMatch(
    bad.failures[0]!.reason,
    /encode\(0, "key"\) returned a Promise; expected a Uint8Array/,
  );
});

Deno.test("a decoder that fails while the encoder works is what is told", async () => {
  const text = `
    let calls = 0;
    export default {
      encode(_l, _k, { data }) {
        // The decoder has failed long before the second message is coded.
        for (const start = Date.now(); calls === 512 && Date.now() < start + 300;);
        calls++;
        return new Uint8Array(data.slice().buffer);
      },
      decode: (_l, _k, bytes) => new Float64Array(bytes.length / 4),
    };`;
  const open = () => CodecHost.open({ name: "mine", text, language: "ts" });
  await assertRejects(
    () => trial(open, { budgetBits: 4, seed: 0 }),
    UserError,
    'Quantizer mine: rejected: decode(0, "key") returned a Float64Array; expected a Float32Array',
  );
});

Deno.test("methods that nothing asks for are told, and what is missing with its likeness", async () => {
  const open = (methods: string) => {
    const text = `export default {
      encode: (_l, _k, { data }) => new Uint8Array(data.slice().buffer),
      ${methods},
    };`;
    return CodecHost.open({ name: "mine", text, language: "js" });
  };
  const decode = "decode: (_l, _k, bytes) => new Float32Array(bytes.buffer)";
  await using host = await open(`${decode}, calibrat() {}, _helper() {}, pack() {}`);
  assertEquals([host.calibrates, host.remarks], [false, [
    'its method "calibrat" is no hook; did you mean calibrate?',
    'nothing asks for its method "pack"; a name that begins with _ marks a helper',
  ]]);
  const refused = {
    "decod: () => 1": 'no method decode; expected encode and decode; it has "decod"',
    [`${decode}, blocks: { tokens: 8 }`]: "a field blocks; expected a method of that name",
  };
  for (const [methods, what] of Object.entries(refused)) {
    await assertRejects(() => open(methods), PolicyError, `Quantizer mine has ${what}`);
  }
});

Deno.test("WebAssembly beside the file is given to it, in both processes", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  const path = `${folder}/halved.js`;
  await Deno.writeTextFile(
    path,
    `
    let half;
    export default {
      reset({ wasm }) {
        half = new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports.half;
      },
      encode: (_l, _k, { data }) => new Uint8Array(data.map((x) => half(x)).buffer),
      decode: (_l, _k, bytes) => new Float32Array(bytes.buffer).map((x) => x / half(1)),
    };`,
  );
  const text = `(module (func (export "half") (param f32) (result f32)
    local.get 0 f32.const 0.5 f32.mul))`;
  const module = (await wabt()).parseWat("half.wat", text);
  await Deno.writeFile(`${folder}/halved.wasm`, module.toBinary({}).buffer);
  module.destroy();
  await using host = await openCodecFile(path);
  const result = await tinyRun([host]);
  await Deno.remove(folder, { recursive: true });
  assertEquals(result.failures, []);
  assertEquals(numbersOf(result, "halved").cache_error, 0);
});

Deno.test("a file that cannot be a codec is refused in one sentence", async () => {
  const example = fileURLToPath(new URL("examples/kivi_4bit.ts", import.meta.url));
  const cases: [string, string | undefined, RegExp][] = [
    ["none.ts", undefined, /^Quantizer file ".*none.ts" does not exist; it was looked for at/],
    ["kivi.ts", "export default {};", /has the name of the built-in kivi; give it another$/],
    [
      "adaptive.ts",
      "export default {};",
      /has the name of the built-in adaptive; give it another$/,
    ],
    ["text.txt", "", /is no module; its name should end in .ts, .mts, .js, .mjs, .py$/],
    ["empty.ts", "", /^Quantizer empty: rejected: It cannot be loaded: it has no default export/],
    ["type.ts", "const x: = 1;", /^Quantizer type: rejected: It cannot be loaded: SyntaxError/],
  ];
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  for (const [file, text, sentence] of cases) {
    const path = `${folder}/${file}`;
    if (text !== undefined) await Deno.writeTextFile(path, text);
    const error = await assertRejects(() => openCodecFile(path), PolicyError);
    assertMatch(error.message, sentence);
    assert(!error.message.includes("\n"));
  }
  await Deno.remove(folder, { recursive: true });
  await using host = await openCodecFile(example);
  assertEquals(host.name, "kivi_4bit");
});

Deno.test("what the evaluator does and holds for a codec has its limits", async () => {
  // Blocks of 8 tokens of 2 heads of 64 channels are 4 KiB in float32; these come back as 128 KiB.
  const text = `export default {
    blocks: () => ({ tokens: 8 }),
    encode: () => new Uint8Array(2 ** 17),
    decode: (_layer, _kind, _bytes, { heads, tokens, headDim }) =>
      new Float32Array(heads * tokens * headDim),
  };`;
  const limited: readonly [object, RegExp][] = [
    [
      { heldMib: 1 },
      /^rejected: What encode\(\) returned in one example takes \d\.\d MiB more than its tensors in float32, where at most 1 are held \(--policy-held-mib\)$/,
    ],
    [
      { workMs: 1 },
      /^rejected: Its steps have taken the evaluator more than 0\.001 s in one run \(--policy-work-ms\)$/,
    ],
  ];
  for (const [limits, sentence] of limited) {
    await using host = await CodecHost.open({ name: "mine", text, language: "js" }, { limits });
    const { failures } = await tinyRun([host]);
    assertMatch(failures[0]!.reason.replace(/^Quantizer mine: /, ""), sentence);
  }
});
