/** Four machines' worth of processes on one queue, two of them killed, the server restarted once. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { withoutVolatile } from "../../cli/without_volatile.ts";
import { NO_CACHE } from "../../no_cache.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";
import { liveRecord } from "../../../sweep/live.ts";
import { QueueDatabase } from "../../../sweep/queue/database.ts";
import { postgres, PostgresServer } from "./postgres.ts";

const ROOT = new URL("../../../", import.meta.url);

const SWEEP = `
models: mini
benchmarks: [needle, reasoning]
policies: [uniform_quant_2bit, kivi_overlap_4bit, kivi_overlap_2bit]
device: cpu
limit: 2
resamples: 200
`;
const CELLS = 2 * 4;

function start(args: readonly string[], net: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", "-P=queue", `--allow-net=${net}`],
      ...[`--allow-run=${Deno.execPath()}`, "cli.ts", "sweep", ...args],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...NO_CACHE },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function outcome(child: Deno.ChildProcess) {
  const { code, signal, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, signal, stdout: text(stdout), stderr: text(stderr) };
}

/** Waits until a query has a row. */
async function untilRow(database: QueueDatabase, query: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    const rows = await database.query(query).catch(() => []);
    if (rows.length > 0) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`There was never a row of ${query}`);
}

/** Waits until a run says that its worker has a cell. */
async function untilBusy(out: string): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    try {
      const [file] = [...Deno.readDirSync(`${out}/live`)].filter(({ name }) =>
        name.endsWith(".json")
      );
      const text = await Deno.readTextFile(`${out}/live/${file!.name}`);
      if (liveRecord(JSON.parse(text))!.workers[0]!.cell !== null) return;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
    }
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`${out} never had a cell`);
}

Deno.test({
  name: "two of four workers are killed and the server restarts: nothing is lost or counted twice",
  ignore: postgres === undefined,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      await using server = await PostgresServer.start();
      const net = new URL(server.url).host;
      const file = `${folder}/a.yaml`;
      await Deno.writeTextFile(file, SWEEP);
      const single = start(["run", file, `--out=${folder}/single`, "--no-cache"], net);
      const queue = [`--queue=${server.url}`, "--no-cache", "--heartbeat=10"];
      const workers = [0, 1, 2, 3].map((i) =>
        start(["run", file, ...queue, `--out=${folder}/${i}`], net)
      );
      await using database = await QueueDatabase.open({ url: server.url }, () => {});
      const watching = start(["status", file, "--watch", `--queue=${server.url}`], net);
      // In the middle of its first cell, which is the longest: a model is opened for it.
      await Promise.all(
        workers.slice(0, 2).map(async (worker, i) => {
          await untilBusy(`${folder}/${i}`);
          worker.kill("SIGKILL");
        }),
      );
      await untilRow(database, "SELECT 1 FROM kvreplay.results");
      await server.restart();

      const ended = await Promise.all(workers.map(outcome));
      assertEquals(ended.map(({ signal }) => signal), ["SIGKILL", "SIGKILL", null, null]);
      assertEquals(ended.slice(2).map(({ code }) => code), [0, 0], ended[2]!.stderr);
      const [rows] = await database.query("SELECT count(*)::int AS count FROM kvreplay.results");
      assertEquals(rows!.count, CELLS);
      // Those of the killed were tried again.
      const [tried] = await database.query(
        "SELECT count(*)::int AS count FROM kvreplay_queue.job WHERE retry_count > 0",
      );
      assert((tried!.count as number) >= 2, `${tried!.count} cells were tried again`);

      const status = await outcome(watching);
      assertEquals(status.code, 0, status.stderr);
      assertMatch(status.stdout, /^\d finished, .* [1-4] running, \d waiting/m);
      assertMatch(status.stdout, /^8 finished, 0 failed, .* 0 running, 0 waiting, 0 parked$/m);
      const results = await outcome(
        start(["results", file, `--queue=${server.url}`, `--out=${folder}/all`], net),
      );
      const alone = await outcome(single);
      assertEquals([results.code, results.stdout], [0, alone.stdout], results.stderr);
      for (const name of ["metrics.json", "manifest.json"]) {
        const of = async (place: string) =>
          withoutVolatile(JSON.parse(await Deno.readTextFile(`${folder}/${place}/${name}`)));
        assertEquals(await of("all"), await of("single"), name);
      }
    }),
});
