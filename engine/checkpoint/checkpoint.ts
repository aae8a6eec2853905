/**
 * A checkpoint: what a model is made from, wherever it is kept. Each format is read by a room or a
 * file of its own; what reads a checkpoint does not know which it was.
 *
 * @module
 */
import type { JsonObject } from "./json_file.ts";

/** A tensor where it is kept: nothing of it is in memory, and it is read anew at each call. */
export interface StoredTensor {
  /** Path of its file, for errors. */
  readonly path: string;
  /** Name of the format that its values are stored in. */
  readonly dtype: string;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /**
   * Its bytes as they are stored, in blocks that can be restored one by one. A block is gone once the
   * next is asked for: all of them take turns in one piece of memory.
   *
   * @throws {UserError} when the file has changed
   */
  blocks(): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /**
   * The values that a block stands for, in float32, row-major.
   *
   * @param out takes them, as many as the block holds
   */
  restore(block: Uint8Array<ArrayBuffer>, out: Float32Array<ArrayBuffer>): void;
  /** Bytes of all blocks. */
  readonly storedBytes: number;
  /** Whether values are stored in their order: who knows the format then need not restore them. */
  readonly inOrder?: boolean;
}

/** How a checkpoint turns texts into tokens. */
export interface TokenizerFiles {
  /** Path of what it was read from, for errors. */
  readonly path: string;
  /** Contents of `tokenizer.json`. */
  readonly definition: JsonObject;
  /** Contents of `tokenizer_config.json`. */
  readonly settings: JsonObject;
  /** Text of `chat_template.jinja`, when there is one. */
  readonly template: string | undefined;
  /** What a hash over them takes in. */
  readonly hashed: readonly HashedPart[];
}

/** A text or bytes that a hash takes in; undefined for a file that is not there. */
export type HashedPart = string | Uint8Array<ArrayBuffer> | undefined;

/** A checkpoint that was found to be one. */
export interface Checkpoint {
  /** The folder or file that it was opened from. */
  readonly path: string;
  /** Contents of `config.json`; what errors call it, with its place and without. */
  readonly config: { readonly json: JsonObject; readonly path: string; readonly name: string };
  /** End token ids that it names beside `config` and the tokenizer; may be empty. */
  readonly eosIds: readonly number[];
  /** Text of a chat template that is no part of the tokenizer's files, where they have none. */
  readonly template: string | undefined;
  /** Every tensor, by the name that huggingface/transformers gives it. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** All but the tensors that decides what the model computes and how its texts are read. */
  readonly hashed: readonly HashedPart[];
  /**
   * Its tokenizer.
   *
   * @throws {UserError} for one that cannot be used
   */
  tokenizer(): Promise<TokenizerFiles>;
}
