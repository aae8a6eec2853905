import { assert, assertEquals } from "@std/assert";
import { splitSamples } from "../../search/samples.ts";

const sample = (id: string, tokens: number) => ({
  id,
  prompt: new Array<number>(tokens - 1).fill(1),
  target: [2],
});
const ALL = ["a-", "b-", "c-"].flatMap((group, g) =>
  [400, 100, 300, 200].map((tokens, i) => sample(`${group}${i}`, tokens + g))
);

Deno.test("no sample is on both sides, and none is lost", () => {
  for (let count = 1; count < ALL.length; count++) {
    const { samples, heldOut } = splitSamples(ALL, count);
    assertEquals(samples.length, count);
    assertEquals(new Set([...samples, ...heldOut]).size, ALL.length);
  }
});

Deno.test("both halves have every group, and the longest are judged on", () => {
  const { samples, heldOut } = splitSamples(ALL, 6);
  const groups = (side: typeof samples) => new Set(side.map(({ id }) => id[0])).size;
  assertEquals([groups(samples), groups(heldOut)], [3, 3]);
  const longest = (side: typeof samples) => Math.max(...side.map(({ prompt }) => prompt.length));
  assert(longest(samples) > 250 && longest(heldOut) > longest(samples));
});
