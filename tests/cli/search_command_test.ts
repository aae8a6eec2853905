/** `kvreplay search` as a process: the front, the files, and the plan replayed. */
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "-P=replay", "cli.ts", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
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
  predicted_kl: number;
  measured_kl: number;
  code_bits: number;
  stored_bits: number;
  chosen: boolean;
}

Deno.test("a search prints its front, and the plan it writes replays at its bits", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    const out = `${folder}/found.ts`;
    const args = [
      "--samples=1",
      "--rounds=0",
      "--max-width=2",
      "--budget-bits=1.6",
      "--device=cpu",
    ];
    const found = await run("search", ...args, `--out=${out}`, `--json=${folder}/found.json`);
    assertEquals(found.code, 0, found.stderr);
    assertStringIncludes(found.stdout, "searched, 1.6 bits *");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "found.json",
      "found.ts",
    ]);
    const { front, sensitivity } = JSON.parse(await Deno.readTextFile(`${folder}/found.json`));
    assertEquals(sensitivity.length, 8 * 2 * 2);
    assert(sensitivity.some(({ kl }: { kl: number[] }) => kl[0]! > kl[1]! && kl[1]! > 0));
    const points = front as Point[];
    for (const point of points) {
      assert(point.mean_width <= point.budget_bits);
      // Keys and values differ by the tokens of a group at most.
      assertAlmostEquals(point.code_bits, point.mean_width, 0.1);
      assert(point.stored_bits > point.code_bits && point.measured_kl >= 0);
    }
    const chosen = points.filter((point) => point.chosen);
    assertEquals(chosen.map((p) => [p.kind, p.budget_bits]), [["searched", 1.6]]);
    const narrow = points.find((p) => p.kind === "uniform" && p.budget_bits === 1)!;
    assert(
      chosen[0]!.measured_kl < narrow.measured_kl,
      "bits that are added where they count help",
    );

    const replayed = await run(
      "needle",
      `--policy=${out}`,
      "--trust",
      "--device=cpu",
      "--limit=1",
      "--budget-bits=2",
      "--no-cache",
    );
    assertEquals(replayed.code, 0, replayed.stderr);
    assertStringIncludes(replayed.stdout, "slice=needle policy=found ");
    const codeBits = Number(/ code_bits=([\d.]+)/.exec(replayed.stdout)?.[1]);
    assertAlmostEquals(codeBits, chosen[0]!.mean_width, 0.1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
