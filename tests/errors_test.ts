/** What every message is held to. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { UserError } from "../errors.ts";

Deno.test("a sentence that quotes far too much keeps both of its ends", () => {
  for (const name of ["x".repeat(1e6), "\u{1f600}".repeat(1e5)]) {
    const { message } = new UserError(`The tensor "${name}" is unknown; expected "norm.weight"`);
    assertEquals([message.length < 2000, message.isWellFormed()], [true, true]);
    assertStringIncludes(message, 'The tensor "');
    assertStringIncludes(message, " [...] ");
    assertStringIncludes(message, '" is unknown; expected "norm.weight"');
  }
  const cause = new Error("why");
  const whole = new UserError("A width is 2 or 4, not 3", { cause });
  assertEquals([whole.message, whole.cause], ["A width is 2 or 4, not 3", cause]);
});
