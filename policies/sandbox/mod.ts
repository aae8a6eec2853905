/**
 * The sandbox for policies from anyone: see docs/policies.md for what it gives and denies.
 *
 * @module
 */
export { type LaunchChild, launchChild, launchDeno, launchSelf } from "./child.ts";
export { runSandboxChild, SANDBOX_CHILD_ARGUMENT } from "./child.ts";
export { DEFAULT_LIMITS, limitsWith, type SandboxLimits } from "./limits.ts";
export { SandboxError, type SandboxFailure } from "./sandbox_error.ts";
export type { PolicySource } from "./policy_link.ts";
export { SandboxHost, type SandboxOptions } from "./sandbox_host.ts";
