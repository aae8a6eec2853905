/** `kvreplay search` as a process: the front, the files, and the plan replayed. */
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { NO_CACHE } from "../no_cache.ts";

const ROOT = new URL("../../", import.meta.url);

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", "-P=replay", `--allow-run=${Deno.execPath()}`],
      ...["cli.ts", ...args],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...NO_CACHE },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

interface Point {
  kind: string;
  budget_bits: number;
  mean_width: number;
  predicted_loss: number;
  quality: number;
  qualities: number[];
  kl: number;
  code_bits: number;
  stored_bits: number;
  chosen: boolean;
}

Deno.test("a search prints its front, and the plan it writes replays at its bits", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    const out = `${folder}/found.ts`;
    const halves = `${folder}/halves.js`;
    await Deno.writeTextFile(
      halves,
      `export default {
        encode: (_layer, _kind, { data }) => new Uint8Array(Float16Array.from(data).buffer),
        decode: (_layer, _kind, bytes) => Float32Array.from(new Float16Array(bytes.buffer)),
      };`,
    );
    const args = [
      "--samples=1",
      "--rounds=0",
      "--max-width=2",
      "--budget-bits=1.6",
      "--device=cpu",
      "--slice=reasoning",
      `--quantizer=${halves}`,
    ];
    const found = await run("search", ...args, `--out=${out}`, `--json=${folder}/found.json`);
    assertEquals(found.code, 0, found.stderr);
    assertStringIncludes(found.stdout, " bits *");
    assertStringIncludes(found.stdout, "on 11 held-out samples searched, ");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "found.json",
      "found.ts",
      "halves.js",
    ]);
    const { front, sensitivity, samples, held_out, verdict, slices, ...others } = JSON.parse(
      await Deno.readTextFile(`${folder}/found.json`),
    );
    assertEquals([samples.length, held_out.length], [1, 11]);
    assert(!held_out.includes(samples[0]), "no plan is judged on what it was found on");
    assertStringIncludes(found.stdout, verdict);
    assertEquals(sensitivity.length, 8 * 2 * 2);
    assert(sensitivity.some(({ loss }: { loss: number[] }) => loss[0]! > loss[1]! && loss[1]! > 0));
    const points = front as Point[];
    for (const point of points) {
      assert(point.mean_width <= point.budget_bits);
      // Keys and values differ by the tokens of a group at most.
      assertAlmostEquals(point.code_bits, point.mean_width, 0.1);
      assert(point.stored_bits > point.code_bits && point.kl >= 0);
    }
    const [quantizer] = others.quantizers;
    assertEquals([quantizer.name, quantizer.claimed, quantizer.stored_bits], ["halves", false, 16]);
    assert(quantizer.quality > 99.9 && quantizer.qualities.length === 11);
    assertStringIncludes(found.stdout, "TEST_METRICS: slice=reasoning policy=halves ");
    assertEquals(others.quantizer_slices.halves.reasoning.avg_bits_per_kv_token, 16);
    const chosen = points.filter((point) => point.chosen);
    assertEquals(chosen.map((p) => p.kind), ["searched"]);
    assert(chosen[0]!.mean_width <= 1.6);
    const narrow = points.find((p) => p.kind === "uniform" && p.budget_bits === 1)!;
    assert(
      chosen[0]!.quality > narrow.quality,
      "bits that are added where they count help",
    );

    const replayed = await run(
      "reasoning",
      `--policy=${out}`,
      "--trust",
      "--device=cpu",
      "--budget-bits=2",
      "--no-cache",
    );
    assertEquals(replayed.code, 0, replayed.stderr);
    assertStringIncludes(replayed.stdout, "slice=reasoning policy=found ");
    // The plan is replayed by the search as its file is afterwards.
    const untimed = (text: string) =>
      / quality_main=.* kv_compression_ratio=/.exec(text)?.[0].replace(
        / (?:decode_tokens_per_s|prefill_latency_ms)=\S+/g,
        "",
      );
    assert(untimed(found.stdout) !== undefined);
    assertEquals(untimed(replayed.stdout), untimed(found.stdout));
    assertAlmostEquals(slices.reasoning.code_bits, chosen[0]!.mean_width, 0.1);
    const codeBits = Number(/ code_bits=([\d.]+)/.exec(replayed.stdout)?.[1]);
    assertAlmostEquals(codeBits, chosen[0]!.mean_width, 0.1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
