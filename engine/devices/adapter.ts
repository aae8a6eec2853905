/**
 * Finding a GPU.
 *
 * @module
 */

/** A WebGPU adapter and what to call it. */
export interface FoundAdapter {
  /** The adapter itself. */
  readonly adapter: GPUAdapter;
  /** Name for people, as the driver gives it. */
  readonly description: string;
  /** True for a driver that computes on the processor. */
  readonly software: boolean;
}

/** The most powerful WebGPU adapter; undefined when there is none. */
export async function findAdapter(): Promise<FoundAdapter | undefined> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return undefined;
  const { description, vendor, architecture, isFallbackAdapter } = adapter.info;
  const name = description || [vendor, architecture].filter(Boolean).join(" ") || "unnamed GPU";
  return { adapter, description: name, software: isFallbackAdapter };
}

/** A device with the adapter's own limits and with float16, subgroups and timers where it has them. */
export function openDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredFeatures = WANTED_FEATURES.filter((feature) => adapter.features.has(feature));
  const requiredLimits = Object.fromEntries(
    RAISED_LIMITS.map((name) => [name, adapter.limits[name]]),
  );
  return adapter.requestDevice({ requiredFeatures, requiredLimits });
}

const WANTED_FEATURES: readonly GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];

/** The default of WebGPU is too small for the weights or the KV tensors of a larger model. */
const RAISED_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const;
