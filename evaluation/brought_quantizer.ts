/**
 * A quantizer of the user's, for runs that open what they judge again and again.
 *
 * @module
 */
import { PolicyError } from "../policies/check.ts";
import type { PolicyHost } from "../policies/host.ts";

/** A quantizer that a user brought. */
export interface BroughtQuantizer {
  /** Name under which results are reported. */
  readonly name: string;
  /** SHA-256 of everything of the user's that decides its numbers. */
  hash(): Promise<string>;
  /**
   * Opens it afresh, in processes that know nothing of what it did before.
   *
   * @throws {PolicyError} when it cannot be opened
   */
  open(): Promise<PolicyHost>;
}

/** Why it cannot be opened, in one sentence; undefined when it can. */
export async function whyUnopened(brought: BroughtQuantizer): Promise<string | undefined> {
  try {
    await (await brought.open()).close();
  } catch (error) {
    if (error instanceof PolicyError) return error.message;
    throw error;
  }
}
