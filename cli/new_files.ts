/**
 * Texts of the files that `kvreplay new` writes.
 *
 * @module
 */
import type { NewKind } from "./new_options.ts";

/** Interpreter of a quantizer in Python, unless another is named. */
export const PYTHON = "/usr/bin/python3";

/** A policy: KIVI's groups, more bits for keys, and for the layers at both ends. */
export const policyText = `import type { Policy } from "@kvreplay/kvreplay/policies";

/** Four bits for keys and for the outermost layers, two for everything else. */
export default class implements Policy {
  quantizer_family() {
    return "kivi";
  }

  choose_bits(
    layer_id: number,
    kv_kind: "key" | "value",
    _head_group: number,
    _token_stats: unknown,
    budget_state: { layers: number; budget_bits: number },
  ) {
    const outermost = layer_id === 0 || layer_id === budget_state.layers - 1;
    return Math.min(kv_kind === "key" || outermost ? 4 : 2, budget_state.budget_bits);
  }

  choose_axis(_layer_id: number, kv_kind: "key" | "value"): "channel" | "token" {
    return kv_kind === "key" ? "channel" : "token";
  }

  residual_length() {
    return 64;
  }

  calibration_mode(): "none" {
    return "none";
  }
}
`;

/** The same policy in Python. */
export const pythonPolicyText =
  `"""Four bits for keys and for the outermost layers, two for everything else."""


class AdaptiveQuantPolicy:
    def quantizer_family(self, layer_id, kv_kind, request_meta):
        return "kivi"

    def choose_bits(self, layer_id, kv_kind, head_group, token_stats, budget_state):
        outermost = layer_id in (0, budget_state["layers"] - 1)
        return min(4 if kv_kind == "key" or outermost else 2, budget_state["budget_bits"])

    def choose_axis(self, layer_id, kv_kind):
        return "channel" if kv_kind == "key" else "token"

    def residual_length(self, layer_id, request_meta):
        return 64

    def calibration_mode(self, workload_meta, budget_state):
        return "none"
`;

/** A quantizer: four bits an entry, a scale and a zero point for every head and token. */
export const quantizerText = `import type { Codec } from "@kvreplay/kvreplay/codecs";

const TOP = 15;

/** Four bits an entry, a scale and a zero point for every head and token. */
export default {
  // The first four tokens and the last 32 stay exact; the others are coded eight at a time.
  blocks: () => ({ tokens: 8, window: 32, sink_tokens: 4 }),

  // block.data is [heads, tokens, headDim]; what is returned is all the memory that is counted.
  encode(_layer, _kind, { heads, tokens, headDim, data }) {
    const rows = heads * tokens;
    const bytes = new Uint8Array(4 * rows + data.length / 2);
    const parameters = new Float16Array(bytes.buffer, 0, 2 * rows);
    for (let row = 0; row < rows; row++) {
      const entries = data.subarray(row * headDim, (row + 1) * headDim);
      const low = Math.min(...entries);
      parameters[2 * row] = (Math.max(...entries) - low) / TOP;
      parameters[2 * row + 1] = low;
      const [scale, zero] = [parameters[2 * row]!, parameters[2 * row + 1]!];
      const code = (x: number) =>
        scale === 0 ? 0 : Math.min(TOP, Math.max(0, Math.round((x - zero) / scale)));
      for (let i = 0; i < headDim; i += 2) {
        bytes[4 * rows + (row * headDim + i) / 2] = code(entries[i]!) | code(entries[i + 1]!) << 4;
      }
    }
    return bytes;
  },

  // Runs in another process: bytes and shape are all it knows.
  decode(_layer, _kind, bytes, { heads, tokens, headDim }) {
    const rows = heads * tokens;
    const parameters = new Float16Array(bytes.buffer, 0, 2 * rows);
    const restored = new Float32Array(rows * headDim);
    for (let i = 0; i < restored.length; i += 2) {
      const row = Math.floor(i / headDim);
      const [scale, zero] = [parameters[2 * row]!, parameters[2 * row + 1]!];
      const two = bytes[4 * rows + i / 2]!;
      restored[i] = (two & TOP) * scale + zero;
      restored[i + 1] = (two >> 4) * scale + zero;
    }
    return restored;
  },
} satisfies Codec;
`;

/** The same in Python, on whole tensors: the tensor form of the published task. */
export const pythonQuantizerText =
  `"""Four bits an entry, a scale and a zero point for every head and token."""


class AdaptiveKVQuantizer:
    def reset_request(self, request_meta, budget_state):
        self.bits = min(4, budget_state["budget_bits"])

    def needs_prefill_qkv_observer(self):
        return False

    def quantize_key(self, layer_id, key_states, cache_meta):
        # [1, kv_heads, tokens, head_dim], the whole cache: give back what a decoder would restore.
        top = 2**self.bits - 1
        low, high = key_states.amin(-1, keepdim=True), key_states.amax(-1, keepdim=True)
        scale = ((high - low) / top).clamp_min(1e-7).half().float()
        zero = low.half().float()
        codes = ((key_states - zero) / scale).round().clamp(0, top)
        # And its average bits: codes, and a scale and a zero point in half precision.
        return codes * scale + zero, self.bits + 32 / key_states.shape[-1]

    def quantize_value(self, layer_id, value_states, cache_meta):
        return self.quantize_key(layer_id, value_states, cache_meta)
`;

/** What a test says of the interpreter that it needs. */
const interpreterText = (path: string) =>
  `// An interpreter that has PyTorch.
const python = Deno.env.get("PYTHON") ?? ${JSON.stringify(path)};

`;

/**
 * A test that replays one prompt.
 *
 * @param file the policy or quantizer
 * @param interpreter for a quantizer in Python
 */
export function testText(
  kind: NewKind,
  name: string,
  file: string,
  interpreter: string,
): string {
  const torch = kind === "quantizer" && file.endsWith(".py");
  const given = torch ? ", { python }" : "";
  const [from, opens] = kind === "policy"
    ? ["policies", "openPolicyFile"]
    : ["codecs", "openCodecFile"];
  return `import { assert } from "@std/assert";
import { fileURLToPath } from "node:url";
import { open } from "@kvreplay/kvreplay";
import { ${opens} } from "@kvreplay/kvreplay/${from}";

${
    torch
      ? interpreterText(interpreter)
      : ""
  }Deno.test("${name} loses little of a short prompt", async () => {
  await using ${kind} = await ${opens}(fileURLToPath(new URL("${file}", import.meta.url))${given});
  await using lab = await open("mini", { device: "cpu" });
  const prompt = "Count the words of this sentence. ".repeat(20);
  const { numbers } = await lab.replay({ prompt }, ${kind}, { maxNewTokens: 8 });
  assert(numbers.avg_bits_per_kv_token < 16);
  assert(numbers.replay_agreement > 0.9);
});
`;
}
