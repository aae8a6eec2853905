import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";

const options = {
  string: ["limit", "policy", "tag"] as const,
  boolean: ["quiet", "cache", "help"] as const,
  collect: ["tag"] as const,
  negatable: ["cache"],
  alias: { help: "h" },
  default: { cache: true },
};

function parse(...args: string[]) {
  const unknown: string[] = [];
  const parsed = parseArgs(args, {
    ...options,
    unknown: (arg: string, key?: string) => {
      if (key !== undefined) unknown.push(arg);
      return key === undefined;
    },
  });
  return { ...parsed, unknown };
}

const none = { _: [], unknown: [], quiet: false, cache: true, help: false, h: false, tag: [] };

Deno.test("parseArgs fills in what was not given", () => {
  assertEquals<unknown>(parse(), none);
});

Deno.test("parseArgs reads values after a space and after an equals sign", () => {
  assertEquals<unknown>(parse("--limit", "2", "--policy=a,b"), {
    ...none,
    limit: "2",
    policy: "a,b",
  });
});

Deno.test("parseArgs keeps the last of repeated options and collects the others", () => {
  assertEquals<unknown>(parse("--limit=1", "--limit=2", "--tag", "a", "--tag=b"), {
    ...none,
    limit: "2",
    tag: ["a", "b"],
  });
});

Deno.test("parseArgs gives a missing value as the empty text", () => {
  assertEquals<unknown>(parse("--limit", "--quiet"), { ...none, limit: "", quiet: true });
  assertEquals<unknown>(parse("--policy"), { ...none, policy: "" });
});

Deno.test("parseArgs negates, and knows aliases", () => {
  assertEquals<unknown>(parse("--no-cache", "-h"), { ...none, cache: false, help: true, h: true });
});

Deno.test("parseArgs hands on unknown options, also a negated one", () => {
  assertEquals<unknown>(parse("--what", "--no-quiet", "-z", "--x=1"), {
    ...none,
    unknown: ["--what", "--no-quiet", "-z", "--x=1"],
  });
});

Deno.test("parseArgs leaves positionals and what follows --", () => {
  assertEquals<unknown>(parse("a", "3", "--quiet", "--", "--limit"), {
    ...none,
    quiet: true,
    _: ["a", 3, "--limit"],
  });
});
