import { assert, assertEquals } from "@std/assert";
import { Board } from "../../../leaderboard/board.ts";
import type { Cell } from "../../../leaderboard/cell.ts";
import { limitsOf } from "../../../leaderboard/report/limits.ts";
import { reportPage } from "../../../leaderboard/report/page.ts";
import { type StepOutcome, summarize } from "../../../replay/metric.ts";
import { MODELS, POLICY_NAMES, sampleBoard, sampleCell } from "../sample_board.ts";
import { sampleManifest } from "../sample_manifest.ts";
import { byId, findAll, type HtmlElement, readHtml, textOf } from "./html_tree.ts";

const board = sampleBoard();
const text = reportPage(board, sampleManifest(board));
const page = readHtml(text);

const named = (name: string) => (e: HtmlElement) => e.name === name;
const withClass = (name: string) => (e: HtmlElement) =>
  e.attributes.get("class")?.split(" ").includes(name) ?? false;

/** Figures of the page and how many charts each has for three slices and two models. */
const FIGURES = {
  "figure-pareto": 6,
  "figure-difference": 2,
  "figure-widths": 2,
  "figure-depth": 2,
  "figure-kl": 2,
} as const;

Deno.test("every figure is there with its charts and nothing else is", () => {
  assertEquals(
    findAll(page, named("figure")).map((f) => f.attributes.get("id")),
    Object.keys(FIGURES),
  );
  for (const [id, charts] of Object.entries(FIGURES)) {
    const figure = byId(page, id);
    assertEquals(findAll(figure, named("svg")).length, charts, id);
    assert(textOf(findAll(figure, named("figcaption"))[0]!).length > 40, `${id} has no caption`);
  }
});

Deno.test("every chart has an accessible title and description", () => {
  for (const svg of findAll(page, named("svg"))) {
    assertEquals(svg.attributes.get("role"), "img");
    const words = svg.attributes.get("aria-labelledby")!.split(" ");
    assertEquals(words.map((id) => byId(svg, id).name), ["title", "desc"]);
    for (const id of words) assert(textOf(byId(svg, id)).length > 15, id);
  }
});

Deno.test("charts with axes name their quantity and unit", () => {
  const titles = (id: string) =>
    findAll(byId(page, id), (e) => withClass("axis-title")(e) || withClass("chart-title")(e))
      .map(textOf).join("\n");
  for (const words of ["peak KV memory (MiB", "quality_main (0 to 100"]) {
    assert(titles("figure-pareto").includes(words), words);
  }
  assert(titles("figure-difference").includes("points of quality_main"));
  assert(titles("figure-widths").includes("in bits"));
  assert(titles("figure-depth").includes("recall in %"));
  assert(titles("figure-depth").includes("depth of the needle"));
  assert(titles("figure-kl").includes("nats"));
});

Deno.test("task scores are grey where full precision scores nothing", () => {
  const grey = (shown: HtmlElement) => findAll(shown, withClass("unshown")).map(textOf);
  // As a score is printed; differences from the baseline are grey, too, and have an interval.
  const greyScores = (shown: HtmlElement) => grey(shown).filter((words) => words === "0.0").length;
  assertEquals(greyScores(page), 0);
  const cells = (["needle", "reasoning"] as const).map((slice) =>
    sampleCell("mini", slice, "adaptive")
  );
  const [lost, found] = cells;
  const examples = lost!.examples.map((e) => ({ ...e, score: 0, referenceScore: 0 }));
  const blind = { ...lost!, examples, numbers: summarize(examples, { referenceQuality: 100 }) };
  const pageOf = (cells: Cell[]) => {
    const board = new Board({
      ...{ cells, failures: [], baseline: "adaptive", seed: 1, resamples: 100 },
    });
    return readHtml(reportPage(board, sampleManifest(board)));
  };
  const half = pageOf([blind, found!]);
  const ranking = grey(byId(half, "ranking"));
  assert(ranking.some((words) => words.endsWith("1 of 2 places cannot judge it")), ranking.join());
  // Score of the policy and of full precision, in the numbers of the one place.
  assertEquals(greyScores(half), 2);
});

Deno.test("every policy is in the ranking and in every figure", () => {
  const rows = findAll(byId(page, "ranking"), (e) => e.attributes.has("data-policy"));
  assertEquals(
    rows.map((r) => r.attributes.get("data-policy")).toSorted(),
    POLICY_NAMES.toSorted(),
  );
  for (const id of Object.keys(FIGURES)) {
    for (const svg of findAll(byId(page, id), named("svg"))) {
      const names = new Set(findAll(svg, named("text")).map(textOf));
      for (const policy of POLICY_NAMES) {
        const left = id === "figure-kl" && policy === "reference" ||
          id === "figure-difference" && policy === board.baseline;
        assertEquals(names.has(policy), !left, `${policy} in ${svg.attributes.get("id")}`);
      }
    }
  }
});

Deno.test("the front in the figure is the front of the numbers", () => {
  const svg = byId(page, "chart-pareto-1");
  const front = findAll(svg, withClass("front-mark")).map((e) => e.attributes.get("data-policy")!);
  const cells = board.cellsAt({ model: "mini", slice: "longbench" }).map((c) => c.numbers);
  for (const { key, numbers } of board.cellsAt({ model: "mini", slice: "longbench" })) {
    const beaten = cells.some((other) =>
      other.peak_kv_memory_mb <= numbers.peak_kv_memory_mb &&
      other.quality_main >= numbers.quality_main && other !== numbers
    );
    assertEquals(front.includes(key.policy), !beaten, key.policy);
  }
});

Deno.test("recall, widths and KL in the figures are those of the cells", () => {
  const cell = board.cell({ model: "mini", slice: "needle" }, "hf_hqq_2bit")!;
  const shallow = cell.examples.filter((e) => e.depth !== undefined && e.depth < 0.2);
  const share = 100 * shallow.reduce((sum, e) => sum + e.score, 0) / shallow.length;
  const titles = (id: string) => findAll(byId(page, id), named("title")).map(textOf);
  assert(
    titles("chart-depth-1").includes(
      `hf_hqq_2bit, depth 0–20 %: ${share.toFixed(1)} % of ${shallow.length} examples`,
    ),
  );
  assert(titles("chart-widths-1").includes("adaptive, layer 5, keys, head 1: 2 bits"));
  const kls = cell.examples.map((e) => e.steps[0]!.kl);
  const mean = kls.reduce((a, b) => a + b, 0) / kls.length;
  assert(
    titles("chart-kl-1").some((t) =>
      t.startsWith(`hf_hqq_2bit, needle: ${mean.toPrecision(3)} nats at step 0`)
    ),
  );
});

Deno.test("the page needs nothing but itself", () => {
  assertEquals(findAll(page, named("script")), []);
  assertEquals(findAll(page, named("link")), []);
  assertEquals(findAll(page, named("img")), []);
  for (const reference of text.matchAll(/(?:href|src)="([^"]*)"/g)) {
    assert(reference[1]!.startsWith("#"), `refers to ${reference[1]}`);
    assert(byId(page, reference[1]!.slice(1)));
  }
  assert(!/url\(|@import/.test(text));
  for (const address of text.matchAll(/https?:\/\/[^\s"<]+/g)) {
    assertEquals(address[0], "http://www.w3.org/2000/svg");
  }
});

Deno.test("the page says what it does not say", () => {
  const section = byId(page, "section-limits");
  assertEquals(textOf(findAll(section, named("h2"))[0]!), "What this report does not say");
  const words = textOf(section);
  for (const [about, limit] of limitsOf(board)) {
    assert(words.includes(about) && words.includes(limit), about);
  }
  assert(words.includes("mini and mini-outlier"));
});

Deno.test("ignored hooks and departures from the official code are told once per policy", () => {
  const remarks = findAll(byId(page, "section-remarks"), named("li")).map(textOf);
  assertEquals(remarks, [
    "qaq_uniform: ignored, since its families do not use it: clip_ratio",
    "kvquant_nuq4_1pct: not as the official code has it: kvquant: the codebook is NormalFloat",
    "kvquant_nuq2_1pct: not as the official code has it: kvquant: the codebook is NormalFloat",
  ]);
});

Deno.test("differences within their intervals are called no difference shown", () => {
  const cells = findAll(page, (e) => e.name === "td" && withClass("unshown")(e)).map(textOf)
    .filter((words) => words !== "baseline");
  assert(cells.length > 20);
  for (const words of cells) assert(words.endsWith("no difference shown"), words);
});

Deno.test("a board of one policy, one slice and one model is a page too", () => {
  const small = new Board({
    cells: [sampleCell("mini", "reasoning", "adaptive")],
    failures: [{ model: "mini", slice: "needle", policy: "adaptive", reason: "policy <b>: broke" }],
    baseline: "kivi_overlap_4bit",
    seed: 1,
    resamples: 50,
  });
  const root = readHtml(reportPage(small, sampleManifest(small)));
  assertEquals(
    findAll(root, named("figure")).map((f) => f.attributes.get("id")),
    ["figure-pareto", "figure-widths", "figure-kl"],
  );
  assert(textOf(byId(root, "section-failures")).includes("policy <b>: broke"));
});

Deno.test("many layers and heads still fit a panel", () => {
  const cell = sampleCell("mini", "reasoning", "adaptive");
  const wide = {
    ...cell,
    widths: Array.from({ length: 32 }, () => [1, 2].map(() => new Array<number>(8).fill(2.5))),
  };
  const big = new Board({
    cells: [wide],
    failures: [],
    baseline: "adaptive",
    seed: 1,
    resamples: 9,
  });
  const root = readHtml(reportPage(big, sampleManifest(big)));
  assertEquals(findAll(byId(root, "chart-widths-1"), withClass("heat")).length, 32 * 16 + 1);
});

Deno.test("names from outside cannot become markup", () => {
  const cell = sampleCell(MODELS[0], "needle", "adaptive");
  const policy = `<script>alert("1")</script>&'`;
  const odd = new Board({
    cells: [{ ...cell, key: { ...cell.key, policy } }],
    failures: [],
    baseline: "reference",
    seed: 1,
    resamples: 50,
  });
  const root = readHtml(reportPage(odd, sampleManifest(odd)));
  assertEquals(findAll(root, named("script")), []);
  assert(textOf(root).includes(policy));
});

Deno.test("sizes and errors far from any real one still make a page", () => {
  const extremes: Partial<StepOutcome>[] = [
    { bytes: 0, elements: 0 },
    { bytes: Number.MAX_SAFE_INTEGER, elements: 1 },
    { kl: 1e149, squaredError: 1e149 },
    { kl: 1e308, squaredError: 1e308 },
  ];
  for (const values of extremes) {
    const cells = ["reference", "adaptive"].map((policy): Cell => {
      const cell = sampleCell("mini", "needle", policy);
      const examples = cell.examples.map((example) => ({
        ...example,
        steps: example.steps.map((step) => ({ ...step, ...values })),
      }));
      return { ...cell, examples, numbers: summarize(examples) };
    });
    const odd = new Board({ cells, failures: [], baseline: "adaptive", seed: 1, resamples: 50 });
    const made = readHtml(reportPage(odd, sampleManifest(odd)));
    assert(findAll(made, named("svg")).length > 0);
  }
});
