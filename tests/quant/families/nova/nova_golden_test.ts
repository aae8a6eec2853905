/**
 * What `nova` learns against what the official code does (Amir-zsh/nova-kv@d81c77b): `build_qpca_basis`
 * and `stratified_perm` of calibration/fit_vq_codebook.py, and the axes of values of
 * calibration/compute_kv_rotation.py, in PyTorch.
 */
import { assert, assertAlmostEquals } from "@std/assert";
import { nova } from "../../../../quant/families/nova/nova.ts";
import { hadamardRows } from "../../../../quant/numerics/hadamard_rows.ts";
import { keepSamples } from "../../../../quant/sample_keeper.ts";
import type { KvKind } from "../../../../quant/family.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import { rotaryOf } from "../../cache_scenes.ts";
import { answers } from "../../stores/affine/affine_answers.ts";

interface Golden {
  readonly tokens: number;
  readonly heads: number;
  readonly head_dim: number;
  /** `[head][token][channel]` */
  readonly keys: readonly number[];
  readonly values: readonly number[];
  readonly queries: readonly number[];
  readonly heads_of_keys: readonly {
    /** `[channel][component]` */
    readonly forward: readonly number[];
    /** `[component][channel]` */
    readonly inverse: readonly number[];
    readonly mean: readonly number[];
  }[];
  /** `[channel][axis]` */
  readonly eigenvectors: readonly number[];
}

const golden: Golden = JSON.parse(
  Deno.readTextFileSync(new URL("../../../golden/nova/cases.json", import.meta.url)),
);
const { tokens, heads, head_dim: n } = golden;

function learned(kind: KvKind) {
  const tensor = (rows: readonly number[]) => ({
    heads: rows.length / (tokens * n),
    capacity: tokens,
    headDim: n,
    data: Float32Array.from(rows),
  });
  const keys = tensor(golden.keys);
  const kept = keepSamples({
    rotary: rotaryOf(n),
    layers: [{
      keys: [keys],
      preRopeKeys: [keys],
      values: [tensor(golden.values)],
      queries: [tensor(golden.queries)],
    }],
  });
  const given = answers(kind, { bits: [2, 2], residualLength: 0, calibrationMode: "offline" });
  return nova.calibrate!(kept, settingsFor(nova, given, { heads, headDim: n }));
}

Deno.test("nova: keys have the transform of the official code, but for units and signs", () => {
  const { forward, inverse, mean } = learned("key");
  for (const [head, official] of golden.heads_of_keys.entries()) {
    const at = (matrix: ArrayLike<number>, i: number, c: number) => matrix[i * n + c]!;
    const own = forward!.subarray(head * n * n, (head + 1) * n * n);
    const back = inverse!.subarray(head * n * n, (head + 1) * n * n);
    // One unit for a head, a sign for each component.
    let [mine, theirs] = [0, 0];
    for (let i = 0; i < n * n; i++) {
      mine += own[i]! ** 2;
      theirs += official.forward[i]! ** 2;
    }
    const unit = Math.sqrt(theirs / mine);
    for (let i = 0; i < n; i++) {
      let inner = 0;
      for (let c = 0; c < n; c++) inner += at(own, i, c) * at(official.forward, c, i);
      const sign = Math.sign(inner);
      for (let c = 0; c < n; c++) {
        assertAlmostEquals(unit * sign * at(own, i, c), at(official.forward, c, i), 1e-4);
        assertAlmostEquals(sign / unit * at(back, c, i), at(official.inverse, i, c), 1e-4);
      }
    }
    official.mean.forEach((x, c) => assertAlmostEquals(mean![head * n + c]!, x, 1e-5));
  }
});

Deno.test("nova: values are rotated to the axes of the official code, then by a Hadamard matrix", () => {
  const { rotation } = learned("value");
  // The matrix is its own inverse; what is left are the axes, whose signs are free.
  const rows = new Float32Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < n; c++) rows[c * n + i] = rotation![i * n + c]!;
  }
  hadamardRows(rows, n, n);
  for (let axis = 0; axis < n; axis++) {
    const inner = (other: number) => {
      let sum = 0;
      for (let c = 0; c < n; c++) sum += rows[c * n + axis]! * golden.eigenvectors[c * n + other]!;
      return Math.abs(sum);
    };
    const found = Math.max(...Array.from({ length: n }, (_, other) => inner(other)));
    assert(found > 0.9999, `axis ${axis}: ${found}`);
  }
});
