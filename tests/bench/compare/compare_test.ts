/** Comparing the speed of a working tree with a revision, on trees that say how fast they are. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { compareRevisions } from "../../../bench/compare/compare.ts";
import {
  type CompareOptions,
  parseCompareOptions,
} from "../../../bench/compare/compare_options.ts";
import { linesOf } from "../../../sweep/text_lines.ts";
import { isRegression, ratioInterval } from "../../../bench/compare/ratio_interval.ts";
import { UsageError } from "../../../cli/usage_error.ts";
import { UserError } from "../../../errors.ts";
import { randomSource } from "../../../quant/numerics/random.ts";

/** The package of a tree whose policies have these speeds, as `sitting.ts` uses it. */
function packageWith(speeds: Readonly<Record<string, number>>): string {
  return `const speeds = ${JSON.stringify(speeds)};
export const open = () => ({
  replay(_slice, policy) {
    if (!(policy in speeds)) throw new Error("no such policy");
    return { numbers: { decode_tokens_per_s: speeds[policy] * (1 + Math.random() / 100) } };
  },
  async [Symbol.asyncDispose]() {},
});
`;
}

async function git(folder: string, ...args: readonly string[]): Promise<void> {
  const { success } = await new Deno.Command("git", {
    args: ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@b.c", ...args],
    stdout: "null",
  }).output();
  assert(success, args.join(" "));
}

const OPTIONS: CompareOptions = {
  revision: "HEAD",
  policies: ["same", "better", "worse", "new"],
  slice: "longbench",
  limit: 1,
  sittings: 8,
};

Deno.test("what became slower is told, with what became faster, and what is new is left out", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/deno.json`, "{}");
    await Deno.writeTextFile(`${folder}/mod.ts`, packageWith({ same: 50, better: 50, worse: 50 }));
    await git(folder, "init", "-q");
    await git(folder, "add", "-A");
    await git(folder, "commit", "-q", "-m", "First");
    const now = packageWith({ same: 50, better: 70, worse: 40, new: 10 });
    await Deno.writeTextFile(`${folder}/mod.ts`, now);
    const { slower, table } = await compareRevisions(folder, OPTIONS);
    assertEquals(slower, ["worse"]);
    const rows = table.split("\n").filter((line) => /^\| (same|better|worse|new) /.test(line))
      .map((line) => line.split("|").map((cell) => cell.trim()));
    assertEquals(rows.map((cells) => [cells[1], cells.at(-2)]), [
      ["same", ""],
      ["better", "faster"],
      ["worse", "slower"],
    ]);
    await assertRejects(
      () => compareRevisions(folder, { ...OPTIONS, policies: ["new"] }),
      UserError,
      "There is nothing to compare: Policy new fails in revision HEAD: no such policy",
    );
    await assertRejects(
      () => compareRevisions(folder, { ...OPTIONS, revision: "nowhere" }),
      UserError,
      'There is no revision "nowhere" in the repository',
    );
    await Deno.writeTextFile(`${folder}/mod.ts`, "export const open = () => Deno.exit(1);");
    await assertRejects(
      () => compareRevisions(folder, OPTIONS),
      UserError,
      "The process that measures the working tree ended early",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("intervals hold the true median as often as they say", () => {
  const random = randomSource(3);
  for (const count of [8, 12, 21]) {
    let held = 0;
    for (let run = 0; run < 2000; run++) {
      // Skewed, as times are; half of them are below 1.
      const ratios = Array.from({ length: count }, () => 0.5 + random.below(1e6) / 1e6);
      const { low, median, high } = ratioInterval(ratios.map((x) => x ** 3));
      assert(low <= median && median <= high);
      if (low <= 1 && high >= 1) held++;
    }
    assert(held >= 0.985 * 2000, `${held} of 2000 with ${count} ratios`);
  }
});

Deno.test("a regression is one that is large enough and sure enough", () => {
  assertEquals(isRegression({ median: 0.9, low: 0.8, high: 0.95 }), true);
  assertEquals(isRegression({ median: 0.9, low: 0.8, high: 1.01 }), false);
  assertEquals(isRegression({ median: 0.98, low: 0.97, high: 0.99 }), false);
  assertEquals(isRegression({ median: 1.1, low: 1.05, high: 1.2 }), false);
});

Deno.test("lines come whole, whatever pieces they arrive in", async () => {
  const pieces = [[97], [98, 10, 99, 10, 10, 0xc3], [0xbc, 10, 108], [97, 115, 116]]
    .map((bytes) => Uint8Array.from(bytes));
  const lines: string[] = [];
  for await (const line of linesOf(ReadableStream.from(pieces))) lines.push(line);
  assertEquals(lines, ["ab", "c", "", "ü", "last"]);
});

Deno.test("options of a comparison are checked", () => {
  const all = parseCompareOptions(["--compare=v1"]);
  assertEquals([all.revision, all.slice, all.limit, all.sittings], ["v1", "longbench", 4, 12]);
  for (
    const [args, message] of [
      [["--compare"], "--compare"],
      [["--compare", "--all"], "--compare"],
      [["--compare", "HEAD", "--sittings", "7"], "--sittings"],
      [["--compare", "HEAD", "--limit", "0"], "--limit"],
      [["--compare", "HEAD", "--slice", "every"], "slice"],
      [["--compare", "HEAD", "--fast"], "--fast"],
    ] as const
  ) {
    assertThrows(() => parseCompareOptions(args), UsageError, message);
  }
});
