import { assertEquals } from "@std/assert";
import type { Import } from "../../../tools/gates/module_graph.ts";
import { type Rooms, upwardRows, wrongArrows } from "../../../tools/gates/rooms.ts";

const arrow = (from: string, to: string, typesOnly = false): Import => ({ from, to, typesOnly });

const table: Rooms = {
  quant: {},
  replay: { imports: ["quant"] },
  report: { imports: ["quant"], types: ["replay"] },
  "mod.ts": { imports: ["replay"] },
};

Deno.test("arrows that the table allows are let through", () => {
  const allowed = [
    arrow("replay/loop.ts", "quant/families/kivi.ts"),
    arrow("replay/loop.ts", "replay/metric.ts"),
    arrow("report/table.ts", "replay/metric.ts", true),
    arrow("quant/family.ts", "errors.ts"),
    arrow("mod.ts", "replay/loop.ts"),
    arrow("tests/a_test.ts", "mod.ts"),
    arrow("tools/a.ts", "bench/b.ts"),
  ];
  assertEquals(wrongArrows(allowed, table), []);
});

Deno.test("every other arrow is told in one sentence", () => {
  const wrong: [Import, string][] = [
    [
      arrow("quant/family.ts", "replay/loop.ts", true),
      "quant/family.ts imports replay/loop.ts, but quant may import nobody",
    ],
    [
      arrow("report/table.ts", "replay/metric.ts"),
      "report/table.ts imports replay/metric.ts, but report may import quant, and types of replay",
    ],
    [
      arrow("replay/loop.ts", "mod.ts"),
      "replay/loop.ts imports mod.ts, but replay may import quant",
    ],
    [
      arrow("replay/loop.ts", "tests/kv_data.ts"),
      "replay/loop.ts imports tests/kv_data.ts, but replay may import quant",
    ],
    [
      arrow("utils/all.ts", "quant/family.ts"),
      "utils/all.ts is in no room of tools/gates/rooms.ts, and imports quant/family.ts",
    ],
  ];
  for (const [given, sentence] of wrong) assertEquals(wrongArrows([given], table), [sentence]);
});

Deno.test("rows name rooms above them only", () => {
  assertEquals(upwardRows(table), []);
  assertEquals(upwardRows(), []);
  assertEquals(upwardRows({ replay: { types: ["report"] }, report: { imports: ["report"] } }), [
    "The row of replay names report, which is not above it",
    "The row of report names report, which is not above it",
  ]);
});
