import { assert, assertEquals } from "@std/assert";
import { reportPage } from "../../../leaderboard/report/page.ts";
import { sampleBoard } from "../sample_board.ts";
import { sampleManifest } from "../sample_manifest.ts";
import { chromium, openInChromium } from "./chromium.ts";

/** What the browser measured of one chart. */
interface Measured {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  /** Smallest size of a text as drawn, px. */
  readonly smallest: number;
  /** Pairs of policy names that cover each other. */
  readonly covered: string[];
  /** Texts that leave the chart. */
  readonly outside: string[];
}

interface Page {
  readonly figures: string[];
  readonly charts: Measured[];
  readonly paper: string;
  readonly ink: string;
  /** Whether the page itself scrolls sideways. */
  readonly overflows: boolean;
}

/** Runs in the page: measures it and leaves the numbers as text. */
const MEASURE = `<script>
addEventListener("load", () => {
  const charts = [...document.querySelectorAll("figure svg")].map((svg) => {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter((t) => t.textContent !== "");
    const boxOf = (t) => t.getBoundingClientRect();
    const names = texts.filter((t) => t.classList.contains("name"))
      .map((t) => ({ text: t.textContent, box: boxOf(t) }));
    const covered = names.flatMap((a, i) => names.slice(i + 1).filter((b) =>
      Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left) > 1 &&
      Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top) > 2
    ).map((b) => a.text + " and " + b.text));
    const scale = frame.width / svg.viewBox.baseVal.width;
    return {
      id: svg.id, width: frame.width, height: frame.height, covered,
      smallest: Math.min(...texts.map((t) => parseFloat(getComputedStyle(t).fontSize))) * scale,
      outside: texts.filter((t) => {
        const box = boxOf(t);
        return box.left < frame.left - 1 || box.right > frame.right + 1 ||
          box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
      }).map((t) => t.textContent),
    };
  });
  const style = getComputedStyle(document.body);
  const out = document.createElement("pre");
  out.id = "measured";
  out.textContent = btoa(unescape(encodeURIComponent(JSON.stringify({
    figures: [...document.querySelectorAll("figure")].map((f) => f.id),
    charts, paper: style.backgroundColor, ink: style.color,
    overflows: document.documentElement.scrollWidth > innerWidth,
  }))));
  document.body.append(out);
});
</script>`;

async function measure(scheme: "light" | "dark", width: number): Promise<Page> {
  const board = sampleBoard();
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/report.html`;
    const page = reportPage(board, sampleManifest(board));
    await Deno.writeTextFile(path, page.replace("</body>", `${MEASURE}</body>`));
    const dom = await openInChromium(path, scheme, width);
    const text = /<pre id="measured">([^<]*)</.exec(dom)![1]!;
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const FIGURES = [
  "figure-pareto",
  "figure-difference",
  "figure-widths",
  "figure-depth",
  "figure-kl",
];

Deno.test({
  name: "the browser draws every figure, legibly, in both colour schemes",
  ignore: chromium === undefined,
  async fn() {
    const light = await measure("light", 1400);
    const dark = await measure("dark", 1400);
    for (const page of [light, dark]) {
      assertEquals(page.figures, FIGURES);
      assertEquals(page.charts.length, 14);
      assertEquals(page.overflows, false);
      for (const chart of page.charts) {
        assert(chart.width > 400 && chart.height > 200, `${chart.id} is not drawn`);
        assert(chart.smallest >= 8, `${chart.id} has texts of ${chart.smallest} px`);
        assertEquals(chart.covered, [], chart.id);
        assertEquals(chart.outside, [], chart.id);
      }
    }
    assertEquals([light.paper, light.ink], ["rgb(255, 255, 255)", "rgb(26, 32, 39)"]);
    assertEquals([dark.paper, dark.ink], ["rgb(18, 22, 27)", "rgb(231, 235, 239)"]);
  },
});

Deno.test({
  name: "on a narrow screen the page does not scroll sideways",
  ignore: chromium === undefined,
  async fn() {
    const page = await measure("light", 520);
    assertEquals(page.figures, FIGURES);
    assertEquals(page.overflows, false);
    for (const chart of page.charts) assert(chart.width > 300, chart.id);
  },
});
