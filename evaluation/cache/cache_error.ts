/**
 * A folder that cannot hold a cache.
 *
 * @module
 */
import { UserError } from "../../errors.ts";

/** A folder that cannot hold a cache; the message is one sentence. */
export class CacheError extends UserError {
  override name = "CacheError";
}
