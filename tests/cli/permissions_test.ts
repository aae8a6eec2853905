/** That permissions are what the documentation says, and that a binary gives up the others. */
import { assert, assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { commandPermissions } from "../../cli/permissions.ts";
import { TASK_VARIABLE } from "../../cli/standing_place.ts";
import { TELEMETRY_VARIABLE } from "../../engine/devices/native_library.ts";
import { SHARD_VARIABLES } from "../../sweep/shard_of.ts";
import { ACCESS_VARIABLES } from "../../engine/checkpoint/hub/access.ts";
import { CACHE_VARIABLES } from "../../engine/checkpoint/hub/cache_folder.ts";

const ROOT = new URL("../../", import.meta.url);

type Permissions = Record<string, true | readonly string[]>;

const sets: Readonly<Record<string, Readonly<Record<string, boolean | readonly string[]>>>> =
  config.permissions;

/** What a task's command line allows. */
function permissionsOf(command: string): Permissions {
  const set = /(?:^|\s)-P=(\w+)/.exec(command)?.[1];
  const granted = Object.entries(set === undefined ? {} : sets[set]!)
    .filter((entry): entry is [string, true | readonly string[]] => entry[1] !== false);
  const [starts, others = ""] = /--allow-run=\$\(deno eval[^"]*?\)((?:,[\w/]+)*)"/.exec(command) ??
    [];
  const run = ["deno", ...others.split(",").slice(1).map((path) => path.split("/").at(-1)!)];
  return { ...Object.fromEntries(granted), ...(starts === undefined ? {} : { run }) };
}

/** Every task by name, but those that only call others. */
function tasks(): [name: string, command: string][] {
  return Object.entries(config.tasks)
    .map(([name, task]): [string, string] => [name, typeof task === "string" ? task : task.command])
    .filter(([, command]) => /\bdeno (run|test|bench)\b/.test(command));
}

Deno.test("docs/permissions.md lists every permission of every task, and no other", async () => {
  const text = await Deno.readTextFile(new URL("docs/permissions.md", ROOT));
  const listed: Record<string, Permissions> = { families: {} };
  const words = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);
  for (
    const [, commands, permission, why] of text.matchAll(/^\| (`.*?) \| (`.*?) \| (.*?) \|$/gm)
  ) {
    const [name, ...values] = words(permission!);
    assert(why!.trim().length > 0, `${commands} has ${permission} without a reason`);
    for (const command of words(commands!)) {
      const of = listed[command] ??= {};
      assert(!(name! in of), `${command} has ${name} twice`);
      of[name!] = values.length === 0 ? true : values;
    }
  }
  const real = Object.fromEntries(tasks().map(([name, command]) => [name, permissionsOf(command)]));
  assertEquals(listed, real);
});

Deno.test("every command has the set of its task", () => {
  const commands = new Map(tasks());
  for (
    const [name, { set, sandbox }] of Object.entries({ ...commandPermissions }) as [
      string,
      { set?: string; sandbox?: true },
    ][]
  ) {
    const expected = {
      ...(set === undefined ? {} : sets[set]),
      ...(sandbox ? { run: ["deno", "bwrap"] } : {}),
    };
    assertEquals(permissionsOf(commands.get(name)!), expected, name);
  }
});

Deno.test("sets name the variables that are read, and which of them have the network", () => {
  // On Windows a user's own folder has another variable than elsewhere; a set is for both.
  const hub = [...new Set([...CACHE_VARIABLES, "HOME", "USERPROFILE"])].sort();
  const own = ["KVREPLAY_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"];
  const union = (...names: string[][]) => [...new Set(names.flat())].sort();
  const variables = (set: string) => [...sets[set]!.env as readonly string[]].sort();
  // A binary starts where its user stands.
  assertEquals(variables("cache"), union(own, [TASK_VARIABLE]));
  assertEquals(variables("replay"), union(hub, own, [TASK_VARIABLE, TELEMETRY_VARIABLE]));
  const sweep = [...sets.replay!.env as string[], ...SHARD_VARIABLES];
  assertEquals(variables("sweep"), union(sweep));
  // What the driver looks at, whether or not it is set.
  assertEquals(variables("queue"), union(sweep, ["PG*", "USER", "NODE_PG_FORCE_NATIVE"]));
  assertEquals(
    variables("serve_queue"),
    union([TASK_VARIABLE, "PG*", "USER", "NODE_PG_FORCE_NATIVE"]),
  );
  assertEquals(variables("fetch"), union(hub, [...ACCESS_VARIABLES, TASK_VARIABLE]));
  assertEquals(
    variables("binary"),
    union(hub, own, [...ACCESS_VARIABLES, ...SHARD_VARIABLES, TELEMETRY_VARIABLE]),
  );
  assertEquals(Object.keys(sets).filter((name) => "net" in sets[name]!), [
    ...["queue", "serve", "serve_queue", "fetch", "test", "binary"],
  ]);
  assertEquals(sets.binary!.net, [...sets.fetch!.net as string[], ...sets.serve!.net as string[]]);
});

/** Runs a script with the set of a task, or that of the binary, and reads what it prints. */
async function withSet(set: string, script: string): Promise<unknown> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", `-P=${set}`, "--config", "deno.json"],
      `data:application/javascript,${encodeURIComponent(script)}`,
    ],
    cwd: ROOT,
    env: { HF_TOKEN: "hf_secret", HF_HOME: "/home" },
  }).output();
  const text = new TextDecoder();
  assert(stdout.length > 0, text.decode(stderr));
  return JSON.parse(text.decode(stdout));
}

Deno.test("the hosts of the hub are allowed to fetch, those that look like them are not", async () => {
  const hosts = [
    ...["huggingface.co", "hf.co", "cdn-lfs.huggingface.co", "cas-bridge.xethub.hf.co"],
    ...["huggingface.co.example", "nothf.co", "127.0.0.1", "169.254.169.254", "example.com"],
  ];
  const script = `console.log(JSON.stringify(${
    JSON.stringify(hosts)
  }.filter((host) => Deno.permissions.querySync({ name: "net", host }).state === "granted")))`;
  assertEquals(await withSet("fetch", script), hosts.slice(0, 4));
  assertEquals(await withSet("replay", script), []);
});

Deno.test("a replay reads no token and reaches no host", async () => {
  const attempts = `
    const attempts = {
      HF_HOME: () => Deno.env.get("HF_HOME"),
      HF_TOKEN: () => Deno.env.get("HF_TOKEN"),
      all: () => Deno.env.toObject(),
      process: async () => (await import("node:process")).env.HF_TOKEN ?? (() => { throw 0; })(),
      fetch: () => fetch("https://huggingface.co/"),
      connect: () => Deno.connect({ hostname: "huggingface.co", port: 443 }),
    };
    const done = [];
    for (const [name, attempt] of Object.entries(attempts)) {
      try { await attempt(); done.push(name); } catch {}
    }
    console.log(JSON.stringify(done));`;
  assertEquals(await withSet("replay", attempts), ["HF_HOME"]);
});

Deno.test("a binary gives up what a command's task would not have", async () => {
  const queries = {
    read: { name: "read" },
    write: { name: "write" },
    ffi: { name: "ffi" },
    run: { name: "run" },
    loopback: { name: "net", host: "127.0.0.1" },
    hub: { name: "net", host: "huggingface.co" },
    files: { name: "net", host: "cas-bridge.xethub.hf.co" },
    HF_HOME: { name: "env", variable: "HF_HOME" },
    HF_TOKEN: { name: "env", variable: "HF_TOKEN" },
  };
  const module = JSON.stringify(new URL("cli/permissions.ts", ROOT).href);
  const kept = (command: string) =>
    withSet(
      "binary",
      `import { keepPermissionsOf } from ${module};
      keepPermissionsOf(${JSON.stringify(command)});
      console.log(JSON.stringify(Object.entries(${JSON.stringify(queries)})
        .filter(([, query]) => Deno.permissions.querySync(query).state === "granted")
        .map(([name]) => name)))`,
    );
  const replay = ["read", "write", "ffi", "HF_HOME"];
  const replays = ["longbench", "needle", "reasoning", "all", "leaderboard", "search", "sweep"];
  for (const command of replays) {
    assertEquals(await kept(command), replay.toSpliced(3, 0, "run"), command);
  }
  assertEquals(await kept("advise"), replay);
  assertEquals(await kept("fetch"), [
    ...["read", "write", "hub", "files", "HF_HOME", "HF_TOKEN"],
  ]);
  assertEquals(await kept("serve"), ["read", "loopback"]);
  for (const command of ["families", "--help", "--version", "toString", ""]) {
    assertEquals(await kept(command), [], command);
  }
});
