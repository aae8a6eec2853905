/** What the fuzzing itself finds in a reader that goes wrong. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { fuzz } from "./fuzz.ts";
import { shownFailure } from "./shown_failure.ts";

const options = (how: string) => ({
  seed: 1,
  runs: 60,
  worker: new URL(`broken_worker.ts?${how}`, import.meta.url),
  longestMs: 1000,
});

for (
  const [how, wrong] of Object.entries({
    throws: "undefined is not a function",
    hangs: "It did not end within 1 s",
    stops: "No sentence: A sentence with a full stop.",
  })
) {
  Deno.test(`a reader that ${how} is found`, async () => {
    const found = await fuzz("jsonl", options(how));
    assertStringIncludes(found!.wrong, wrong);
    assertStringIncludes(shownFailure("jsonl", found!), found!.bytes.toBase64());
  });
}

Deno.test("a reader that gives values and sentences is not", async () => {
  assertEquals(await fuzz("jsonl", options("works")), undefined);
});
