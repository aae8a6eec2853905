/** What is published works where it is imported from a server, in a folder with nothing but an import map. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { findAdapter } from "../engine/devices/adapter.ts";
import { type Device, open } from "../mod.ts";
import { entryPoints } from "../tools/gates/entry_points.ts";
import { importMap, publishTo } from "./published_package.ts";
import { serveFolder } from "./served_folder.ts";

const PROJECT = new URL("../", import.meta.url);

const SCRIPT = `
import { type Device, open } from "@kvreplay/kvreplay";
import { openPolicyFile } from "@kvreplay/kvreplay/policies";

const told: unknown[] = [];
for (const device of Deno.args as Device[]) {
  await using lab = await open("mini", { device });
  const mine = await openPolicyFile("./mine.ts");
  const { results, failures } = await lab.replay("reasoning", ["kivi_overlap_2bit", mine], {
    limit: 1,
    maxNewTokens: 4,
  });
  await mine.close();
  told.push({ failures, numbers: results.map((r) => [r.policy, r.numbers.quality_main]) });
}
await open("mini-outlier").catch((error) => told.push(error.message));
console.log(JSON.stringify(told));
`;

const MINE = `export default {
  choose_bits: () => 3,
  choose_axis: () => "token",
  residual_length: () => 0,
  calibration_mode: () => "none",
};
`;

/** What the script should tell of the built-in policy. */
async function quality(device: Device): Promise<number> {
  await using lab = await open("mini", { device });
  const { numbers } = await lab.replay("reasoning", "kivi_overlap_2bit", {
    limit: 1,
    maxNewTokens: 4,
  });
  return numbers.quality_main;
}

/** A folder for downloads of its own, in which the packages of npm that are here count as fetched. */
async function downloadsIn(folder: string): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  await Deno.mkdir(folder);
  await Deno.symlink(npmCache, join(folder, "npm"), { type: "dir" });
  return folder;
}

/** The versions that are here, for a project that does not name them itself. */
async function lockFile(path: string): Promise<string> {
  const lock = JSON.parse(await Deno.readTextFile(new URL("deno.lock", PROJECT)));
  await Deno.writeTextFile(path, JSON.stringify({ ...lock, workspace: undefined }));
  return path;
}

Deno.test("the package, as it is served, replays its model in an empty folder", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-test-" });
  const [user, pack] = [join(folder, "user"), join(folder, "package")];
  await Deno.mkdir(user);
  await Deno.mkdir(pack);
  const downloads = await downloadsIn(join(folder, "downloads"));
  const library = serveFolder(PROJECT);
  const registry = serveFolder(pathToFileURL(`${pack}/`));
  try {
    const server = `http://127.0.0.1:${registry.addr.port}`;
    await publishTo(pack);

    await t.step("it holds one model, and no tests", () => {
      const names = (path: string) => [...Deno.readDirSync(join(pack, path))].map((e) => e.name);
      assertEquals(names("models").sort(), ["README.md", "mini"]);
      const kept = names("");
      assert(kept.includes("mod.ts"));
      const out = ["tests", "bench", "std", "tools", ".ci", ".cache", "dist", "results"];
      assertEquals(kept.filter((name) => out.includes(name)), []);
    });

    const map = await importMap(server, `http://127.0.0.1:${library.addr.port}`);
    await Deno.writeTextFile(join(user, "import_map.json"), JSON.stringify(map));
    await Deno.writeTextFile(join(user, "mine.ts"), MINE);
    const run = async (code: string, ...args: string[]) => {
      await Deno.writeTextFile(join(user, "main.ts"), code);
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--quiet", "--no-prompt", "--check", "--import-map=import_map.json"],
          `--lock=${await lockFile(join(folder, "lock.json"))}`,
          ...["--allow-import=127.0.0.1", `--allow-net=127.0.0.1:${registry.addr.port}`],
          ...["--allow-read", "--allow-ffi", `--allow-run=${Deno.execPath()}`],
          ...["main.ts", ...args],
        ],
        cwd: user,
        env: { NO_COLOR: "1", DENO_DIR: downloads },
        stdin: "null",
      }).output();
      assert(success, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout);
    };

    await t.step("every entry point can be imported", async () => {
      const names = Object.keys(map.imports).filter((name) => name.startsWith("@kvreplay/"));
      assertEquals(names.length, (await entryPoints(PROJECT)).length);
      assertEquals(await run(names.map((name) => `import "${name}";`).join("\n")), "");
    });

    await t.step("the ten lines at the top of the library run", async () => {
      const text = await Deno.readTextFile(new URL("mod.ts", PROJECT));
      const [, lines] = /```ts\n([^]*?)```/.exec(text.replaceAll(/^ \* ?/gm, ""))!;
      assertMatch(await run(lines!), /^kivi_overlap_2bit 9\d\.\d+ \d\.\d+ .+/m);
    });

    const gpu = Deno.env.get("KVREPLAY_REQUIRE_GPU") === "1" || await findAdapter() !== undefined;
    const devices = ["cpu", "wasm", ...gpu ? ["webgpu"] as const : []] as const;
    const told = JSON.parse(await run(SCRIPT, ...devices));
    await t.step("the model comes from the server, and numbers are those of here", async () => {
      assertEquals(told.length, devices.length + 1);
      for (const [i, device] of devices.entries()) {
        const { failures, numbers } = told[i];
        assertEquals(failures, [], device);
        assertEquals(numbers[0], ["kivi_overlap_2bit", await quality(device)], device);
        assertEquals(numbers[1][0], "mine", device);
      }
    });

    await t.step("the model that is not in it is told in one sentence", () => {
      assertEquals(
        told.at(-1),
        `The model "mini-outlier" is not at ${server}/models/mini-outlier: the published package holds only ` +
          `"mini", so clone the repository or take the binary to have it`,
      );
    });
  } finally {
    await registry.shutdown();
    await library.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
