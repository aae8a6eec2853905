/** Two runtimes on one GPU: what a replay prints does not depend on which of them has the model. */
import { assert, assertEquals } from "@std/assert";
import { type Device, open } from "../../../mod.ts";
import { device as gpu } from "../../quant/backends.ts";

const POLICIES = ["reference", "kivi_overlap_2bit", "uniform_quant_2bit"] as const;

Deno.test({
  name: "a replay prints the same quality on webgpu and webgpu-onnx",
  ignore: gpu === undefined,
  fn: async () => {
    const printed = async (device: Device) => {
      await using lab = await open("mini", { device });
      assertEquals(lab.device, device);
      const short = { limit: 1, maxNewTokens: 8 };
      const { results, failures } = await lab.replay("reasoning", POLICIES, short);
      assertEquals(failures, []);
      return {
        fingerprint: lab.fingerprint,
        quality: results.map(({ numbers }) => [
          numbers.quality_main.toFixed(4),
          numbers.cache_error.toFixed(6),
          numbers.greedy_match_ratio,
          numbers.replay_agreement.toFixed(6),
          numbers.avg_bits_per_kv_token,
        ]),
      };
    };
    const ours = await printed("webgpu");
    const theirs = await printed("webgpu-onnx");
    assertEquals(theirs.quality, ours.quality);
    assert(theirs.fingerprint !== ours.fingerprint);
  },
});
