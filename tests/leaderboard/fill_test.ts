import { assertEquals, assertRejects } from "@std/assert";
import type { Cell } from "../../leaderboard/cell.ts";
import { CellStore } from "../../leaderboard/cell_store.ts";
import { fill, type FillInput } from "../../leaderboard/fill.ts";
import { sampleCell } from "./sample_board.ts";

/** A runner that makes sample cells and writes down what it ran. */
class SampleRunner {
  ran: string[] = [];
  opened = 0;
  closed = 0;
  sourceHash: Record<string, string> = {};
  broken: string[] = [];
  /** Policies that do not apply to `mini`, and those that were asked for by name. */
  unfit: string[] = [];
  named: string[] = [];
  stopAfter = Infinity;
  readonly stop = new AbortController();

  input(folder: string, fresh = false): FillInput {
    return {
      models: ["mini", "mini-outlier"],
      slices: ["longbench", "needle"],
      policies: ["reference", "adaptive"],
      named: this.named,
      store: new CellStore(folder),
      fresh,
      signal: this.stop.signal,
      open: (model) => {
        this.opened++;
        return Promise.resolve({
          fingerprint: "a",
          misfit: (policy) =>
            Promise.resolve(
              model === "mini" && this.unfit.includes(policy) ? "it is too wide" : undefined,
            ),
          close: () => {
            this.closed++;
            return Promise.resolve();
          },
          slice: (slice) =>
            Promise.resolve({
              key: (policy) =>
                Promise.resolve({
                  ...this.#cell(model, slice, policy).key,
                  source_hash: this.sourceHash[policy] ?? "0",
                }),
              run: (key) => {
                this.ran.push(`${model} ${slice} ${key.policy}`);
                if (this.ran.length >= this.stopAfter) this.stop.abort(new Error("stopped"));
                return Promise.resolve(
                  this.broken.includes(key.policy)
                    ? { reason: `policy ${key.policy}: broke` }
                    : { ...this.#cell(model, slice, key.policy), key },
                );
              },
            }),
        });
      },
    };
  }

  #cell(model: string, slice: string, policy: string): Cell {
    return sampleCell(model, slice as "longbench" | "needle", policy);
  }
}

async function inFolder(body: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("finished cells are not run again, and give the same board", () =>
  inFolder(async (folder) => {
    const first = new SampleRunner();
    const board = await fill(first.input(folder));
    assertEquals(first.ran.length, 8);
    assertEquals(board.reused, 0);
    const second = new SampleRunner();
    const again = await fill(second.input(folder));
    assertEquals(second.ran, []);
    assertEquals(again, { ...board, reused: 8 });
    const fresh = new SampleRunner();
    await fill(fresh.input(folder, true));
    assertEquals(fresh.ran.length, 8);
  }));

Deno.test("a policy whose source changed is run again, the others are not", () =>
  inFolder(async (folder) => {
    await fill(new SampleRunner().input(folder));
    const changed = new SampleRunner();
    changed.sourceHash = { adaptive: "1" };
    const { reused } = await fill(changed.input(folder));
    assertEquals(changed.ran, [
      "mini longbench adaptive",
      "mini needle adaptive",
      "mini-outlier longbench adaptive",
      "mini-outlier needle adaptive",
    ]);
    assertEquals(reused, 4);
  }));

Deno.test("a run that is stopped goes on where it was", () =>
  inFolder(async (folder) => {
    const stopped = new SampleRunner();
    stopped.stopAfter = 3;
    await assertRejects(() => fill(stopped.input(folder)), Error, "stopped");
    assertEquals([stopped.opened, stopped.closed], [1, 1]);
    const rest = new SampleRunner();
    const { cells, reused } = await fill(rest.input(folder));
    assertEquals([cells.length, reused, rest.ran.length], [8, 3, 5]);
  }));

Deno.test("a policy that fails is told, does not stop the others, and is tried again", () =>
  inFolder(async (folder) => {
    const runner = new SampleRunner();
    runner.broken = ["adaptive"];
    const events: string[] = [];
    const { cells, failures } = await fill({
      ...runner.input(folder),
      progress: (done, total, event) => events.push(`${done}/${total} ${event.kind}`),
    });
    assertEquals(cells.map((c) => c.key.policy), Array(4).fill("reference"));
    assertEquals(failures.length, 4);
    assertEquals(failures[0], {
      model: "mini",
      slice: "longbench",
      policy: "adaptive",
      reason: "policy adaptive: broke",
    });
    assertEquals(events.slice(0, 4), ["0/8 started", "1/8 finished", "1/8 started", "2/8 failed"]);
    const again = new SampleRunner();
    await fill(again.input(folder));
    assertEquals(again.ran.length, 4);
  }));

Deno.test("a policy that does not apply to a model is passed over there, before anything is run", () =>
  inFolder(async (folder) => {
    const runner = new SampleRunner();
    runner.unfit = ["adaptive"];
    const events: string[] = [];
    const { cells, failures, misfits } = await fill({
      ...runner.input(folder),
      progress: (done, total, event) => events.push(`${done}/${total} ${event.kind}`),
    });
    assertEquals(events.slice(0, 2), ["0/6 not applicable", "0/6 started"]);
    assertEquals(events.at(-1), "6/6 finished");
    assertEquals([cells.length, failures], [6, []]);
    assertEquals(misfits, [{ model: "mini", policy: "adaptive", reason: "it is too wide" }]);
  }));

Deno.test("asked for by name it fails there", () =>
  inFolder(async (folder) => {
    const runner = new SampleRunner();
    runner.unfit = runner.named = ["adaptive"];
    const { cells, failures, misfits } = await fill(runner.input(folder));
    assertEquals([cells.length, misfits], [6, []]);
    assertEquals(
      failures,
      ["longbench", "needle"].map((slice) => ({
        ...{ model: "mini", slice, policy: "adaptive" },
        reason: "Policy adaptive: rejected: it is too wide",
      })),
    );
  }));

Deno.test("an engine is closed when a run breaks", () =>
  inFolder(async (folder) => {
    const runner = new SampleRunner();
    const input = runner.input(folder);
    await assertRejects(() =>
      fill({
        ...input,
        open: async (model) => {
          const ready = await input.open(model);
          return { ...ready, slice: () => Promise.reject(new Error("no such slice")) };
        },
      })
    );
    assertEquals([runner.opened, runner.closed], [1, 1]);
  }));
