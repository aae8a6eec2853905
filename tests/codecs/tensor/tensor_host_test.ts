/** Quantizers in the tensor form of the published task, behind bubblewrap. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { openCodecFile } from "../../../codecs/codec_file.ts";
import { runSlice } from "../../../evaluation/slice_run.ts";
import { PolicyError } from "../../../policies/check.ts";
import type { PolicyHost } from "../../../policies/host.ts";
import type { SandboxLimits } from "../../../sandbox/limits.ts";
import { interpreter, PYTHON } from "../../policies/python/bubblewrap_here.ts";
import { numbersOf, tinyRun, tinySlice } from "../../sandbox/tiny_run.ts";
import { pythonWithTorch } from "./python_with_torch.ts";

const ignore = interpreter === undefined;
const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const python = ignore ? PYTHON : await pythonWithTorch(`${folder}/venv`);

const EIGHTHS = fileURLToPath(new URL("eighths.py", import.meta.url));
/** What is no memory: the tensor form claims it, and a codec stores it. */
const MEMORY = [
  ...["peak_kv_memory_mb", "avg_bits_per_kv_token", "kv_compression_ratio", "code_bits"],
  ...["break_even_tokens"],
];

async function written(name: string, text: string): Promise<string> {
  const path = `${folder}/${name}`;
  await Deno.writeTextFile(path, text);
  return path;
}

function openTensor(path: string, limits: Partial<SandboxLimits> = {}): Promise<PolicyHost> {
  return openCodecFile(path, { python, limits });
}

function without(numbers: Record<string, number>, names: readonly string[]) {
  return Object.fromEntries(Object.entries(numbers).filter(([name]) => !names.includes(name)));
}

Deno.test({
  name:
    "the tensor form gives the numbers of a codec that restores the same, and claims its memory",
  ignore,
  fn: async () => {
    const twin = await written(
      "twin.js",
      `export default {
        encode: (_l, _k, { data }) =>
          new Uint8Array(Int16Array.from(data, (x) => Math.floor(8 * x + 0.5)).buffer),
        decode: (_l, _k, bytes) => Float32Array.from(new Int16Array(bytes.buffer), (x) => x / 8),
      };`,
    );
    await using codec = await openCodecFile(twin);
    await using tensors = await openTensor(EIGHTHS);
    const result = await runSlice({ ...tinySlice([codec, tensors]), audit: true });
    assertEquals(result.failures, []);
    const [stored, claimed] = [numbersOf(result, "twin"), numbersOf(result, "eighths")];
    assertEquals(without(claimed, MEMORY), without(stored, MEMORY));
    assert(claimed.cache_error! > 0);
    // 3.5 bits for keys, in a pair with the tensor; 5 for values, by estimate_bits.
    assertEquals([claimed.avg_bits_per_kv_token, claimed.code_bits], [4.25, 0]);
    const [codecResult, tensorResult] = result.results;
    assertEquals([codecResult!.claimed, tensorResult!.claimed], [false, true]);
    assert(tensorResult!.remarks.includes("its bits and memory are claimed, not stored"));
    assertEquals(tensors.remarks.filter((what) => what.includes("method")), [
      'nothing asks for its method "rounded"; a name that begins with _ marks a helper',
    ]);
    assertEquals(
      [...new Set(tensorResult!.audit!.tensors.flatMap((t) => t.buffers.map((b) => b.role)))],
      ["claimed"],
    );

    await using again = await openTensor(EIGHTHS);
    const stepwise = await runSlice({ ...tinySlice([again]), stepwise: true });
    assertEquals(numbersOf(stepwise, "eighths"), claimed);
  },
});

Deno.test({
  name: "keys and queries are shown before their positions are turned in, where that is asked for",
  ignore,
  fn: async () => {
    const text = (await Deno.readTextFile(EIGHTHS)).replace('"post_rope"', '"pre_rope"')
      .replace("# After RoPE, and the prompt's keys are the first of the cache.", "")
      .replace("== prompt[: tokens * dim]", "!= prompt[: tokens * dim]")
      // Nothing turns at position 0.
      .replace("assert list(", "assert list(key_states.values[:dim]) == prompt[:dim] and list(");
    await using turned = await openTensor(await written("turned.py", text));
    const result = await tinyRun([turned]);
    assertEquals(result.failures, []);
    assertEquals(result.results[0]!.numbers.avg_bits_per_kv_token, 4.25);
  },
});

/** Sixteenths in two bytes; what is left open says what the processes of it may know. */
const ENCODES = `import array, torch
class AdaptiveKVQuantizer:
    seen = 0
    def reset_request(self, request_meta, budget_state):
        self.told = sorted(request_meta)
        assert budget_state["budget_bits"] == 4 and budget_state["kv_heads"] > 0
    def blocks(self, kv_kind):
        return {"tokens": 4, "window": 3} if kv_kind == "key" else {"sink_tokens": 2}
    def needs_prefill_qkv_observer(self):
        return True
    def observe_prefill_qkv(self, layer_id, query_states, key_states, value_states, attention_meta):
        self.seen += 1
    def encode(self, layer_id, kv_kind, states, cache_meta):
        assert self.seen > 0 and "slice" in self.told
        assert states.shape == (1, cache_meta["kv_heads"], cache_meta["tokens"], 64)
        open("/tmp/seen", "a").write("encoded")
        return array.array("h", (round(16 * x) for x in states.values)).tobytes()
    def decode(self, layer_id, kv_kind, data, cache_meta):
        import os
        assert self.seen == 0 and self.told == [] and not os.path.exists("/tmp/seen")
        shape = (1, cache_meta["kv_heads"], cache_meta["tokens"], cache_meta["head_dim"])
        restored = array.array("f", (x / 16 for x in array.array("h", data)))
        return torch.Tensor(memoryview(restored), shape)
`;

Deno.test({
  name: "one that also encodes is a codec: its bits are those of its bytes",
  ignore,
  fn: async () => {
    const twin = await written(
      "stored_twin.js",
      `export default {
        blocks: (kind) => kind === "key" ? { tokens: 4, window: 3 } : { sink_tokens: 2 },
        encode: (_l, _k, { data }) => {
          const even = (x) => Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x);
          return new Uint8Array(Int16Array.from(data, (x) => even(16 * x)).buffer);
        },
        decode: (_l, _k, bytes) => Float32Array.from(new Int16Array(bytes.buffer), (x) => x / 16),
      };`,
    );
    await using codec = await openCodecFile(twin);
    await using encodes = await openTensor(await written("stored.py", ENCODES));
    assertEquals(encodes.claimed, undefined);
    const result = await runSlice({ ...tinySlice([codec, encodes]), audit: true });
    assertEquals(result.failures, []);
    assertEquals(numbersOf(result, "stored"), numbersOf(result, "stored_twin"));
    assertEquals(numbersOf(result, "stored").avg_bits_per_kv_token, 16);
  },
});

const HEAD = "import torch\nclass AdaptiveKVQuantizer:\n";
const VALUE = "  def quantize_value(self, layer, x, meta): return x, 4\n";
const KEY = "  def quantize_key(self, layer, x, meta): ";

/** Files, and what their run or their opening ends with. */
const HOSTILE: Readonly<Record<string, readonly [text: string, outcome: RegExp]>> = {
  "loops": [
    `${HEAD}${VALUE}${KEY}\n    while True: pass\n`,
    /^timed out: No answer to the restored tensors of 4 layers and kinds within 1 s$/,
  ],
  "loops when loaded": ["while True: pass\n", /timed out: Not ready within 3 s$/],
  "another shape": [
    `${HEAD}${VALUE}${KEY}return torch.Tensor(x.values[:64], (1, 1, 1, 64))\n`,
    /^rejected: quantize_key\(0\) returned a tensor \[1, 1, 1, 64\]; expected \[1, /,
  ],
  "no tensor": [
    `${HEAD}${VALUE}${KEY}return None\n`,
    /^rejected: quantize_key\(0\) returned a NoneType; expected a tensor/,
  ],
  "negative bits": [
    `${HEAD}${VALUE}${KEY}return x, -1\n`,
    /^rejected: Of quantize_key\(0\) -1 bits are claimed; expected a number from 0 to 32$/,
  ],
  "bits in words": [
    `${HEAD}${VALUE}${KEY}return x, "3.5"\n`,
    /^rejected: quantize_key\(0\) threw TypeError: its bits are a str; expected a number$/,
  ],
  "no number of bits": [
    `${HEAD}${VALUE}${KEY}return x, float("nan")\n`,
    /^rejected: quantize_key\(0\) returned NaN bits; expected a number from 0 to 32$/,
  ],
  "more than a pair": [
    `${HEAD}${VALUE}${KEY}return x, 4, 5\n`,
    /^rejected: quantize_key\(0\) returned 3 values; expected a tensor, or a tensor and bits$/,
  ],
  "not finite": [
    `${HEAD}${VALUE}${KEY}\n    x.values[3] = float("nan")\n    return x\n`,
    /^rejected: Layer 0 keys: what was restored of token 0 is not finite/,
  ],
  "random": [
    `import random\n${HEAD}${VALUE}${KEY}\n    x.values[3] = random.random()\n    return x\n`,
    /^not deterministic: Given the same tensor in a fresh process, quantize_key\(0\) returned another$/,
  ],
  "exits": [
    `import os\n${HEAD}${VALUE}${KEY}os._exit(0)\n`,
    /^crashed: Its process ended with exit code 0$/,
  ],
  "memory": [
    `${HEAD}${VALUE}${KEY}return bytearray(2**30)\n`,
    /^out of memory: It took more than 512 MiB$/,
  ],
  "forged reply": [
    `import os\n${HEAD}${VALUE}${KEY}\n    for fd in range(3, 20):\n      try: os.write(fd, b"KVRP" * 99)\n` +
    `      except OSError: pass\n    return x\n`,
    /^crashed: It broke the message protocol/,
  ],
  "an unknown position": [
    `${HEAD}${VALUE}${KEY}return x\n  def needs_prefill_qkv_observer(self): return True\n` +
    `  def query_observation_position(self): return "rope"\n`,
    /rejected: query_observation_position\(\) returned "rope"; expected "pre_rope" or "post_rope"$/,
  ],
  "encodes no bytes": [
    `${HEAD}  def encode(self, layer, kind, x, meta): return 7\n  def decode(self, *given): pass\n`,
    /^rejected: encode\(0, "key"\) returned a int; expected bytes$/,
  ],
  "encodes and loops": [
    `${HEAD}  def encode(self, layer, kind, x, meta): return b"1"\n` +
    `  def decode(self, layer, kind, data, meta):\n    while True: pass\n`,
    /^timed out: No answer to decode\(\) of \d+ blocks within 1 s$/,
  ],
  "a decoder that was told nothing": [
    `${HEAD}  def encode(self, layer, kind, x, meta):\n    global kept\n    kept = x\n    return b""\n` +
    `  def decode(self, layer, kind, data, meta): return kept\n`,
    /^rejected: decode\(0, "key"\) threw NameError: name 'kept' is not defined, at line 7$/,
  ],
  "no method": [
    `${HEAD}${VALUE}`,
    /^Quantizer hostile has no method quantize_key; expected quantize_key and quantize_value$/,
  ],
  "half a codec": [
    `${HEAD}  def encode(self): pass\n  def decod(self): pass\n`,
    /^Quantizer hostile has no method decode; expected encode and decode; it has "decod"$/,
  ],
  "a policy": [
    "class AdaptiveQuantPolicy: pass\n",
    /It cannot be loaded: it has no class AdaptiveKVQuantizer; it has AdaptiveQuantPolicy$/,
  ],
};

Deno.test({ name: "hostile quantizers in Python end in one sentence", ignore }, async (t) => {
  for (const [what, [text, outcome]] of Object.entries(HOSTILE)) {
    await t.step(what, async () => {
      const path = await written("hostile.py", text);
      let host: PolicyHost;
      try {
        host = await openTensor(path, { startMs: 3000, stepMs: 1000, memoryMib: 512 });
      } catch (error) {
        assert(error instanceof PolicyError);
        return assertMatch(error.message, outcome);
      }
      await using _ = host;
      const { failures } = await tinyRun([host]);
      assertMatch(failures[0]?.reason.replace(/^Quantizer hostile: /, "") ?? "no failure", outcome);
    });
  }
});

Deno.test({
  name: "an interpreter without PyTorch, or none, is told in one sentence",
  ignore,
  fn: async () => {
    await assertRejects(
      () => openCodecFile(EIGHTHS, { python: PYTHON }),
      PolicyError,
      "No module named 'torch', at line 5 in /usr/bin/python3",
    );
    await assertRejects(
      () => openCodecFile(EIGHTHS),
      PolicyError,
      "Quantizer eighths is in Python: AdaptiveKVQuantizer needs PyTorch, so name an interpreter",
    );
  },
});
