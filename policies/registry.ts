/**
 * The built-in policies by name, in the order they are reported.
 *
 * @module
 */
import { takenHooks } from "../quant/declared.ts";
import { KV_KINDS } from "../quant/family.ts";
import { builtInFamilies } from "../quant/registry.ts";
import { adaptive, adaptive1bit, adaptive2bit } from "./adaptive.ts";
import { aquakv2bit, aquakv3bit } from "./aquakv.ts";
import { type NameAndGroup, nameAndGroup, withGroupSize } from "./group_size.ts";
import { hfHqq2bit, hfHqq4bit } from "./hf_hqq.ts";
import { hfQuanto2bit, hfQuanto4bit } from "./hf_quanto.ts";
import { InProcessHost, type PolicyHost } from "./host.ts";
import { kiviOverlap2bit, kiviOverlap4bit } from "./kivi_overlap.ts";
import { kvquantNuq2, kvquantNuq4 } from "./kvquant.ts";
import { kvtc16x, kvtc20x, kvtc8x } from "./kvtc.ts";
import { kvtunerKivi } from "./kvtuner.ts";
import {
  llamacppQ4_0,
  llamacppQ4_0Unrotated,
  llamacppQ5_1,
  llamacppQ8_0,
  llamacppQ8_0Q5_1,
} from "./llamacpp.ts";
import { lmdeployInt4, lmdeployInt8 } from "./lmdeploy.ts";
import { mlxKv4, mlxKv8 } from "./mlx.ts";
import { nova2bit } from "./nova.ts";
import { ortWebgpuKv4, ortWebgpuKv8 } from "./ort_webgpu.ts";
import type { Policy } from "./policy.ts";
import { qaqAttention, qaqUniform } from "./qaq.ts";
import { reference } from "./reference.ts";
import { sglangFp4 } from "./sglang.ts";
import { skvqFull2bit } from "./skvq_full.ts";
import { skvqOverlap2bit } from "./skvq_overlap.ts";
import { squat2bit, squat4bit } from "./squat.ts";
import { trtllmNvfp4 } from "./trtllm.ts";
import { turboquant2bit, turboquant3bit } from "./turboquant.ts";
import { uniformQuant2bit, uniformQuant4bit } from "./uniform_quant.ts";
import { vllmFp8E4m3, vllmFp8E5m2, vllmInt8TokenHead } from "./vllm.ts";

/**
 * Every built-in policy, made afresh by each call: a policy may keep what it learned.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open } from "@kvreplay/kvreplay";
 * import { policies } from "@kvreplay/kvreplay/policies";
 *
 * // A built-in with smaller groups.
 * const policy = { ...policies.uniform_quant_2bit(), group_size: () => 16 };
 * await using lab = await open("mini", { device: "cpu" });
 * const { numbers } = await lab.replay({ prompt: "Why?" }, policy, { maxNewTokens: 2 });
 * assertEquals(numbers.avg_bits_per_kv_token, 2 + 32 / 16);
 * ```
 */
export const policies = {
  reference,
  uniform_quant_4bit: uniformQuant4bit,
  uniform_quant_2bit: uniformQuant2bit,
  kivi_overlap_4bit: kiviOverlap4bit,
  kivi_overlap_2bit: kiviOverlap2bit,
  skvq_overlap_2bit: skvqOverlap2bit,
  skvq_full_2bit: skvqFull2bit,
  qaq_attention: qaqAttention,
  qaq_uniform: qaqUniform,
  kvquant_nuq4_1pct: kvquantNuq4,
  kvquant_nuq2_1pct: kvquantNuq2,
  hf_quanto_4bit: hfQuanto4bit,
  hf_quanto_2bit: hfQuanto2bit,
  hf_hqq_4bit: hfHqq4bit,
  hf_hqq_2bit: hfHqq2bit,
  kvtuner_kivi: kvtunerKivi,
  squat_2bit: squat2bit,
  squat_4bit: squat4bit,
  turboquant_3bit: turboquant3bit,
  turboquant_2bit: turboquant2bit,
  adaptive,
  adaptive_2bit: adaptive2bit,
  adaptive_1bit: adaptive1bit,
  kvtc_8x: kvtc8x,
  kvtc_16x: kvtc16x,
  kvtc_20x: kvtc20x,
  aquakv_2bit: aquakv2bit,
  aquakv_3bit: aquakv3bit,
  nova_2bit: nova2bit,
  llamacpp_q8_0: llamacppQ8_0,
  llamacpp_q8_0_q5_1: llamacppQ8_0Q5_1,
  llamacpp_q5_1: llamacppQ5_1,
  llamacpp_q4_0: llamacppQ4_0,
  llamacpp_q4_0_unrotated: llamacppQ4_0Unrotated,
  vllm_fp8_e4m3: vllmFp8E4m3,
  vllm_fp8_e5m2: vllmFp8E5m2,
  vllm_int8_token_head: vllmInt8TokenHead,
  sglang_fp4: sglangFp4,
  lmdeploy_int8: lmdeployInt8,
  lmdeploy_int4: lmdeployInt4,
  trtllm_nvfp4: trtllmNvfp4,
  mlx_kv4: mlxKv4,
  mlx_kv8: mlxKv8,
  ort_webgpu_kv4: ortWebgpuKv4,
  ort_webgpu_kv8: ortWebgpuKv8,
} as const satisfies Record<string, () => Policy>;

/**
 * Name of a built-in policy.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type PolicyName, policyNames } from "@kvreplay/kvreplay/policies";
 *
 * const ofWidth = (bits: number): PolicyName[] =>
 *   policyNames.filter((name) => name.endsWith(`_${bits}bit`));
 * assertEquals(ofWidth(3), ["turboquant_3bit", "aquakv_3bit"]);
 * ```
 */
export type PolicyName = keyof typeof policies;

/**
 * Names of the built-in policies.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { policyNames } from "@kvreplay/kvreplay/policies";
 *
 * // What a comparison is run with: everything, and full precision first.
 * const [first, ...others] = policyNames;
 * assertEquals([first, others.includes("adaptive")], ["reference", true]);
 * ```
 */
export const policyNames: readonly PolicyName[] = Object.keys(policies) as PolicyName[];

/** Policies that are run when none is named: the baselines of the contract, and this project's own. */
export const defaultPolicies: readonly PolicyName[] = [
  "reference",
  "uniform_quant_4bit",
  "uniform_quant_2bit",
  "kivi_overlap_4bit",
  "kivi_overlap_2bit",
  "skvq_overlap_2bit",
  "adaptive",
];

/** Policies that stand for a setting of an engine, and are outside the budget. */
export const enginePolicies: readonly PolicyName[] = policyNames.filter((name) => {
  const policy: Policy = policies[name]();
  return policy.outside_budget === true;
});

/**
 * Whether `name` is a built-in policy.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isPolicyName, openPolicyFile } from "@kvreplay/kvreplay/policies";
 *
 * // What a user names is a built-in or a file.
 * const choose = (name: string) => isPolicyName(name) ? name : openPolicyFile(name);
 * assertEquals(await choose("kivi_overlap_2bit"), "kivi_overlap_2bit");
 * ```
 */
export function isPolicyName(name: string): name is PolicyName {
  return Object.hasOwn(policies, name);
}

/**
 * The built-in that a name would be taken for: its own, in whatever case; undefined when there is none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { builtinLike } from "./registry.ts";
 *
 * assertEquals([builtinLike("Adaptive"), builtinLike("mine")], ["adaptive", undefined]);
 * ```
 */
export function builtinLike(name: string): PolicyName | undefined {
  return policyNames.find((builtin) => builtin === name.toLowerCase());
}

/**
 * A built-in policy by its name, or with groups of N entries by `NAME@gN`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { open } from "@kvreplay/kvreplay";
 * import type { BuiltinName } from "@kvreplay/kvreplay/policies";
 *
 * const sizes = [32, 64] as const;
 * const names = sizes.map((size): BuiltinName => `uniform_quant_2bit@g${size}`);
 * await using lab = await open("mini", { device: "cpu" });
 * const { results } = await lab.replay({ prompt: "Why?" }, names, { maxNewTokens: 2 });
 * const bits = results.map(({ numbers }) => numbers.avg_bits_per_kv_token);
 * assertEquals(bits, [2 + 32 / 32, 2 + 32 / 64]);
 * ```
 */
export type BuiltinName = PolicyName | `${PolicyName}@g${number}`;

/** Whether `name` is a built-in policy, or one that has groups with the size of its groups. */
export function isBuiltinName(name: string): name is BuiltinName {
  const { name: policy, groupSize } = nameAndGroup(name);
  return isPolicyName(policy) && (groupSize === undefined || groupsOf(policy).length > 0);
}

/** Families that a built-in policy uses and that take the size of their groups from it. */
export function groupsOf(name: PolicyName): string[] {
  return familiesOf(name).filter((family) =>
    takenHooks(builtInFamilies.of(family)).includes("group_size")
  );
}

/** Families that a built-in policy uses in its first layer, keys first; the reference uses none. */
export function familiesOf(name: PolicyName): string[] {
  if (name === "reference") return [];
  const policy: Policy = policies[name]();
  const request = { slice: "", dataset: "", prompt_tokens: 1, cache_tokens: 1, max_new_tokens: 1 };
  return [
    ...new Set(KV_KINDS.map((kind) => policy.quantizer_family?.(0, kind, request) ?? "uniform")),
  ];
}

/** A host for a built-in policy, made afresh. */
export function hostBuiltin(name: BuiltinName): PolicyHost {
  const { name: policy, groupSize } = nameAndGroup(name) as NameAndGroup & { name: PolicyName };
  const host = new InProcessHost(
    policy,
    policies[policy](),
    policy === "reference" ? policy : "built-in",
  );
  return groupSize === undefined ? host : withGroupSize(host, groupSize);
}
