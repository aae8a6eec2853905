/** Which texts are taken when not all are. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { CalibrationText } from "../../calibration/calibration_set.ts";
import { chooseTexts } from "../../calibration/chosen_texts.ts";

/** A text of so many tokens. */
const text = (kind: string, tokens: number, id = ""): CalibrationText => ({
  id,
  kind,
  target: "x".repeat(tokens),
});
const sampleOf = (text: CalibrationText) => ({
  kind: text.kind,
  id: text.id,
  ids: [...text.target].map(() => 1),
  reply: 1,
});

const lists = fc.array(
  fc.tuple(fc.constantFrom("prose", "code", "table"), fc.integer({ min: 1, max: 30 })),
  { minLength: 1, maxLength: 30 },
).map((all) => all.map(([kind, tokens], i) => text(kind, tokens, String(i))));

Deno.test("a limit is kept, and without need of one all is taken", () => {
  fc.assert(
    fc.property(lists, fc.integer({ min: 30, max: 400 }), (texts, most) => {
      const { samples, tooLong, isCut } = chooseTexts(texts, sampleOf, most, 100);
      const tokens = samples.reduce((sum, { ids }) => sum + ids.length, 0);
      assert(tokens <= most);
      assertEquals(tooLong, 0);
      assertEquals(isCut, samples.length < texts.length);
      const all = texts.reduce((sum, { target }) => sum + target.length, 0);
      if (all <= most) assertEquals(samples.length, texts.length);
    }),
  );
});

Deno.test("where a limit cuts, kinds of equal texts differ by one at most", () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 40 }), (count) => {
      const texts = ["prose", "code", "table"].flatMap((kind) =>
        Array.from({ length: 20 }, () => text(kind, 10))
      );
      const { samples } = chooseTexts(texts, sampleOf, 10 * count, 100);
      const counts = [...Map.groupBy(samples, ({ kind }) => kind).values()].map((own) =>
        own.length
      );
      assertEquals(counts.reduce((a, b) => a + b), count);
      assert(Math.max(...counts) - Math.min(...counts) <= 1);
    }),
  );
});

Deno.test("texts beyond the positions are counted, and of many no more are read than fit", () => {
  const { samples, tooLong } = chooseTexts(
    [text("a", 5), text("a", 101), text("b", 7)],
    sampleOf,
    1000,
    100,
  );
  assertEquals([samples.map(({ ids }) => ids.length), tooLong], [[5, 7], 1]);
  let read = 0;
  const many = Array.from({ length: 10_000 }, () => text("a", 10));
  chooseTexts(many, (text) => (read++, sampleOf(text)), 50, 100);
  assert(read < 10, `${read} texts`);
});

Deno.test("a limit that leaves nothing is an error, a set without a text is not", () => {
  assertThrows(
    () => chooseTexts([text("a", 9), text("b", 7)], sampleOf, 5, 100),
    Error,
    "No calibration text fits into 5 tokens; the shortest that was looked at has 7",
  );
  assertEquals(chooseTexts([text("a", 9)], sampleOf, 50, 8).samples, []);
});
