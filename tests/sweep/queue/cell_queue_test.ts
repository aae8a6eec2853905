/** The queue on both databases: what is taken, counted, parked and told apart. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { cellFileName } from "../../../leaderboard/cell.ts";
import { CellStore } from "../../../leaderboard/cell_store.ts";
import { cellsOf, cellText, parseSweep, type SweepCell } from "../../../sweep/definition.ts";
import { CellQueue, queueKey } from "../../../sweep/queue/cell_queue.ts";
import { QueueDatabase, type QueuePlace } from "../../../sweep/queue/database.ts";
import { TRIES } from "../../../sweep/queue/tries.ts";
import type { SweepProgram } from "../../../sweep/record.ts";
import { sampleCell } from "../../leaderboard/sample_board.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";
import { postgres, PostgresServer } from "./postgres.ts";

const sweep = parseSweep(
  "models: mini\nbenchmarks: [needle, reasoning]\npolicies: kivi_overlap_2bit\nseeds: [1]",
  "a.yaml",
);
const cells = cellsOf(sweep);
const PROGRAM: SweepProgram = { version: "0.1.0", commit: "0123456", sources: { reference: "a" } };

function none(): never {
  throw new Error("nothing is to be told");
}

async function open(database: QueueDatabase, out: string, program = PROGRAM) {
  const done: string[] = [];
  const queue = await CellQueue.open(database, {
    ...{ sweep, cells, program, out, heartbeat: 10, worker: "here:1" },
    done: ({ cell }) => done.push(cellText(cell)),
  });
  return { queue, done };
}

/** Runs a cell as a worker would, into the folder of cells. */
async function run({ model, benchmark, policy, seed }: SweepCell, out: string) {
  const made = sampleCell(model, benchmark, policy);
  const cell = { ...made, key: { ...made.key, seed } };
  await new CellStore(`${out}/cells`).save(cell);
  return {
    ...{ cell: { model, benchmark, policy, seed }, kind: "finished" } as const,
    ...{ file: await cellFileName(cell.key), reused: false },
  };
}

async function behaves(place: QueuePlace, out: string): Promise<void> {
  await using database = await QueueDatabase.open(place, none);
  {
    const { queue, done } = await open(database, out);
    await using _ = queue;
    await queue.fill();
    // Full precision first, and each worker with a benchmark of its own.
    const [first, second] = await Promise.all([queue.take(0), queue.take(1)]);
    assertEquals([first!.policy, second!.policy], ["reference", "reference"]);
    assert(first!.benchmark !== second!.benchmark);
    await queue.fill();
    const counts = async () => {
      const { results, waiting, running, parked } = await queue.status();
      return [results.length, waiting.length, running.length, parked.length];
    };
    assertEquals(await counts(), [0, 2, 2, 0]);

    await queue.finish(await run(first!, out));
    await queue.finish({ cell: second!, kind: "failed", reason: "It broke" });
    assertEquals(done, [first!, second!].map(cellText));
    assertEquals(await counts(), [2, 2, 0, 0]);

    const watched: number[] = [];
    const watching = queue.watch(({ results }) => watched.push(results.length));

    // A cell whose worker ends is tried three times, and then parked with its reason.
    const poisoned = await queue.take(0);
    await queue.crash(poisoned!, "It ended, 1");
    const other = await queue.take(1);
    await queue.finish({ cell: other!, kind: "not applicable", reason: "Too wide" });
    for (let tried = 2; tried <= TRIES; tried++) {
      const again = await queue.take(0);
      assertEquals(again, poisoned);
      await queue.crash(again!, `It ended, ${tried}`);
    }
    assertEquals(await queue.take(0), undefined);
    assertEquals(await counts(), [3, 0, 0, 1]);
    const { parked: [parked] } = await queue.status();
    assertEquals(parked, { cell: poisoned!, reason: "It ended, 3 (3 tries)" });
    // Who was the last to try it is told.
    assertEquals(done, [first!, second!, other!, poisoned!].map(cellText));

    await watching;
    assertEquals([watched[0], watched.at(-1)], [2, 3]);

    // What failed and what was parked, and nothing else.
    assertEquals(await queue.retry(false), 2);
    assertEquals(await counts(), [2, 2, 0, 0]);
  }

  // Another process finds what is there, in the database alone.
  const { queue } = await open(database, `${out}/other`);
  await using _ = queue;
  const brought = await queue.bring();
  assertEquals(brought.map(({ kind }) => kind).sort(), ["finished", "not applicable"]);
  const [finished] = brought.filter(({ kind }) => kind === "finished");
  assert(finished?.kind === "finished");
  const there = await new CellStore(`${out}/other/cells`).named(finished.file);
  assertEquals(there, await new CellStore(`${out}/cells`).named(finished.file));

  // Who is alone has what a dead process ran tried anew, too.
  const left = await queue.take(0);
  assertEquals((await queue.status()).running, [left!]);
  assertEquals(await queue.retry(true), 1);
  assertEquals((await queue.status()).waiting.length, 2);

  // A worker that was taken for dead and is not: the cell counts once.
  const late = await queue.take(0);
  const answer = await run(late!, `${out}/other`);
  await queue.finish(answer);
  await database.query(
    "UPDATE kvreplay_queue.job SET state = 'retry', retry_count = 1 WHERE data->>'policy' = $1 " +
      "AND data->>'benchmark' = $2",
    [late!.policy, late!.benchmark],
  );
  const next = await queue.take(0);
  assert(cellText(next!) !== cellText(late!));
  await queue.finish(await run(next!, `${out}/other`));
  assertEquals(await queue.take(0), undefined);
  const { results, waiting, running } = await queue.status();
  assertEquals([results.length, waiting.length, running.length], [4, 0, 0]);

  // Two versions of the program share nothing.
  const newer = { ...PROGRAM, sources: { reference: "b" } };
  assert(await queueKey(sweep, newer) !== await queueKey(sweep, PROGRAM));
  const { queue: apart } = await open(database, out, newer);
  await using __ = apart;
  assertEquals((await apart.status()).results, []);
  await apart.fill();
  assertEquals((await apart.status()).waiting.length, 4);
}

Deno.test("a queue in a folder is one process's, and keeps what it is told", () =>
  inTemporaryFolder(async (out) => {
    await behaves({ folder: `${out}/queue` }, out);
  }));

Deno.test({
  name: "a queue on PostgreSQL behaves the same",
  ignore: postgres === undefined,
  fn: () =>
    inTemporaryFolder(async (out) => {
      await using server = await PostgresServer.start();
      await behaves({ url: server.url }, out);
    }),
});

Deno.test({
  name: "who begins to listen while the server is away waits for it",
  ignore: postgres === undefined,
  fn: async () => {
    await using server = await PostgresServer.start();
    const [away, heard] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
    await using database = await QueueDatabase.open({ url: server.url }, away.resolve);
    let listening: Promise<() => Promise<void>>;
    await server.without(async () => {
      // That it hears again is said with nothing.
      listening = database.listen((what) => {
        if (what !== "") heard.resolve(what);
      });
      assertStringIncludes(await away.promise, "is away: ");
    });
    const unlisten = await listening!;
    await database.tell("something");
    assertEquals(await heard.promise, "something");
    await unlisten();
  },
});

Deno.test("a server that is not there is told without the password", async () => {
  const url = "postgres://me:secret@127.0.0.1:1/db";
  const { message } = await QueueDatabase.open({ url }, none).then(none, (error) => error as Error);
  assertStringIncludes(message, "Cannot open the queue postgres://127.0.0.1:1/db: ");
  assertEquals(message.includes("secret"), false);
});
