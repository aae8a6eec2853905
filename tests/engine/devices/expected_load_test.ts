/** What is said before a model is loaded, and which are refused. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "../../../errors.ts";
import { checkFits, loadBytes, loadSentence } from "../../../engine/devices/expected_load.ts";
import { freeMemory, limitLeft } from "../../../engine/devices/free_memory.ts";
import { announceLoad } from "../../../engine/devices/open.ts";

const large = { parameters: 8.03e9, tied: 525e6, formats: ["Q4_K", "Q6_K", "F32"] };
const small = { parameters: 99e6, tied: 0, formats: ["F32"] };

Deno.test("a large model is announced, a small one is not", () => {
  assertEquals(
    loadSentence("llama", large, "wasm"),
    "llama: 8,030 million parameters in Q4_K and Q6_K, F32; loading takes about 75 GiB of memory and 225 s",
  );
  assertEquals(loadSentence("mini", small, "wasm"), undefined);
});

Deno.test("a model that does not fit is refused with what would, and that does", () => {
  const free = 12 * 2 ** 30;
  const { message } = assertThrows(
    () => checkFits("llama", large, "cpu, mapped", free),
    UserError,
  );
  assertStringIncludes(message, "llama has 8,030 million parameters");
  assertStringIncludes(message, "of which 12 GiB are free");
  const fits = Number(/up to ([\d,]+) million/.exec(message)![1]!.replace(",", "")) * 1e6;
  const share = fits / large.parameters;
  const less = { ...large, parameters: fits, tied: large.tied * share };
  assert(fits > 2e9 && loadBytes(less, "cpu, mapped") <= free);
  checkFits("less", less, "cpu, mapped", free);
  checkFits("llama", large, "cpu, mapped", undefined);
  checkFits("mini", small, "cpu", 0);
});

Deno.test("the nearer limit of a container counts, without its copies of files", () => {
  const parts = "anon 40\nfile 30\ninactive_file 20\nactive_file 10\n";
  assertEquals(limitLeft("100", "70", parts), 60);
  assertEquals(limitLeft("max", "70", parts), Infinity);
});

Deno.test({
  name: "who may not ask for the free memory loads all the same",
  permissions: { read: true },
  fn: async () => {
    assertEquals(await freeMemory(), undefined);
    const notices: string[] = [];
    const endless = { parameters: 1e15, tied: 0, formats: ["F32"] };
    await announceLoad("endless", endless, "cpu", (sentence) => notices.push(sentence));
    assertEquals(notices.length, 1);
  },
});
