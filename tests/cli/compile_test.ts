/**
 * What `deno task compile` puts into a binary. Deno's base binary may be out of reach, so deno itself
 * stands in for it: that holds the same files, and they are run as they come out of it.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findAdapter } from "../../engine/devices/adapter.ts";
import { embeddedModels } from "../../engine/checkpoint/resolve.ts";
import { compileTargets, targetOfTriple } from "../../tools/compile_targets.ts";
import { FakeHub } from "../engine/checkpoint/hub/fake_hub.ts";
import { WHOLE } from "../engine/checkpoint/hub/repos.ts";
import { pythonPolicyText } from "../../cli/new_files.ts";
import { EMBEDDED_PACKAGES, embeddedFiles } from "./embedded_files.ts";
import { NO_CACHE } from "../no_cache.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

async function deno(cwd: string, env: Record<string, string>, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1", ...NO_CACHE, ...env },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

function compile(base: string, folder: string, ...args: string[]) {
  return deno(
    ROOT,
    { DENORT_BIN: base },
    ...["run", "--quiet", "--no-prompt", "-P=compile", `--allow-run=${Deno.execPath()}`],
    ...[`--allow-write=${folder}`, "tools/compile.ts", ...args],
    ...["--output", join(folder, "kvreplay")],
  );
}

/** Files below a folder of the project that have one of these endings, as paths in the project. */
function* filesBelow(folder: string, ...endings: string[]): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(ROOT, folder))) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* filesBelow(path, ...endings);
    else if (endings.some((ending) => name.endsWith(ending))) yield path;
  }
}

/** Everything that is read while it runs or that is no module Deno finds by itself. */
function needed(): string[] {
  return [
    ...embeddedModels.flatMap((model) => [...filesBelow(`models/${model}`, "")]),
    ...filesBelow("benchmarks/slices", ""),
    "benchmarks/prompts.json",
    "calibration/calibration.jsonl",
    "deno.lock",
    ...filesBelow("quant", ".wgsl", ".wasm"),
    ...filesBelow("policies/python", ".ts", ".py"),
    ...filesBelow("codecs/tensor", ".py"),
    ...filesBelow("policies/guest", ".ts"),
    ...filesBelow("sandbox", ".ts"),
    ...["cli.ts", "cli/main.ts", "cli/replay_command.ts", "cli/leaderboard_command.ts"],
    "cli/fetch_command.ts",
    "cli/interrupt_worker.ts",
  ];
}

const RUNTIME = [
  "onnxruntime-web/1.30.0/dist/ort-wasm-simd-threaded.wasm",
  "onnxruntime-web/1.30.0/dist/ort-wasm-simd-threaded.asyncify.wasm",
  "onnxruntime-node/1.30.0/dist/index.js",
  ...["pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json", "python_stdlib.zip"]
    .map((file) => `pyodide/314.0.7/${file}`),
  "@huggingface/hub/2.17.5/dist/index.mjs",
];

/** Lays the embedded files out as a project whose packages are in `node_modules`. */
async function unpack(files: ReadonlyMap<string, Uint8Array>, project: string): Promise<void> {
  for (const [path, bytes] of files) {
    const target = join(
      project,
      path.startsWith(EMBEDDED_PACKAGES)
        ? `node_modules/${withoutVersion(path.slice(EMBEDDED_PACKAGES.length))}`
        : path,
    );
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.writeFile(target, bytes);
  }
  // A binary holds the configuration in a form of its own.
  for (const path of filesBelow("std", "deno.json")) {
    await Deno.mkdir(dirname(join(project, path)), { recursive: true });
    await Deno.copyFile(join(ROOT, path), join(project, path));
  }
  const config = JSON.parse(await Deno.readTextFile(join(project, "deno.json")));
  await Deno.writeTextFile(
    join(project, "deno.json"),
    JSON.stringify({ ...config, nodeModulesDir: "manual" }),
  );
}

/** `package/1.2.3/file`, or `@scope/package/1.2.3/file`, without the version. */
function withoutVersion(path: string): string {
  return path.replace(/^((?:@[^/]+\/)?[^/]+)\/[^/]+\//, "$1/");
}

async function inTemporaryFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a binary holds every file that is needed, and they run by themselves", async (t) => {
  await inTemporaryFolder(async (folder) => {
    const made = await compile(Deno.execPath(), folder);
    assertEquals(made.code, 0, made.stderr);
    assertMatch(made.stderr, /Embedded Files/);
    assertMatch(made.stderr, /does not run: DENORT_BIN is deno, not denort\n$/);
    const binary = join(folder, "kvreplay");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["kvreplay"]);
    const files = await embeddedFiles(binary);
    await Deno.remove(binary);

    await t.step("files of the project are there, as they are", async () => {
      const paths = needed();
      assert(paths.length > 60, `only ${paths.length} files are asked for`);
      for (const path of paths) {
        const embedded = files.get(path);
        assert(embedded !== undefined, `${path} is not embedded`);
        const own = await Deno.readFile(join(ROOT, path));
        assert(Buffer.from(embedded).equals(own), `${path} is embedded otherwise than it is`);
      }
    });

    await t.step("runtimes are there, for this machine only", () => {
      const native = "onnxruntime-node/1.30.0/bin/napi-v6/";
      const { native: machine } = compileTargets[targetOfTriple(Deno.build.target)!];
      const names = [...files.keys()].filter((path) => path.startsWith(EMBEDDED_PACKAGES))
        .map((path) => path.slice(EMBEDDED_PACKAGES.length));
      for (const path of [...RUNTIME, `${native}${machine}/onnxruntime_binding.node`]) {
        assert(names.includes(path), `${path} is not embedded`);
      }
      const libraries = names.filter((name) => name.startsWith(native));
      assertEquals(libraries.filter((name) => !name.startsWith(native + machine)), []);
      assert(libraries.length > 1, "the add-on is linked to a library beside it");
    });

    const project = join(folder, "project");
    await unpack(files, project);
    files.clear();
    const program = (...args: string[]) =>
      deno(
        project,
        { DENO_DIR: join(folder, "deno") },
        ...["run", "--quiet", "--no-prompt", "--cached-only", "--no-lock", "-P=replay"],
        ...[`--allow-run=${Deno.execPath()}`, "cli.ts", ...args],
      );

    await t.step("the program fetches a model of the hub", async () => {
      await using hub = new FakeHub(WHOLE);
      const { code, stdout, stderr } = await deno(
        project,
        { DENO_DIR: join(folder, "deno"), HF_HOME: folder, HF_ENDPOINT: hub.endpoint },
        ...["run", "--quiet", "--no-prompt", "--cached-only", "--no-lock", "-P=fetch"],
        ...["--allow-net=127.0.0.1", "cli.ts", "fetch", WHOLE.name],
      );
      assertEquals(code, 0, stderr);
      assertMatch(stdout, /\/snapshots\/[0-9a-f]{40}\n$/);
    });

    await t.step("the program says its version", async () => {
      assertMatch((await program("--version")).stdout, /^kvreplay \d+\.\d+\.\d+\n$/);
    });

    const short = ["--limit", "1", "--max-new-tokens", "2", "--no-cache", "--quiet"];
    for (const device of ["cpu", "wasm"]) {
      await t.step(`the program replays on ${device}`, async () => {
        const { code, stdout, stderr } = await program(
          ...["longbench", "--policy", "kivi_overlap_4bit", "--device", device, ...short],
        );
        assertEquals([code, stderr], [0, ""]);
        assertMatch(stdout, /^TEST_METRICS: slice=longbench policy=kivi_overlap_4bit .*\n$/);
      });
    }

    for (const device of ["webgpu", "webgpu-onnx"]) {
      await t.step({
        name: `the program replays on ${device}`,
        ignore: Deno.env.get("KVREPLAY_REQUIRE_GPU") !== "1" && await findAdapter() === undefined,
        fn: async () => {
          const { code, stdout, stderr } = await program(
            ...["reasoning", "--policy", "kivi_overlap_4bit", "--device", device, ...short],
          );
          assertEquals(code, 0, stderr);
          assertMatch(stdout, /^TEST_METRICS: slice=reasoning policy=kivi_overlap_4bit .*\n$/);
        },
      });
    }

    await t.step("the program runs a policy file in the sandbox", async () => {
      const mine = join(folder, "mine.ts");
      await Deno.writeTextFile(
        mine,
        `export default {
          choose_bits: (layer: number) => layer === 0 ? 4 : 3,
          choose_axis: () => "token",
          residual_length: () => 0,
          calibration_mode: () => "none",
        };`,
      );
      const { code, stdout, stderr } = await program(
        ...["reasoning", "--policy", mine, "--device", "cpu", "--model", "mini-outlier", ...short],
      );
      assertEquals(code, 0, stderr);
      assertMatch(stdout, /^TEST_METRICS: slice=reasoning policy=mine .*\n$/);
    });

    await t.step("the program runs a policy in Python", async () => {
      const mine = join(folder, "snake.py");
      await Deno.writeTextFile(mine, pythonPolicyText);
      const { code, stdout, stderr } = await program(
        ...["reasoning", "--policy", mine, "--device", "cpu", "--model", "mini-outlier", ...short],
      );
      assertEquals(code, 0, stderr);
      assertMatch(stdout, /^TEST_METRICS: slice=reasoning policy=snake .*\n$/);
    });
  });
});

Deno.test("a base binary that is not there is told in one sentence, and nothing is written", async () => {
  await inTemporaryFolder(async (folder) => {
    const { code, stdout, stderr } = await compile(join(folder, "none"), folder, "windows-x64");
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^compile: DENORT_BIN is "[^"]+", which is no file: get denort-x86_64-pc-windows-msvc\.zip of Deno \d+\.\d+\.\d+ and set DENORT_BIN to the denort in it\n$/,
    );
    assertEquals([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("an unknown target or option is told in one sentence", async () => {
  await inTemporaryFolder(async (folder) => {
    for (const [given, what] of [["solaris", "target"], ["--fast", "option"]] as const) {
      const { code, stderr } = await compile("", folder, given);
      assertEquals([code, stderr.split("\n").length], [1, 2]);
      assertMatch(
        stderr,
        new RegExp(`^compile: Unknown ${what} "${given}"; expected \\[linux-x64`),
      );
    }
  });
});
