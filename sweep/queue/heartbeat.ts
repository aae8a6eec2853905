/**
 * @module
 */

/** Seconds without a sign of life after which a cell is anybody's; pg-boss takes 10 at least. */
export const HEARTBEAT_S = 30;
