import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseCacheOptions } from "../../cli/cache_options.ts";
import { UsageError } from "../../cli/usage_error.ts";

const parse = (text: string) => parseCacheOptions(text.split(" ").filter((word) => word !== ""));

Deno.test("every action is read, and the list is the default", () => {
  assertEquals(parse(""), { action: "list" });
  assertEquals(parse("list"), { action: "list" });
  assertEquals(parse("verify"), { action: "verify" });
  assertEquals(parse("clear --all"), { action: "clear" });
  assertEquals(parse("clear --model /data/qwen"), { action: "clear", model: "/data/qwen" });
  assertEquals([parse("--help"), parse("clear -h")], [undefined, undefined]);
});

Deno.test("nothing is cleared by mistake, and a mistake is one sentence", () => {
  const wrong: [args: string, message: RegExp][] = [
    ["clear", /^Expected either --model NAME or --all after clear, got ""$/],
    ["clear --model mini --all", /^Expected either --model NAME or --all after clear, got "/],
    ["clear --model", /^--model needs a value, as in --model mini$/],
    ["clear mini", /^Unexpected argument "mini"; expected only options: --model, --all, --help$/],
    ["--all", /^--all goes with clear, not with list$/],
    ["verify --model mini", /^--model goes with clear, not with verify$/],
    ["prune", /^Unknown action "prune"; expected list, verify or clear$/],
    ["list --everything", /^Unknown option --everything; expected one of --model, --all, --help$/],
  ];
  for (const [args, message] of wrong) {
    assertMatch(assertThrows(() => parse(args), UsageError).message, message);
  }
});
