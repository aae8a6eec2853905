/** The arguments of `kvreplay niah`. */
import { assertEquals, assertThrows } from "@std/assert";
import { parseNiahOptions } from "../../cli/niah_options.ts";
import { UsageError } from "../../cli/usage_error.ts";

const parse = (...args: string[]) => parseNiahOptions(["--haystack", "a.txt", ...args])!;

Deno.test("lengths and depths are numbers, ranges and lists, in order and each once", () => {
  assertEquals(parse("--lengths", "4k,1000,1K").lengths, [1000, 1024, 4096]);
  assertEquals(parse("--depths", "0:100:50,25,25").depths, [0, 0.25, 0.5, 1]);
  assertEquals(parse("--depths", "10:30:10").depths, [0.1, 0.2, 0.3]);
  assertEquals(parse().depths.length, 11);
  assertEquals(parse("--kind", "all").kinds.length, 5);
});

Deno.test("records need no haystack, and every other kind says that it does", () => {
  assertEquals(parseNiahOptions(["--kind", "uuid"])?.haystack, undefined);
  assertThrows(
    () => parseNiahOptions([]),
    UsageError,
    "Needles of kind single are hidden in a text",
  );
});

for (
  const [args, message] of [
    [["--lengths", "4m"], '--lengths has "4m"; expected tokens from 1'],
    [["--lengths", "0"], '--lengths has "0"'],
    [["--depths", "0:100"], '--depths has "0:100"; expected per cent'],
    [["--depths", "0:110:10"], '--depths has "0:110:10"'],
    [["--depths", "0:100:0"], '--depths has "0:100:0"'],
    [["--depths", "0:100:0.01"], '--depths has "0:100:0.01"'],
    [["--depths", "-5"], "--depths"],
    [["--kind", "hay"], 'Unknown kind of needles "hay"; expected single, multikey'],
    [["--limit", "2"], "Unknown option --limit"],
    [["--samples", "0"], "--samples must be an integer"],
  ] as const
) {
  Deno.test(`niah ${args.join(" ")} is refused`, () => {
    assertThrows(() => parse(...args), UsageError, message);
  });
}
