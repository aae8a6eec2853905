import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../../errors.ts";
import { hubCacheFolder, hubHome } from "../../../../engine/checkpoint/hub/cache_folder.ts";

const HOME = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";
const given = (variables: Record<string, string>) => (name: string) => variables[name];

Deno.test("the folder is that of the first variable that is set, as huggingface_hub has it", () => {
  const variables: [name: string, value: string, folder: string][] = [
    [HOME, "/home/me", "/home/me/.cache/huggingface/hub"],
    ["XDG_CACHE_HOME", "/cache", "/cache/huggingface/hub"],
    ["HF_HOME", "/hf", "/hf/hub"],
    ["HUGGINGFACE_HUB_CACHE", "/old", "/old"],
    ["HF_HUB_CACHE", "/new", "/new"],
  ];
  const set: Record<string, string> = {};
  for (const [name, value, folder] of variables) {
    set[name] = value;
    assertEquals(hubCacheFolder(given(set)), folder, name);
  }
});

Deno.test("an empty variable is none, and a tilde is the user's own folder", () => {
  const home = { [HOME]: "/home/me" };
  assertEquals(hubHome(given({ ...home, HF_HOME: "" })), "/home/me/.cache/huggingface");
  assertEquals(hubHome(given({ ...home, HF_HOME: "~/hf" })), "/home/me/hf");
  assertEquals(hubHome(given({ ...home, HF_HOME: "~" })), "/home/me");
  assertEquals(hubHome(given({ ...home, HF_HOME: "~you/hf" })), "~you/hf");
});

Deno.test("a folder that cannot be known is asked for in one sentence", () => {
  assertThrows(
    () => hubCacheFolder(given({})),
    UserError,
    `Neither HF_HOME nor ${HOME} says where the hub's files are: set one of them`,
  );
  assertThrows(
    () => hubCacheFolder(given({ HF_HOME: "$SCRATCH/hf" })),
    UserError,
    'HF_HOME is "$SCRATCH/hf": name the folder itself, without a variable in it',
  );
});
