/**
 * Version of the replay contract: steps, metrics and policy interface. It is part of every cache key
 * and of every result, and changes whenever a number could.
 *
 * @module
 */

/** Version of the contract these numbers follow. */
export const CONTRACT_VERSION = "1.1";
