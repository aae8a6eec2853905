import { UserError } from "../errors.ts";

/** A setting or tensor that a family cannot quantize; the message is one sentence for the user. */
export class QuantizerError extends UserError {
  override name = "QuantizerError";
}
