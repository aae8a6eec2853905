/**
 * `ort_webgpu_kv4` and `ort_webgpu_kv8`: what onnxruntime's own WebGPU provider stores when
 * `ep.webgpuexecutionprovider.kvCacheQuantizationBits` is 4 or 8 (microsoft/onnxruntime#28059, #32284).
 *
 * @module
 */
import type { Policy } from "./policy.ts";

function ortWebgpuCache(bits: number): Policy {
  return {
    outside_budget: true,
    quantizer_family: () => "ort_webgpu",
    choose_bits: () => bits,
    choose_axis: () => "token",
    residual_length: () => 0,
    calibration_mode: () => "none",
  };
}

/** `kvCacheQuantizationBits` 4. */
export const ortWebgpuKv4 = (): Policy => ortWebgpuCache(4);
/** `kvCacheQuantizationBits` 8. */
export const ortWebgpuKv8 = (): Policy => ortWebgpuCache(8);
