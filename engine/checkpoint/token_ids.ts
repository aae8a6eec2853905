/**
 * Whether the ids of a tokenizer are rows of the model's embedding.
 *
 * @module
 */
import { UserError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "./json_file.ts";

/**
 * Refuses a tokenizer that could give the model an id for which it has no row.
 *
 * @param definition contents of `tokenizer.json`
 * @param rows of the embedding
 * @param path of `tokenizer.json`, for errors
 * @throws {UserError} naming the token, its id and the number of rows
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { checkTokenIds } from "./token_ids.ts";
 *
 * const definition = { model: { vocab: { a: 0, b: 1 } }, added_tokens: [{ content: "<c>", id: 2 }] };
 * checkTokenIds(definition, 3, "tokenizer.json");
 * assertThrows(() => checkTokenIds(definition, 2, "tokenizer.json"), Error, '"<c>" the id 2');
 * ```
 */
export function checkTokenIds(definition: JsonObject, rows: number, path: string): void {
  for (const [token, id] of tokensOf(definition)) {
    if (Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) < rows) continue;
    throw new UserError(
      `${path} gives the token ${JSON.stringify(token)} the id ${
        JSON.stringify(id)
      }; the model has ${rows} rows, for ids from 0 to ${rows - 1}`,
    );
  }
}

function* tokensOf({ model, added_tokens: added }: JsonObject): Generator<[unknown, unknown]> {
  const vocab = isJsonObject(model) ? model.vocab : undefined;
  if (Array.isArray(vocab)) {
    // A Unigram model: pairs of token and score, the id is the place.
    for (const [id, entry] of vocab.entries()) yield [Array.isArray(entry) ? entry[0] : entry, id];
  } else if (isJsonObject(vocab)) yield* Object.entries(vocab);
  if (!Array.isArray(added)) return;
  for (const token of added) if (isJsonObject(token)) yield [token.content, token.id];
}
