import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { policyNames } from "../../policies/registry.ts";
import { families } from "../../quant/registry.ts";
import { MEASURED_TOKENS, registryRows } from "../../evaluation/registry_rows.ts";
import { registryTable } from "../../report/registry_table.ts";

const rows = await registryRows();
const row = (name: string, width: number) =>
  rows.find((r) => r.name === name && r.widths.includes(width))!;

Deno.test("every family and every built-in policy has a row", () => {
  const named = (what: string) => [
    ...new Set(rows.filter((r) => r.what === what).map((r) => r.name)),
  ];
  assertEquals(named("family"), Object.keys(families));
  assertEquals(named("policy"), [...policyNames]);
  assertEquals(rows.filter((r) => r.refused !== undefined), []);
});

Deno.test("bits are those of the buffers: codes, scales and zero points", () => {
  // Two f16 parameters for each group of 64 and 32 entries.
  assertAlmostEquals(row("uniform", 2).bits!, 2 + 32 / 64);
  assertAlmostEquals(row("kivi", 4).bits!, 4 + 32 / 32);
  // Values keep 128 of 512 tokens exact, keys none that fill a group.
  assertAlmostEquals(row("kivi_overlap_2bit", 2).cacheBits!, (3 + (3 * 384 + 16 * 128) / 512) / 2);
  assertEquals([row("reference", 16).bits, row("reference", 16).cacheBits], [undefined, 16]);
  for (const { what, name, widths, bits, entropyCoded } of rows) {
    // Codes that are entropy coded get shorter when they are stored; `fp8` has one scale for a head.
    if (what !== "family" || entropyCoded || name === "fp8") continue;
    assert(bits! > widths[0]!, `${name} stores parameters too`);
  }
  const coded = rows.filter(({ what, entropyCoded }) => what === "family" && entropyCoded);
  assertEquals([...new Set(coded.map(({ name }) => name))], ["transform", "kvtc"]);
  const { bits } = row("transform", 4);
  assert(bits! > 2 && bits! < 4, `${bits}`);
});

Deno.test("rows tell axis, window, sinks, calibration and hooks", () => {
  const { axis, window, sinks, calibration, hooks } = row("skvq_overlap_2bit", 2);
  assertEquals([axis.key, axis.value], [["token"], ["token"]]);
  assertEquals([window, sinks, calibration], [128, 5, "none"]);
  assert(hooks.includes("clip_ratio"));
  assertEquals(row("kvquant_nuq2_1pct", 2).calibration, "offline");
  assertEquals(row("uniform", 4).axis.key, ["token"]);
});

Deno.test("the table has one line per row, aligned or separated by tabs", () => {
  const piped = registryTable(rows, { tokens: MEASURED_TOKENS, aligned: false }).split("\n");
  assertEquals(piped.length, rows.length + 1);
  assertEquals(new Set(piped.map((line) => line.split("\t").length)).size, 1);
  const aligned = registryTable(rows, { tokens: MEASURED_TOKENS, aligned: true }).split("\n");
  const at = aligned[0]!.indexOf("kind");
  assert(aligned.slice(1).every((line) => /^ (family|policy) /.test(line.slice(at - 1))));
});
