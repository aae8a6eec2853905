import type { ModelShape } from "../engine/engine.ts";
import type { KvShape } from "../quant/tensor.ts";
import { negativeLogLikelihood } from "../replay/metric.ts";
import { prefilled, type Reference } from "../replay/reference.ts";
import type { NamedOutcome } from "./results.ts";

/** Takes the logits of a text's scored steps, and what they say of its next tokens. */
export class TextLosses {
  readonly #losses: number[] = [];

  constructor(
    private readonly reference: Pick<Reference<KvShape>, "prompt" | "tokens" | "logits" | "text">,
    private readonly shape: Pick<ModelShape, "vocab">,
  ) {}

  /** Takes the logits of a scored step. */
  readonly add = (index: number, logits: Float32Array): void => {
    this.#losses[index] = this.#lossOf(index, logits, 0);
  };

  /**
   * What the outcome of the text has instead of that of an answer: there is no reply, and its score is
   * the share of next tokens that are predicted.
   *
   * @param predicted tokens at the scored steps
   */
  outcome(predicted: readonly number[]) {
    const { tokens, logits } = this.reference;
    const share = (guesses: readonly number[]) =>
      guesses.filter((token, index) => token === this.#target(index)).length / guesses.length;
    return {
      reply: "",
      referenceReply: "",
      cut: false,
      referenceCut: false,
      score: share(predicted),
      referenceScore: share(tokens),
      nll: this.#losses,
      referenceNll: tokens.map((_, index) => this.#lossOf(index, logits, index * this.shape.vocab)),
    } satisfies Partial<NamedOutcome>;
  }

  #lossOf(index: number, logits: Float32Array, at: number): number {
    return negativeLogLikelihood(logits, at, this.shape.vocab, this.#target(index));
  }

  /** The token that follows the one that a scored step feeds. */
  #target(index: number): number {
    const { text } = this.reference;
    return text!.ids[prefilled(this.reference) + index * text!.every + 1]!;
  }
}
