import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "../../errors.ts";
import { readManifest } from "../../report/manifest.ts";
import { sampleBoard } from "../leaderboard/sample_board.ts";
import { sampleManifest } from "../leaderboard/sample_manifest.ts";

const manifest = sampleManifest(sampleBoard());
const read = (value: unknown) => readManifest(JSON.stringify(value), "m.json");

Deno.test("a manifest of a leaderboard is read", () => {
  const { command, models, slices, source } = read(manifest);
  assertEquals([command[0], source], ["leaderboard", manifest.source]);
  assertEquals(models.map(({ hash }) => hash), manifest.models.map(({ hash }) => hash));
  assertEquals(slices.length, manifest.slices.length);
});

Deno.test("what is none is told in one sentence", () => {
  const { command: _, ...early } = manifest;
  const wrong: [value: unknown, sentence: string][] = [
    [null, "m.json is no manifest: expected the JSON that a run writes with --out"],
    [early, 'm.json has no "command": it is no manifest, or one of an earlier version'],
    [{ ...manifest, command: [] }, 'm.json is no manifest: its "command" is []'],
    [{ ...manifest, files: [{ path: 1 }] }, 'm.json is no manifest: its "files" is [{"path":1}]'],
    [{ ...manifest, partial: "no" }, 'm.json is no manifest: its "partial" is "no"'],
    [{ ...manifest, models: [{ name: "a", hash: "b" }] }, 'its "models" is [{"name":"a"'],
  ];
  for (const [value, sentence] of wrong) {
    assertStringIncludes(assertThrows(() => read(value), UserError).message, sentence);
  }
  assertThrows(() => readManifest("{", "m.json"), UserError, "m.json is no manifest");
});
