/** `kvreplay rerun`: what is made again, what is refused, and what a difference looks like. */
import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rerun } from "../../cli/rerun_command.ts";
import { parseRerunOptions } from "../../cli/rerun_options.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { UserError } from "../../errors.ts";
import { NO_CACHE } from "../no_cache.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const POLICY = `export default {
  choose_bits: (layer: number) => layer === 0 ? 4 : 3,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};`;

async function run(cwd: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", "--config", join(ROOT, "deno.json"), "-P=replay"],
      ...[`--allow-run=${Deno.execPath()}`, join(ROOT, "cli.ts"), ...args],
    ],
    cwd,
    env: { NO_COLOR: "1", ...NO_CACHE },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Changes a file in a folder while `body` runs. */
async function changed(
  path: string,
  change: (text: string) => string,
  body: () => Promise<void>,
): Promise<void> {
  const text = await Deno.readTextFile(path);
  const now = change(text);
  assertEquals(now === text, false, `${path} is as it was`);
  await Deno.writeTextFile(path, now);
  await body();
  await Deno.writeTextFile(path, text);
}

Deno.test("a replay is made again, digit by digit", async (t) => {
  await inTemporaryFolder(async (folder) => {
    const [mine, results] = [join(folder, "mine.ts"), join(folder, "results")];
    const [manifest, steps] = [join(results, "manifest.json"), join(results, "steps.jsonl")];
    await Deno.writeTextFile(mine, POLICY);
    const made = await run(
      folder,
      ...["reasoning", "--policy", "kivi_overlap_2bit,mine.ts@g64", "--limit", "2"],
      ...["--max-new-tokens=4", "--device=cpu", "--no-cache", "--quiet", "--out=results"],
    );
    assertEquals([made.code, made.stderr], [0, ""]);
    const [first] = made.stdout.split("decode_tokens_per_s");

    await t.step("the manifest has the command, the code and the hashes", async () => {
      const written = JSON.parse(await Deno.readTextFile(manifest));
      assertEquals(written.command, [
        ...["reasoning", "--policy", "kivi_overlap_2bit,mine.ts@g64", "--limit", "2"],
        ...["--max-new-tokens=4", "--device", "cpu"],
      ]);
      assertEquals(written.files.map(({ path, text }: typeof written) => [path, text]), [
        ["mine.ts", POLICY],
      ]);
      assertEquals(written.partial, false);
      assertMatch(written.source, /^[0-9a-f]{64}$/);
      assertEquals(written.slices.map(({ name }: typeof written) => name), ["reasoning"]);
    });

    await t.step("with the policy's text from the manifest, elsewhere, and kept", async () => {
      await Deno.rename(mine, join(folder, "away.ts"));
      const { code, stdout, stderr } = await run(
        folder,
        ...["rerun", "results/manifest.json", "--out", "again"],
      );
      assertEquals(code, 0, stderr);
      assertStringIncludes(stdout, first!);
      assertMatch(stdout, /\nThe same to the last digit: \d\d+ numbers of results\n$/);
      assertEquals(
        stderr,
        "kvreplay: There is no mine.ts here that can be read: its text in the manifest is used\n",
      );
      assertEquals(
        [...Deno.readDirSync(join(folder, "again"))].map(({ name }) => name).sort(),
        [
          "head_errors.csv",
          "lm_eval",
          "manifest.json",
          "metrics.csv",
          "metrics.json",
          "steps.jsonl",
        ],
      );
    });

    await t.step("a digit that differs ends it with code 1", async () => {
      const last = (text: string) => text.replace(/"kl":0\.(\d*)/, '"kl":0.9$1');
      await changed(steps, last, async () => {
        const { code, stderr } = await run(folder, "rerun", manifest, "--quiet");
        assertEquals(code, 1);
        assertMatch(
          stderr,
          /^kvreplay: Not the same: steps\.jsonl > \d+ > kl was 0\.9\d*, and is [\d.e-]+\n$/,
        );
      });
    });

    // What is refused is refused before anything is computed.
    const refused = async (path: string, change: (text: string) => string, sentence: RegExp) => {
      await changed(path, change, async () => {
        const options = { manifest, trust: false, quiet: true };
        const { message } = await assertRejects(() => rerun(options), UserError);
        assertMatch(message, sentence);
        assertEquals(message.includes("\n"), false);
      });
    };
    const field = (name: string, value: unknown) => (text: string) =>
      JSON.stringify({ ...JSON.parse(text), [name]: value });
    const command = (...more: string[]) => (text: string) => {
      const { command } = JSON.parse(text);
      return field("command", [...command, ...more])(text);
    };

    await t.step("another program is refused", async () => {
      await refused(
        manifest,
        field("source", "0".repeat(64)),
        /^The source of this program has SHA-256 \w+, and that of \S+ 0+: use kvreplay \S+ at commit \w+$/,
      );
      await refused(manifest, field("contract", "0.9"), /is of contract 0\.9, and this program of/);
    });

    await t.step("another file is refused", async () => {
      const { files } = JSON.parse(await Deno.readTextFile(manifest));
      const { text: _, ...bare } = files[0];
      await refused(
        manifest,
        field("files", [bare]),
        /^There is no mine\.ts here that can be read: expected the file with SHA-256 \w+$/,
      );
      await refused(
        manifest,
        field("files", [{ ...files[0], text: "export default 1;" }]),
        /, and the manifest's text of it has not SHA-256 \w+$/,
      );
    });

    await t.step("another model and other examples are refused", async () => {
      const { models, slices } = JSON.parse(await Deno.readTextFile(manifest));
      await refused(
        manifest,
        field("models", [{ ...models[0], hash: "f", hub: { name: "a/b", commit: "c" } }]),
        /^The model mini has fingerprint \w+, and that of \S+ f, a\/b at commit c$/,
      );
      await refused(
        manifest,
        field("slices", [{ ...slices[0], sha256: "f" }]),
        /^The examples of reasoning have SHA-256 \w+, and those of \S+ f$/,
      );
    });

    await t.step("what would do more than compute is refused", async () => {
      await refused(manifest, command("--trust"), /has --trust: give rerun --trust if you trust/);
      await refused(manifest, command("--python", "./p"), /has --python \.\/p: give rerun --trust/);
      await refused(
        manifest,
        command("--calibration", "new.calibration"),
        /would write new\.calibration: expected that file among its files$/,
      );
      await refused(manifest, field("command", ["fetch", "a/b"]), /is "fetch"; expected one that/);
      await refused(manifest, command("--nonsense"), /cannot be run: Unknown option --nonsense/);
      await refused(manifest, command("--help"), /asks for --help; expected one that runs/);
    });

    await t.step("an interrupted run and a lone manifest are refused", async () => {
      await refused(manifest, field("partial", true), /was interrupted: expected the manifest of/);
      const metrics = join(results, "metrics.json");
      await Deno.rename(metrics, `${metrics}.away`);
      await assertRejects(
        () => rerun({ manifest, trust: false, quiet: true }),
        UserError,
        "Cannot read",
      );
    });
  });
});

Deno.test("a leaderboard is made again, its steps and statistics too", async () => {
  await inTemporaryFolder(async (folder) => {
    const made = await run(
      folder,
      ...["leaderboard", "--model=mini", "--slice=reasoning", "--policy=uniform_quant_4bit"],
      ...[
        "--limit=2",
        "--resamples=100",
        "--device=cpu",
        "--no-cache",
        "--quiet",
        "--out",
        "board",
      ],
    );
    assertEquals(made.code, 0, made.stderr);
    const again = await run(folder, "rerun", "board/manifest.json", "--quiet");
    assertEquals([again.code, again.stderr], [0, ""]);
    const numbers = Number(/The same to the last digit: (\d+) numbers/.exec(again.stdout)?.[1]);
    // Six of every step are in the cells alone.
    const { results } = JSON.parse(await Deno.readTextFile(join(folder, "board/metrics.json")));
    assertEquals(Object.keys(results).length, 4);
    assertEquals(numbers > 200, true, again.stdout);
  });
});

Deno.test("a wrong command line says what would be right", () => {
  assertEquals(parseRerunOptions(["--help"]), undefined);
  for (
    const [args, sentence] of [
      [[], "The command rerun takes one manifest, such as results/manifest.json, and got nothing"],
      [["a", "b"], 'and got ["a","b"]'],
      [["a", "--limit"], "Unknown option --limit; expected one of --out"],
      [["a", "--out"], "--out needs a value"],
    ] as const
  ) {
    assertThrows(() => parseRerunOptions(args), UsageError, sentence);
  }
});
