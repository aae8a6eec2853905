/** That a template is given what Transformers gives it, and that it ends. */
import { assertEquals, assertThrows } from "@std/assert";
import { openChatTemplate } from "../../../engine/checkpoint/chat_template.ts";
import type { JsonObject } from "../../../engine/checkpoint/json_file.ts";
import { UserError } from "../../../errors.ts";

const user = [{ role: "user", content: "hi" }] as const;

function render(template: string, config: JsonObject = {}): string {
  return openChatTemplate(template, config, "m")!(user);
}

Deno.test("there are neither tools nor documents, and both are none", () => {
  const template =
    "{% for v in [tools, documents] %}{{ v is none }} {{ v is defined }} {% endfor %}";
  assertEquals(render(template), "true true true true ");
  assertEquals(render("{{ 'yes' if tools is none and documents is none }}"), "yes");
});

Deno.test("every special token of the configuration has its name", () => {
  const config = {
    ...{ bos_token: "<s>", eos_token: { content: "</s>" }, unk_token: "<u>", pad_token: null },
    ...{ sep_token: "<sep>", cls_token: "<cls>", mask_token: "<m>" },
    extra_special_tokens: { image_token: "<img>", boi_token: { content: "<boi>" } },
    additional_special_tokens: ["<a>", { content: "<b>" }],
  };
  const names = ["bos", "eos", "unk", "sep", "cls", "mask", "image", "boi"];
  assertEquals(
    render(names.map((name) => `{{ ${name}_token }}`).join(""), config),
    "<s></s><u><sep><cls><m><img><boi>",
  );
  assertEquals(render("{{ additional_special_tokens | join }}", config), "<a><b>");
  assertEquals(render("{{ pad_token is defined }}", config), "false");
});

Deno.test("the day is the same on every day", () => {
  assertEquals(render("{{ strftime_now('%d %b %Y') }}"), "01 Jan 2026");
});

Deno.test("range is Python's", () => {
  const lists = ["range(3)", "range(1, 4)", "range(5, 0, -2)", "range(4, 1)"];
  assertEquals(
    lists.map((list) => render(`{{ ${list} | join(",") }};`)),
    ["0,1,2;", "1,2,3;", "5,3,1;", ";"],
  );
});

Deno.test("a template that fails, renders nothing or does not end is one sentence", async (t) => {
  const endless = "It takes more than 1000000 steps, as if it went on for ever";
  const doubling = (item: string) =>
    `{% set n = namespace(x='a') %}{% for i in range(70) %}{% set n.x = ${item} %}{% endfor %}`;
  const cases: Record<string, [template: string, sentence: string]> = {
    nothing: ["{% if tools %}x{% endif %}", 'The chat template of m renders "" for a conversation'],
    spaces: [" \n ", "for a conversation; expected a text with its messages"],
    "its own failure": ["{{ raise_exception('Roles must alternate') }}", "Roles must alternate"],
    "a long range": ["{% for i in range(10000000000) %}{% endfor %}", endless],
    "a range without steps": ["{% for i in range(1, 2, 0) %}{% endfor %}", endless],
    "loops in loops": [
      "{% set r = range(50000) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}",
      endless,
    ],
    "a text that doubles": [`${doubling("n.x ~ n.x")}{{ n.x }}`, endless],
    "a list that doubles": [`${doubling("[n.x, n.x]")}{{ n.x | tojson }}`, endless],
    "a macro that calls itself": [
      "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
      "The chat template of m failed: ",
    ],
    "a macro that calls itself twice": [
      "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(99) }}",
      "The chat template of m failed: ",
    ],
    "deep brackets": [
      `{{ ${"(".repeat(50000)}1${")".repeat(50000)} }}`,
      "It nests or grows without end",
    ],
  };
  for (const [name, [template, sentence]] of Object.entries(cases)) {
    await t.step(name, () => {
      const error = assertThrows(() => render(template), UserError, sentence);
      assertEquals(error.message.includes("\n"), false);
    });
  }
});
