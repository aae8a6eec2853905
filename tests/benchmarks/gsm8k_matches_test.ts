/** The matches of lm-evaluation-harness. */
import { assert, assertEquals } from "@std/assert";
import { flexibleMatch, strictMatch } from "../../benchmarks/scorers/gsm8k.ts";
import { choiceMatch, letterAlone } from "../../benchmarks/scorers/choice.ts";
import golden from "../golden/gsm8k_matches/cases.json" with { type: "json" };

Deno.test("strict and flexible match as lm-evaluation-harness has them", () => {
  for (const { reply, answer, strict, flexible } of golden.cases) {
    const where = `${JSON.stringify(reply)} for ${JSON.stringify(answer)}`;
    assertEquals(strictMatch(reply, answer), strict, `strict: ${where}`);
    assertEquals(flexibleMatch(reply, answer), flexible, `flexible: ${where}`);
  }
  // Each of them tells right from wrong somewhere, and the two apart.
  for (const [strict, flexible] of [[1, 1], [0, 1], [1, 0], [0, 0]]) {
    assert(golden.cases.some((c) => c.strict === strict && c.flexible === flexible));
  }
});

Deno.test("a choice is read where a reply begins or concludes", () => {
  const replies: [string, string | undefined][] = [
    ["B", "B"],
    [" (B) Paris", "B"],
    ["**B.** Paris", "B"],
    ["I think so: the answer is (c).", "C"],
    ["The correct option is D", "D"],
    ["Because it's A's fault", undefined],
    ["A's fault", undefined],
    ["Apples", undefined],
    ["", undefined],
  ];
  for (const [reply, letter] of replies) {
    for (const wanted of "ABCD") {
      assertEquals(choiceMatch(reply, wanted), Number(wanted === letter), `${reply} as ${wanted}`);
    }
  }
  assertEquals(letterAlone(" b.\n", "B"), 1);
  assertEquals(letterAlone("B. Paris", "B"), 0);
});
