/**
 * @module
 */

/** Seeds that a run may be repeated with; here, so that a help text does not load the engines. */
export const MOST_SEEDS = 1000;
