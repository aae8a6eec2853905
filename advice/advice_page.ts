/**
 * Advice on one page: settings with memory on one axis and loss on the other, and what to use.
 *
 * @module
 */
import { axes } from "../leaderboard/report/axes.ts";
import { chart, label, line, textWidth } from "../leaderboard/report/chart.ts";
import { placeNames } from "../leaderboard/report/label_layout.ts";
import { element, type Markup } from "../report/markup.ts";
import { htmlPage } from "../report/html_page.ts";
import { fixed, threeDigits } from "../leaderboard/report/numbers.ts";
import { lossOrder, transformed } from "../leaderboard/report/scale.ts";
import { STYLE } from "../report/style.ts";
import { type Advice, adviceByEngine } from "./advice.ts";
import { adviceSentence, breakingSentence, lossText } from "./advice_text.ts";

const [WIDTH, HEIGHT, NAME_SIZE, MIB] = [760, 520, 11, 2 ** 20];
const PLOT = { left: 62, top: 34, right: WIDTH - 14, bottom: HEIGHT - 48 };

/** Losses that the axis names. */
const LOSSES = [0, 1, 10, 0.1, 100, 5, 50, 0.5, 20, 2, 30]
  .map((loss) => ({ value: 100 - loss, text: String(loss) }));

/** The page as text; it needs nothing else. */
export function advicePage(advice: Advice, model: string): string {
  const title = `Cache settings for ${model}`;
  const { settings, refused, mostLoss, context, examples } = advice;
  return htmlPage(
    title,
    STYLE,
    element(
      "header",
      {},
      element("h1", {}, title),
      element(
        "p",
        { class: "lead" },
        `What settings of engines lose on ${examples} examples, in points of quality_main below full ` +
          `precision, and what the cache takes at ${context} tokens.`,
      ),
    ),
    element(
      "main",
      {},
      element(
        "section",
        { id: "section-advice" },
        element("h2", {}, "What to use"),
        element(
          "ul",
          {},
          adviceByEngine(advice).map((own) => element("li", {}, adviceSentence(own, advice))),
        ),
      ),
      element(
        "section",
        { id: "figure-settings" },
        element("h2", {}, "Loss against memory"),
        element("figure", {}, settingsChart(advice)),
      ),
      element(
        "section",
        { id: "section-numbers" },
        element("h2", {}, "All settings"),
        numbersTable(advice),
        element(
          "ul",
          {},
          settings.flatMap((setting) => breakingSentence(setting, mostLoss))
            .map((sentence) => element("li", {}, sentence)),
          refused.map(({ engine, flags, reason }) =>
            element("li", {}, `${engine} ${flags} was not replayed: ${reason}`)
          ),
        ),
      ),
    ),
  );
}

function numbersTable({ settings }: Advice): Markup {
  const cells = (name: "td" | "th", texts: readonly string[]) =>
    element("tr", {}, texts.map((text) => element(name, {}, text)));
  const titles = ["engine", "setting", "bits an entry", "MiB", "loss, 95 % interval", "most in"];
  return element(
    "table",
    {},
    element("thead", {}, cells("th", titles)),
    element(
      "tbody",
      {},
      settings.map((setting) =>
        cells("td", [
          setting.engine,
          setting.flags,
          fixed(setting.bits, 2),
          fixed(setting.bytes / MIB, 1),
          lossText(setting),
          `${setting.worst.dataset} ${fixed(setting.worst.loss, 2)}`,
        ])
      ),
    ),
  );
}

function settingsChart({ settings, mostLoss, fullBytes }: Advice): Markup {
  const points = settings.map(({ policy, bytes, loss, interval }) => ({
    policy,
    memory: bytes / MIB,
    quality: 100 - loss,
    interval,
  }));
  const memories = [...points.map(({ memory }) => memory), fullBytes / MIB];
  const domain = [Math.min(...memories) * 0.78, Math.max(...memories) * 1.15] as const;
  const lowest = Math.max(0, Math.min(99, 100 - mostLoss, ...points.map((p) => p.quality)) - 1);
  const x = transformed(Math.log10, domain, [PLOT.left, PLOT.right]);
  const y = transformed(lossOrder, [lowest, 100], [PLOT.bottom - 14, PLOT.top + 16]);
  const names = placeNames(
    points.map((p) => ({
      x: x(p.memory),
      y: y(p.quality),
      width: textWidth(p.policy, NAME_SIZE) + 4,
      height: NAME_SIZE + 3,
    })),
    { left: PLOT.left + 2, top: PLOT.top - 4, right: PLOT.right, bottom: PLOT.bottom - 2 },
    [],
  );
  const bound = y(100 - mostLoss);
  return chart(
    {
      id: "chart-settings",
      title: "Loss against memory",
      description: `Memory in MiB (log scale) and loss in points (spread towards 0) of ${
        points.map((p) =>
          `${p.policy} (${threeDigits(p.memory)} MiB, ${fixed(100 - p.quality, 2)})`
        ).join(", ")
      }.`,
      width: WIDTH,
      height: HEIGHT,
    },
    axes(
      PLOT,
      { title: "memory of the cache (MiB, log scale)", scale: x, domain },
      {
        title: "loss (points of quality_main)",
        scale: y,
        ticks: LOSSES.filter((t) => t.value >= lowest),
      },
    ),
    line(PLOT.left, bound, PLOT.right, bound, "front-line"),
    label(PLOT.right - 4, bound - 5, `${mostLoss} may be lost`, { anchor: "end", class: "tick" }),
    points.map(({ memory, interval: { low, high } }) =>
      line(
        x(memory),
        y(Math.max(lowest, 100 - high)),
        x(memory),
        y(Math.min(100, 100 - low)),
        "leader",
      )
    ),
    names.map(({ leader }) => leader && line(leader.x1, leader.y1, leader.x2, leader.y2, "leader")),
    points.map((p) =>
      element("circle", {
        cx: x(p.memory),
        cy: y(p.quality),
        r: 4,
        class: p.interval.high <= mostLoss ? "mark front-mark" : "mark beaten-mark",
        "data-policy": p.policy,
      })
    ),
    points.map((p, i) => {
      const { box } = names[i]!;
      return label((box.left + box.right) / 2, box.bottom - 4, p.policy, {
        anchor: "middle",
        class: "name",
      });
    }),
  );
}
