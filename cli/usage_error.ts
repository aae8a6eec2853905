import { UserError } from "../errors.ts";

/** A mistake on the command line; the message is one sentence that says what would be right. */
export class UsageError extends UserError {
  override name = "UsageError";
}
