/**
 * @module
 */

/** How often a cell is tried whose worker ends. */
export const TRIES = 3;

/** What a worker's end or pg-boss says of a job that failed. */
export function reasonOf(output: unknown): string {
  const { reason, value } = (output ?? {}) as { reason?: string; value?: { message?: string } };
  if (reason !== undefined) return reason;
  return value?.message === "job heartbeat timeout"
    ? "The worker gave no sign of life"
    : value?.message ?? "Nobody said why";
}
