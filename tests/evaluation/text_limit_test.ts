import { assertEquals } from "@std/assert";
import { textRefusal } from "../../evaluation/text_limit.ts";
import { readyToRun } from "../../evaluation/question.ts";

Deno.test("a text may have 16 bytes for each position that its answer leaves", () => {
  const shape = { maxPositions: 100 };
  assertEquals(textRefusal("x".repeat(16 * 91), "a", 10, shape), undefined);
  assertEquals(
    textRefusal("x".repeat(16 * 91 + 1), "a", 10, shape),
    "Example a refused: its text of 1457 bytes is longer than 16 (--text-bytes) for each of the 91 positions that the model has for it",
  );
  assertEquals(typeof textRefusal("é".repeat(8 * 91 + 1), "a", 10, shape), "string");
  assertEquals(
    textRefusal("x", "a", 101, shape),
    "Example a refused: answers of up to 101 tokens (--max-new-tokens) leave none of the model's 100 positions for a question",
  );
  assertEquals(textRefusal("x".repeat(64 * 91), "a", 10, shape, 64), undefined);
  assertEquals(typeof textRefusal("x".repeat(2 * 91), "a", 10, shape, 1), "string");
});

Deno.test("a text that is refused is neither rendered nor tokenized", () => {
  const model = {
    shape: { maxPositions: 4 },
    renderChat: () => {
      throw new Error("rendered");
    },
  } as unknown as Parameters<typeof readyToRun>[0];
  const { prompt, refusal } = readyToRun(model, { prompt: "x".repeat(100) }, 0, {
    maxNewTokens: 1,
  });
  assertEquals([prompt, typeof refusal], [[], "string"]);
});
