/**
 * What `deno task compile --portable` makes, run on a machine that has no Deno, no Node and no network:
 * it must give the digits of the tasks.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findAdapter } from "../../../engine/devices/adapter.ts";
import { interpreter } from "../../policies/python/bubblewrap_here.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";
import { BareMachine, ended } from "./bare_machine.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const NATIVE = new URL("../bin/napi-v6/linux/", import.meta.resolve("onnxruntime-node"));

const POLICY = `export default {
  choose_bits: (layer: number) => layer === 0 ? 4 : 3,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};`;

function compile(...args: string[]) {
  return ended(Deno.execPath(), [
    ...["run", "--quiet", "--no-prompt", "-P=compile", `--allow-run=${Deno.execPath()}`],
    ...["--allow-write", join(ROOT, "tools/compile.ts"), "--portable", ...args],
  ]);
}

/** The command as its task runs it. */
function task(args: readonly string[]) {
  return ended(Deno.execPath(), [
    ...["run", "--quiet", "--no-prompt", "--config", join(ROOT, "deno.json"), "-P=replay"],
    ...[`--allow-run=${Deno.execPath()},/usr/bin/bwrap`, join(ROOT, "cli.ts"), ...args],
  ]);
}

/** Result lines without the numbers that are times. */
function untimed(stdout: string): string[] {
  return stdout.trimEnd().split("\n").map((line) =>
    line.replace(/(decode_tokens_per_s|prefill_latency_ms|calibration_cost_s)=\S+/g, "$1")
  );
}

/** Folders of libraries that the program brings, whose own libraries the machine has to have. */
function* librariesBroughtAlong(): Generator<string> {
  yield Deno.execPath();
  const folder = new URL(`${Deno.build.arch === "aarch64" ? "arm64" : "x64"}/`, NATIVE);
  for (const { name } of Deno.readDirSync(folder)) {
    if (/\.(?:node|so)/.test(name)) yield fileURLToPath(new URL(name, folder));
  }
}

Deno.test({
  name: "the one file runs on a bare machine, with the digits of the tasks",
  ignore: interpreter === undefined,
  fn: async (t) => {
    await inTemporaryFolder(async (folder) => {
      const file = join(folder, "kvreplay");
      const made = await compile("--output", file);
      assertEquals(made.code, 0, made.stderr);
      const home = join(folder, "home");
      await Deno.mkdir(home);
      const policy = join(folder, "mine.ts");
      await Deno.writeTextFile(policy, POLICY);
      const shown = { "/opt/kvreplay": file, "/opt/mine.ts": policy };
      const libraries = [...librariesBroughtAlong()];
      const machine = await BareMachine.make(libraries, shown, { "/home/ada": home });
      const start = (...args: string[]) =>
        machine.run({ HOME: "/home/ada" }, "/opt/kvreplay", ...args);
      const place = join(home, ".cache/kvreplay-program");
      const folders = () => [...Deno.readDirSync(place)].map(({ name }) => name);

      await t.step("the machine has no Deno, no Node, no Python and no network", async () => {
        const { stdout } = await machine.run(
          {},
          ...["/bin/sh", "-c"],
          "for p in sh deno node npx python3; do command -v $p; done; " +
            'while read -r line; do echo "$line"; done </proc/net/dev',
        );
        const [shell, ...more] = stdout.trimEnd().split("\n");
        assertEquals(shell, "/bin/sh");
        assertEquals(more.slice(2).map((line) => line.split(":")[0]), ["lo"]);
      });

      await t.step(
        "the first start puts the program into one folder, later ones do not",
        async () => {
          const first = await start("--version");
          assertEquals([first.code, first.stderr], [0, ""]);
          assertMatch(first.stdout, /^kvreplay \d+\.\d+\.\d+\n$/);
          const [name, ...others] = folders();
          assertEquals(others, []);
          assertMatch(name!, /^[0-9a-f]{64}$/);
          const { ino } = await Deno.stat(join(place, name!));
          assertEquals(await start("--version"), first);
          assertEquals((await Deno.stat(join(place, name!))).ino, ino);
        },
      );

      const short = ["--limit", "1", "--no-cache", "--quiet"];
      const cases = [
        ["cpu", "all", "kivi_overlap_4bit,/mine.ts", "8"],
        ["wasm", "reasoning", "kivi_overlap_2bit", "2"],
        ["webgpu", "reasoning", "kivi_overlap_2bit", "2"],
      ] as const;
      for (const [device, slice, policies, tokens] of cases) {
        await t.step({
          name: `${slice} on ${device}`,
          ignore: device === "webgpu" && Deno.env.get("KVREPLAY_REQUIRE_GPU") !== "1" &&
            await findAdapter() === undefined,
          fn: async () => {
            const args = (mine: string) => [
              ...[slice, "--device", device, "--policy", policies.replace("/mine.ts", mine)],
              ...["--max-new-tokens", tokens, ...short],
            ];
            const [here, there] = await Promise.all([
              task(args(policy)),
              start(
                ...args("/opt/mine.ts"),
                ...(device === "cpu" ? ["--out", "/home/ada/out"] : []),
              ),
            ]);
            assertEquals(here.code, 0, here.stderr);
            assertEquals(there.code, 0, there.stderr);
            assertEquals(untimed(there.stdout), untimed(here.stdout));
            const lines = slice === "all" ? 3 : 1;
            assertEquals(
              there.stdout.match(/^TEST_METRICS: /gm)?.length,
              lines * policies.split(",").length,
            );
          },
        });
      }

      await t.step("a sweep runs in processes of its own", async () => {
        const sweep =
          "models: mini\nbenchmarks: reasoning\npolicies: uniform_quant_4bit\nlimit: 1\n";
        await Deno.writeTextFile(join(home, "sweep.yaml"), `${sweep}device: cpu\n`);
        const out = ["--out", "/home/ada/sweep", "--no-cache", "--quiet"];
        const file = "/home/ada/sweep.yaml";
        const { code, stderr } = await start("sweep", "run", file, "--workers=2", ...out);
        assertEquals(code, 0, stderr);
        const metrics = await Deno.readTextFile(join(home, "sweep/metrics.json"));
        assertStringIncludes(metrics, "mini/reasoning/uniform_quant_4bit");
      });

      await t.step("a checkout makes its results again, policy file included", async () => {
        const { code, stdout, stderr } = await task(["rerun", join(home, "out/manifest.json")]);
        assertEquals(code, 0, stderr);
        assertMatch(stdout, /\nThe same to the last digit: \d{3,} numbers of /);
        assertEquals(
          stderr,
          "kvreplay: There is no /opt/mine.ts here that can be read: its text in the manifest is used\n",
        );
      });

      const whole = folders();
      const inPlace = (path: string) => join(place, whole[0]!, path);
      const again = (path: string) =>
        `kvreplay: /home/ada/.cache/kvreplay-program/${whole[0]}/${path} ` +
        "is not as it was put there: all of it is put there again\n";

      await t.step(
        "an altered folder is put there again, and what was left is removed",
        async () => {
          const left = join(place, ".unfinished-abandoned");
          await Deno.mkdir(left);
          await Deno.utime(left, 1e9, 1e9);
          const path = "cli/version.ts";
          const own = await Deno.readTextFile(inPlace(path));
          await Deno.remove(inPlace(path));
          // As many bytes, and it runs.
          await Deno.writeTextFile(
            inPlace(path),
            own.replace("manifest.version", '" altered text "'),
          );
          assertEquals((await Deno.stat(inPlace(path))).size, own.length);
          const { code, stdout, stderr } = await start("--version");
          assertEquals([code, stderr], [0, again(path)]);
          assertMatch(stdout, /^kvreplay \d/);
          assertEquals(await Deno.readTextFile(inPlace(path)), own);
          assertEquals(folders(), whole);
        },
      );

      await t.step("so is a folder of which half is there", async () => {
        await Deno.truncate(inPlace("kvreplay"), 1_000_000);
        await Deno.remove(inPlace("node_modules"), { recursive: true });
        const { code, stderr } = await start("--version");
        assertEquals([code, stderr], [0, again("kvreplay")]);
        const second = await start("--version");
        assertEquals([second.code, second.stderr], [0, ""]);
      });

      await t.step("a folder that cannot be written to will do when all is there", async () => {
        const sealed = await BareMachine.make(libraries, { ...shown, "/opt/program": place }, {});
        const from = (folder: string) =>
          sealed.run({ KVREPLAY_PROGRAM: folder }, "/opt/kvreplay", "--version");
        const { code, stdout, stderr } = await from("/opt/program");
        assertEquals([code, stderr], [0, ""]);
        assertMatch(stdout, /^kvreplay /);
        assertEquals(await from("/opt/kvreplay"), {
          code: 1,
          stdout: "",
          stderr:
            "kvreplay: /opt/kvreplay cannot be written: set KVREPLAY_PROGRAM to a folder that can\n",
        });
      });

      await t.step("a file that was cut off or altered is told in one sentence", async () => {
        const copy = join(home, "copy");
        await Deno.copyFile(file, copy);
        const { size } = await Deno.stat(file);
        const tried = async () => {
          const { code, stdout, stderr } = await machine.run(
            { KVREPLAY_PROGRAM: "/home/ada/other" },
            ...["/bin/sh", "/home/ada/copy", "--version"],
          );
          assertEquals([code, stdout], [1, ""], stderr);
          assertEquals([...Deno.readDirSync(join(home, "other"))], []);
          return stderr;
        };
        await Deno.truncate(copy, size - 9);
        assertEquals(
          await tried(),
          `kvreplay: /home/ada/copy is cut off after ${size - 9} bytes: copy it again\n`,
        );
        await Deno.truncate(copy, size);
        assertMatch(
          await tried(),
          /^kvreplay: \/home\/ada\/copy is damaged: \S+ has SHA-256 \w+, expected \w+: copy it again\n$/,
        );
        await Deno.truncate(copy, 50_000_000);
        assertMatch(
          await tried(),
          /(?:^|\n)kvreplay: The deno in \/home\/ada\/copy ended with code \d+: the file is damaged, or not for this machine\n$/,
        );
      });
    });
  },
});

Deno.test("a target does not go with --portable", async () => {
  await inTemporaryFolder(async (folder) => {
    const { code, stdout, stderr } = await compile("linux-arm64", "--output", join(folder, "x"));
    assertEquals([code, stdout], [1, ""]);
    assertEquals(
      stderr,
      'compile: --portable takes no target, but was given "linux-arm64": it is for the machine it is made on\n',
    );
    assertEquals([...Deno.readDirSync(folder)], []);
  });
});
