/** Sets of files, whatever happens while they are written. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { tryFolder, writeTogether } from "../../files/write_together.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";

const NAMES = ["a.json", "b.csv", "d/e/c.jsonl"];

const set = (text: string, names = NAMES) =>
  Object.fromEntries(names.map((name) => [name, `${text} ${name}`]));

/** Every file of a folder and those below it with its text; what is unfinished is named alone. */
function contents(folder: string, below = ""): Record<string, string> {
  return Object.fromEntries(
    [...Deno.readDirSync(`${folder}/${below}`)].flatMap(({ name, isDirectory }) => {
      const path = `${below}${name}`;
      if (name.startsWith(".kvreplay-unfinished-")) return [[path, ""]];
      if (isDirectory) return Object.entries(contents(folder, `${path}/`));
      return [[path, Deno.readTextFileSync(`${folder}/${path}`)]];
    }),
  );
}

/** Runs something that is killed before its `most`-th change of the disk; whether it was. */
function killed(most: number, body: () => void): boolean {
  const calls = ["mkdirSync", "openSync", "renameSync", "removeSync"] as const;
  const real = Object.fromEntries(calls.map((name) => [name, Deno[name]]));
  const write = Deno.FsFile.prototype.writeSync;
  let left = most;
  let dead = false;
  const counting = (work: (...args: never[]) => unknown) =>
    function (this: unknown, ...args: never[]) {
      // A dead process neither cleans up.
      if (dead || left-- === 0) {
        dead = true;
        throw new Error("killed");
      }
      return work.apply(this, args);
    };
  try {
    for (const name of calls) Object.assign(Deno, { [name]: counting(real[name] as never) });
    Deno.FsFile.prototype.writeSync = counting(write as never) as never;
    body();
  } catch (error) {
    if (!dead) throw error;
  } finally {
    Object.assign(Deno, real);
    Deno.FsFile.prototype.writeSync = write;
  }
  return dead;
}

for (const before of [{}, set("old"), set("old", ["a.json", "b.csv"])]) {
  const was = Object.keys(before).length;
  Deno.test(`a process may be killed at any moment; ${was} files were there`, async () => {
    let moments = 0;
    for (;; moments++) {
      let alive = false;
      await inTemporaryFolder((folder) => {
        if (was > 0) writeTogether(folder, before);
        alive = !killed(moments, () => writeTogether(folder, set("new")));
        const left = Object.entries(contents(folder)).filter(([name]) => NAMES.includes(name));
        const kinds = new Set(left.map(([, text]) => text.slice(0, 3)));
        assert(kinds.size <= 1, `a mixture at ${moments}: ${JSON.stringify(left)}`);
        // Who comes next finds the whole old set or the whole new one, and nothing else.
        tryFolder(folder);
        const found = contents(folder);
        const isNew = Object.values(found).includes("new a.json");
        assertEquals(found, isNew ? set("new") : before, `at ${moments}`);
        if (alive) assert(isNew);
      });
      if (alive) break;
    }
    assert(moments > 10);
  });
}

Deno.test("one file is replaced at once", async () => {
  for (let moments = 0;; moments++) {
    let alive = false;
    await inTemporaryFolder((folder) => {
      writeTogether(folder, { "a.json": "old" });
      alive = !killed(moments, () => writeTogether(folder, { "a.json": "new" }));
      const text = Deno.readTextFileSync(`${folder}/a.json`);
      assert(alive ? text === "new" : text === "old" || text === "new", text);
    });
    if (alive) break;
  }
});

Deno.test("a set that cannot be put in place leaves everything as it was", async () => {
  await inTemporaryFolder((folder) => {
    writeTogether(folder, set("old", ["a.json", "b.csv"]));
    Deno.mkdirSync(`${folder}/d/e/c.jsonl`, { recursive: true });
    Deno.writeTextFileSync(`${folder}/d/e/c.jsonl/mine`, "mine");
    const before = contents(folder);
    assertThrows(
      () => writeTogether(folder, set("new")),
      Error,
      'A folder is called "d/e/c.jsonl" there',
    );
    assertEquals(contents(folder), before);
    assertEquals(Deno.readTextFileSync(`${folder}/d/e/c.jsonl/mine`), "mine");
  });
});

Deno.test("folders that were made for files that could not be put there go again", async () => {
  await inTemporaryFolder((folder) => {
    writeTogether(folder, { "lm_eval/a/old.json": "old", x: "a file" });
    assertThrows(() => writeTogether(folder, { "lm_eval/b/c/new.json": "new", "x/y.json": "new" }));
    assertEquals(contents(folder), { "lm_eval/a/old.json": "old", x: "a file" });
    assertEquals([...Deno.readDirSync(`${folder}/lm_eval`)].map(({ name }) => name), ["a"]);
  });
});

Deno.test("other files of the folder stay, those with a dot in front too", async () => {
  await inTemporaryFolder((folder) => {
    for (const name of [".hidden", ".kvreplay-unfinished-mine", "mine"]) {
      Deno.writeTextFileSync(`${folder}/${name}`, name);
    }
    const before = contents(folder);
    writeTogether(folder, set("new"));
    assertEquals(contents(folder), { ...before, ...set("new") });
  });
});

Deno.test("a link is replaced by a file, and what it leads to stays", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await inTemporaryFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/mine`, "mine");
    Deno.symlinkSync("mine", `${folder}/a.json`);
    Deno.symlinkSync("nowhere", `${folder}/b.csv`);
    writeTogether(folder, set("new"));
    assertEquals(contents(folder), { mine: "mine", ...set("new") });
  });
});

Deno.test("processes that write the same set at once leave the set of one of them", async () => {
  await inTemporaryFolder(async (folder) => {
    const module = JSON.stringify(import.meta.resolve("../../files/write_together.ts"));
    const script = `
      import { writeTogether } from ${module};
      const [folder, who] = Deno.args;
      for (let i = 0; i < 40; i++) {
        const text = (who + " " + i + " ").repeat(2000);
        writeTogether(folder, { "a.json": text, "b.csv": text, "c.jsonl": text });
      }`;
    await Deno.writeTextFile(`${folder}/script.ts`, script);
    const out = `${folder}/out`;
    await Deno.mkdir(out);
    const codes = await Promise.all(["x", "y", "z"].map(async (who) => {
      const { code } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-check", "--no-config", "-A", `${folder}/script.ts`, out, who],
        stderr: "inherit",
      }).output();
      return code;
    }));
    assertEquals(codes, [0, 0, 0]);
    const { "a.json": a, "b.csv": b, "c.jsonl": c, ...more } = contents(out);
    assertEquals([a === b, a === c, more], [true, true, {}]);
  });
});
