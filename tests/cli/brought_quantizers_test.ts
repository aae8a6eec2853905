import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { broughtQuantizers } from "../../cli/brought_quantizers.ts";

const CODEC = `export default {
  encode: (_layer, _kind, { data }) => new Uint8Array(data.slice().buffer),
  decode: (_layer, _kind, bytes) => new Float32Array(bytes.buffer),
};`;

Deno.test("a file that is edited while it is judged is judged as its hash says", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  const path = `${folder}/mine.js`;
  const given = { quantizers: [path], trust: false, limits: {} };
  const brought = () => broughtQuantizers(given, () => {})[0]!;
  await Deno.writeTextFile(path, CODEC);
  const mine = brought();
  const hash = await mine.hash();
  await Deno.writeTextFile(path, "export default {};");
  await using host = await mine.open();
  assertEquals([host.name, host.remarks, await mine.hash()], ["mine", [], hash]);
  assertNotEquals(await brought().hash(), hash);

  // What lies in the file itself is in no number.
  await Deno.writeTextFile(path, `${CODEC}\n// ${"x".repeat(2 ** 16)}`);
  await using large = await brought().open();
  assertMatch(
    large.remarks.join(),
    /^its file, with the WebAssembly beside it, has 0\.06 MiB, which/,
  );
  await Deno.remove(folder, { recursive: true });
});
