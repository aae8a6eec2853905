/** What may have the name of an entry and is none. */
export const strangers: Readonly<Record<string, (path: string) => Promise<void>>> = {
  "an empty folder": (path) => Deno.mkdir(path),
  "a folder that holds something": async (path) => {
    await Deno.mkdir(path);
    await Deno.writeTextFile(`${path}/mine`, "mine");
  },
  "a link to nowhere": (path) => Deno.symlink("nowhere", path),
  "a link to a folder": (path) => Deno.symlink("..", path),
  ...Deno.build.os === "windows" ? {} : {
    "a pipe": async (path) => {
      await new Deno.Command("mkfifo", { args: [path] }).output();
    },
  },
};
