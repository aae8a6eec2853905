/**
 * @module
 */
import { UsageError } from "./usage_error.ts";

/** One that is right. */
export const QUEUE_EXAMPLE = "postgres://me@db.example/kvreplay";

/** @throws {UsageError} for what is no URL of PostgreSQL */
export function checkQueue(text: string): void {
  const url = URL.parse(text);
  if (url !== null && /^postgres(ql)?:$/.test(url.protocol) && url.hostname !== "") return;
  // What was given may hold a password, and is not shown.
  throw new UsageError(`--queue must be a URL such as ${QUEUE_EXAMPLE}`);
}
