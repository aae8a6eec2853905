/** A bounded number of inputs, the same every time; `deno task fuzz` tries others, for as long as asked. */
import { assertEquals } from "@std/assert";
import { fuzz } from "./fuzz.ts";
import { readerNames } from "./readers.ts";
import { shownFailure } from "./shown_failure.ts";

for (const name of readerNames) {
  Deno.test(`any bytes and any change of a valid ${name} give a value or one sentence`, async () => {
    const found = await fuzz(name, { seed: 20261128, runs: 100 });
    assertEquals(found && shownFailure(name, found), undefined);
  });
}
