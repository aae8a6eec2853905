import { assertEquals, assertMatch } from "@std/assert";
import { type CellSource, runCrew } from "../../sweep/crew.ts";
import { cellsOf, cellText, parseSweep, type SweepCell } from "../../sweep/definition.ts";
import type { WorkerAnswer, WorkerSetup } from "../../sweep/worker.ts";

const sweep = parseSweep("policies: [kivi_overlap_2bit, adaptive]", "a.yaml");
const cells = cellsOf(sweep);
const SETUP: WorkerSetup = { sweep, out: "none", fresh: false, threads: 1, commit: "unknown" };

/** Cells in memory, each tried until its worker lives. */
class CellList implements CellSource {
  readonly answers: WorkerAnswer[] = [];
  readonly crashes: string[] = [];
  readonly #left = [...cells];

  take(): Promise<SweepCell | undefined> {
    return Promise.resolve(this.#left.shift());
  }

  finish(answer: WorkerAnswer): Promise<void> {
    this.answers.push(answer);
    return Promise.resolve();
  }

  crash(_: SweepCell, reason: string): Promise<void> {
    this.crashes.push(reason);
    return Promise.resolve();
  }
}

/** A worker that answers at once, and ends at cells of one policy. */
const PROGRAM = `
  const decoder = new TextDecoderStream();
  Deno.stdin.readable.pipeTo(decoder.writable);
  let rest = "", setup;
  for await (const text of decoder.readable) {
    const lines = (rest + text).split("\\n");
    rest = lines.pop();
    for (const line of lines) {
      if (setup === undefined) { setup = JSON.parse(line); continue; }
      const cell = JSON.parse(line);
      if (cell.policy === "adaptive" && cell.model === "mini") {
        console.error("No memory is left");
        Deno.exit(9);
      }
      console.log(JSON.stringify({ cell, kind: "failed", reason: "It is made up" }));
    }
  }`;

function launch(): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-config",
      `data:application/javascript,${encodeURIComponent(PROGRAM)}`,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

Deno.test("a worker that ends is replaced, and its cell is told with what it said last", async () => {
  const told: string[] = [];
  const list = new CellList();
  await runCrew(list, { workers: 2, setup: SETUP, launch, notice: (line) => told.push(line) });
  const crashed = (cell: SweepCell) => cell.policy === "adaptive" && cell.model === "mini";
  assertEquals(
    list.answers.map(({ cell }) => cellText(cell)).sort(),
    cells.filter((cell) => !crashed(cell)).map(cellText).sort(),
  );
  assertEquals(list.crashes.length, 3);
  for (const reason of list.crashes) {
    assertMatch(
      reason,
      /^The worker ended with code 9 while it ran mini \w+ adaptive seed 0: No memory is left$/,
    );
  }
  assertEquals(told, Array(3).fill("No memory is left"));
});
