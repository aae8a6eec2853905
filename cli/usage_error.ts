/** A mistake on the command line; the message is one sentence that says what would be right. */
export class UsageError extends Error {
  override name = "UsageError";
}
