/** How costs are told to grow. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { growthTable } from "../../../bench/growth/growth.ts";
import { growthChart } from "../../../bench/growth/growth_chart.ts";
import { parseGrowthOptions } from "../../../bench/growth/growth_options.ts";
import { logSlope } from "../../../bench/growth/log_slope.ts";
import type { Growth } from "../../../bench/growth/measure_growth.ts";
import { writeRandomModel } from "../../../bench/growth/random_model.ts";
import { UsageError } from "../../../cli/usage_error.ts";
import { loadModel } from "../../../engine/checkpoint/model.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

/** Costs that grow with the square, in proportion, and not at all. */
const GROWTHS: readonly Growth[] = [{
  varied: "layers",
  name: "layers",
  costs: ["replay", "prefill", "memory"],
  points: [4, 8, 16, 32].map((at) => ({
    at,
    cost: { replay: at / 100, prefill: at ** 2 / 10, memory: 2 ** 28 },
  })),
}];

Deno.test("the slope of a power is the power", () => {
  fc.assert(fc.property(
    fc.double({ min: -3, max: 3, noNaN: true }),
    fc.double({ min: 0.01, max: 100, noNaN: true }),
    fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), { minLength: 2, maxLength: 9 }),
    (power, factor, at) => {
      assertAlmostEquals(logSlope(at.map((x) => [x, factor * x ** power])), power, 1e-6);
    },
  ));
});

Deno.test("a table has a slope for every cost, and the figure a line", () => {
  assertEquals(
    growthTable(GROWTHS).split("\n").slice(2),
    [
      "| layers, 4 to 32 | replay | 40 ms to 320 ms | 1.00 | 1.00 |",
      "| layers, 4 to 32 | prefill | 1.6 s to 100 s | 2.00 | 2.00 |",
      "| layers, 4 to 32 | memory | 256 MiB to 256 MiB | 0.00 | 0.00 |",
    ],
  );
  const figure = growthChart([...GROWTHS, ...GROWTHS]);
  assertEquals(figure.match(/<title>slope (1|2|0).00<\/title>/g)?.length, 6);
  assert(!/NaN|Infinity|undefined/.test(figure));
});

Deno.test("the figure's file is an SVG", () => {
  assertEquals(parseGrowthOptions(["--growth=a.svg"]), "a.svg");
  for (const args of [["--growth"], ["--growth", "a.png"], ["--growth", "a.svg", "--more"]]) {
    assertThrows(() => parseGrowthOptions(args), UsageError);
  }
});

Deno.test("a random model has the layers that were asked for", () =>
  inTemporaryFolder(async (folder) => {
    await writeRandomModel(folder, 3);
    assertEquals((await loadModel(folder)).shape.layers, 3);
  }));
