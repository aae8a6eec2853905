/** A run that is killed goes on from where it was, and leaves what one run leaves. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseReplayOptions } from "../../cli/replay_options.ts";
import { Seldom } from "../../cli/seldom.ts";
import { Unfinished } from "../../cli/unfinished.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";
import { names, untilExists, withRun } from "./interrupted_run.ts";

/** Result files without times. */
async function timeless(folder: string): Promise<unknown[]> {
  const times = ["prefill_ms", "replay_s", "decode_tokens_per_s", "prefill_latency_ms"];
  const metrics = JSON.parse(
    await Deno.readTextFile(`${folder}/metrics.json`),
    (key, value) => times.includes(key) ? 0 : value,
  );
  return [metrics, await Deno.readTextFile(`${folder}/steps.jsonl`)];
}

Deno.test("a run that is killed between two examples goes on to the same files", async () => {
  await withRun(async (start, folder) => {
    const args = (out: string, limit = "4") => [
      ...["reasoning", "--device=cpu", "--policy=reference,uniform_quant_2bit", `--limit=${limit}`],
      "--max-new-tokens=8",
      `--out=${folder}/${out}`,
    ];
    const env = { KVREPLAY_CACHE: `${folder}/cache` };
    const run = start(args("killed"), env);
    const unfinished = `${folder}/killed/unfinished`;
    await untilExists(unfinished, 1);
    const journal = `${unfinished}/${names(unfinished)[0]}`;
    const lines = async () => (await Deno.readTextFile(journal)).split("\n").length - 1;
    while (await lines() < 2) await new Promise((done) => setTimeout(done, 5));
    assertEquals((await run.interrupt("SIGKILL")).code, 137);
    const done = await lines() - 1;
    // Another number of examples is another run.
    const other = await start(args("killed", "1"), env).end();
    assertStringIncludes(other.stderr, "unfinished keeps a run of other options that was stopped");
    const again = await start(args("killed"), env).end();
    assertEquals(again.code, 0, again.stderr);
    assertStringIncludes(again.stderr, `goes on behind ${done} of 4 examples`);
    await start(args("whole"), env).end();
    assertEquals(await timeless(`${folder}/killed`), await timeless(`${folder}/whole`));
    assertEquals(names(`${folder}/killed`), names(`${folder}/whole`));
  });
});

Deno.test("what decides the results decides which run goes on, texts of policies among it", () =>
  inTemporaryFolder(async (folder) => {
    const policy = `${folder}/mine.ts`;
    const journal = async (text: string, ...args: string[]) => {
      await Deno.writeTextFile(policy, text);
      const options = parseReplayOptions("needle", ["--policy", `${policy}@g32`, ...args])!;
      return (await Unfinished.of(folder, options, null)).journal(0);
    };
    const first = await journal("a");
    assertEquals(await journal("a", "--quiet", "--no-cache", "--out", "elsewhere"), first);
    const others = [await journal("b"), await journal("a", "--seed", "1")];
    assertEquals(new Set([first, ...others]).size, 3);
  }));

Deno.test("work that is done again and again takes a twentieth of the time", () => {
  let now = 0;
  const seldom = new Seldom(() => now);
  const at: number[] = [];
  for (const took of [1, 1, 10, 10]) {
    const count = at.length;
    while (at.length === count) {
      seldom.do(() => {
        at.push(now);
        now += took;
      });
      now += 1;
    }
  }
  // Each time waits for twenty times what the last one took.
  assertEquals(at, [0, 21, 42, 252]);
});
