/** A setting or tensor that a family cannot quantize; the message is one sentence for the user. */
export class QuantizerError extends Error {
  override name = "QuantizerError";
}
