import { assertEquals } from "@std/assert";
import { cachePlace } from "../../cli/cache_place.ts";

type Case = [os: typeof Deno.build.os, variables: Record<string, string>, place?: string];

const everything = {
  XDG_CACHE_HOME: "/xdg",
  LOCALAPPDATA: "C:\\Users\\ada\\AppData\\Local",
  HOME: "/home/ada",
};

const cases: readonly Case[] = [
  ["linux", { ...everything, KVREPLAY_CACHE: "/mine" }, "/mine"],
  ["windows", { ...everything, KVREPLAY_CACHE: "D:\\mine" }, "D:\\mine"],
  ["linux", everything, "/xdg/kvreplay"],
  ["darwin", everything, "/xdg/kvreplay"],
  ["windows", everything, "C:\\Users\\ada\\AppData\\Local\\kvreplay\\Cache"],
  ["linux", { HOME: "/home/ada" }, "/home/ada/.cache/kvreplay"],
  ["freebsd", { HOME: "/home/ada" }, "/home/ada/.cache/kvreplay"],
  ["darwin", { HOME: "/Users/ada" }, "/Users/ada/Library/Caches/kvreplay"],
  // What is empty is not set, and a relative XDG_CACHE_HOME is ignored.
  [
    "linux",
    { HOME: "/home/ada", KVREPLAY_CACHE: "", XDG_CACHE_HOME: "cache" },
    "/home/ada/.cache/kvreplay",
  ],
  ["linux", { HOME: "" }],
  ["windows", { HOME: "/home/ada" }],
];

Deno.test("the cache is where the user or the system says", () => {
  for (const [os, variables, place] of cases) {
    const message = `${os} ${JSON.stringify(variables)}`;
    assertEquals(cachePlace(os, (name) => variables[name]), place, message);
  }
});
