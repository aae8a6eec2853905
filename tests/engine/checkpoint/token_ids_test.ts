import { assertThrows } from "@std/assert";
import { checkTokenIds } from "../../../engine/checkpoint/token_ids.ts";
import { UserError } from "../../../errors.ts";

Deno.test("every id of a vocabulary, of any kind, and of the added tokens has a row", () => {
  const bpe = { model: { vocab: { a: 0, b: 7 } } };
  const unigram = { model: { vocab: [["<unk>", 0], ["a", -1.5], ["b", -2]] } };
  checkTokenIds(bpe, 8, "t.json");
  checkTokenIds(unigram, 3, "t.json");
  checkTokenIds({}, 1, "t.json");
  const wrong: [Record<string, unknown>, number, string][] = [
    [bpe, 7, 't.json gives the token "b" the id 7; the model has 7 rows, for ids from 0 to 6'],
    [unigram, 2, 't.json gives the token "b" the id 2; the model has 2 rows'],
    [{ added_tokens: [{ content: "<c>", id: 9 }] }, 9, 'the token "<c>" the id 9'],
    [{ added_tokens: [{ content: "<c>", id: -1 }] }, 9, 'the token "<c>" the id -1'],
    [{ added_tokens: [{ content: "<c>" }] }, 9, 'the token "<c>" the id undefined'],
  ];
  for (const [definition, rows, sentence] of wrong) {
    assertThrows(() => checkTokenIds(definition, rows, "t.json"), UserError, sentence);
  }
});
