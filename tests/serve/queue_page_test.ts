/** A team's queue on the live page: what is running, what came, and that nothing can be written. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../errors.ts";
import { cellFileName } from "../../leaderboard/cell.ts";
import { CellStore } from "../../leaderboard/cell_store.ts";
import { liveParts } from "../../serve/page.ts";
import { QueueBoards } from "../../serve/queue_boards.ts";
import { filterOf } from "../../serve/filter.ts";
import { cellsOf, cellText, parseSweep, type SweepCell } from "../../sweep/definition.ts";
import { CellQueue } from "../../sweep/queue/cell_queue.ts";
import { QueueDatabase } from "../../sweep/queue/database.ts";
import { QueueView } from "../../sweep/queue/queue_view.ts";
import { sampleCell } from "../leaderboard/sample_board.ts";
import { postgres, PostgresServer } from "../sweep/queue/postgres.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";

const sweep = parseSweep(
  "models: mini\nbenchmarks: needle\npolicies: [kivi_overlap_2bit, uniform_quant_4bit]\nseeds: [1]",
  "a.yaml",
);

async function finish(queue: CellQueue, cell: SweepCell, out: string): Promise<void> {
  const made = sampleCell(cell.model, cell.benchmark, cell.policy);
  const whole = { ...made, key: { ...made.key, seed: cell.seed } };
  await new CellStore(`${out}/cells`).save(whole);
  await queue.finish({
    cell,
    kind: "finished",
    file: await cellFileName(whole.key),
    reused: false,
  });
}

Deno.test({
  name: "a queue is shown as it is, told by LISTEN, and cannot be written through the page",
  ignore: postgres === undefined,
  fn: () =>
    inTemporaryFolder(async (out) => {
      await using server = await PostgresServer.start();
      await assertRejects(
        () => QueueView.open(server.url),
        UserError,
        'expected a database that "sweep run --queue" has used',
      );
      await using database = await QueueDatabase.open({ url: server.url }, () => {});
      await using queue = await CellQueue.open(database, {
        ...{ sweep, cells: cellsOf(sweep), out, heartbeat: 10, worker: "here:7" },
        program: { version: "0.1.0", commit: "0123456", sources: { reference: "a" } },
      });
      await queue.fill();
      await using view = await QueueView.open(server.url);
      const boards = new QueueBoards(view);
      const { name, isLive } = (await boards.names())[0]!;
      assertEquals(isLive, false);
      const page = async () =>
        liveParts({
          boards: await boards.names(),
          board: await boards.board(name),
          filter: filterOf(new URLSearchParams()),
          now: Date.now(),
        });
      /** Asks until the page says something: what is told by LISTEN comes at once, but not before. */
      const shows = async (text: string, is = true) => {
        const until = Date.now() + 5000;
        while ((await page()).includes(text) !== is) {
          assert(Date.now() < until, `the page says ${text}: ${!is}`);
          await new Promise((done) => setTimeout(done, 50));
        }
      };
      assertStringIncludes(await page(), "queue: 0 of 3 cells");

      const first = await queue.take(0);
      await shows(cellText(first!));
      assertStringIncludes(await page(), "here:7");
      assertEquals((await boards.names())[0]!.isLive, true);
      await finish(queue, first!, out);
      await shows("Cells: 1 of 1");
      assertStringIncludes(await page(), "queue: 1 of 3 cells");

      const second = await queue.take(0);
      await queue.finish({ cell: second!, kind: "failed", reason: "It is <b>broken</b>" });
      await shows("It is &lt;b&gt;broken&lt;/b&gt;");
      const third = await queue.take(0);
      for (let tried = 1; tried <= 3; tried++) {
        await queue.crash(third!, "Killed");
        if (tried < 3) assertEquals(await queue.take(0), third);
      }
      await shows("Killed (3 tries)");
      // What failed is tried anew, and is no longer shown.
      await queue.retry(false);
      await shows("Killed", false);

      assertEquals(await boards.board("queue none"), undefined);
      assertEquals(await boards.board("none"), undefined);
      const reading = await QueueDatabase.openToRead(server.url);
      try {
        await assertRejects(
          () => reading.query("DELETE FROM kvreplay.results"),
          Error,
          "read-only transaction",
        );
      } finally {
        await reading[Symbol.asyncDispose]();
      }
    }),
});

Deno.test("a database that is not there is told without the password", async () => {
  const url = "postgres://me:secret@127.0.0.1:1/kvreplay";
  const error = await assertRejects(() => QueueView.open(url), UserError);
  assertStringIncludes(error.message, "Cannot look at the queue postgres://127.0.0.1:1/kvreplay: ");
  assert(!error.message.includes("secret"));
});
