/**
 * The report's style sheet. Every colour is a variable with a value for light and one for dark
 * pages; figures take theirs from the same variables. Nothing is loaded from elsewhere.
 *
 * @module
 */

/** Nine steps from least to most for heat maps, each with the colour of a text upon it. */
interface Palette {
  readonly page: Readonly<Record<string, string>>;
  readonly levels: readonly string[];
  /** First level whose text takes the second ink. */
  readonly inkFrom: number;
  readonly inks: readonly [string, string];
}

const LIGHT: Palette = {
  page: {
    paper: "#ffffff",
    raised: "#f5f7f9",
    ink: "#1a2027",
    muted: "#56616d",
    grid: "#e3e7ec",
    rule: "#9aa5b1",
    front: "#0a5bb5",
    beaten: "#8793a0",
    better: "#0a7a4b",
    worse: "#b3361e",
    "series-0": "#0a5bb5",
    "series-1": "#b5480a",
    "series-2": "#0b7d5a",
    "series-3": "#7a3fb0",
  },
  // One hue, lightness falling evenly.
  levels: [
    "#eef4fb",
    "#d9e7f6",
    "#bfd7ef",
    "#9fc3e6",
    "#78aadb",
    "#5390cc",
    "#3474b8",
    "#1d599c",
    "#0f3f76",
  ],
  inkFrom: 6,
  inks: ["#14202c", "#ffffff"],
};

const DARK: Palette = {
  page: {
    paper: "#12161b",
    raised: "#1b2128",
    ink: "#e7ebef",
    muted: "#a0acb8",
    grid: "#2a323b",
    rule: "#6b7783",
    front: "#6fb3ff",
    beaten: "#7d8996",
    better: "#56c795",
    worse: "#ff8b70",
    "series-0": "#6fb3ff",
    "series-1": "#ffa45c",
    "series-2": "#5fd0a4",
    "series-3": "#c79bf2",
  },
  levels: [
    "#1a2632",
    "#1c3348",
    "#1f4160",
    "#24527b",
    "#2c6597",
    "#4488c4",
    "#5f9fd6",
    "#7fb5e3",
    "#b4d6f4",
  ],
  inkFrom: 5,
  inks: ["#eef3f8", "#0c141c"],
};

function variables(palette: Palette): string {
  const { page, levels, inkFrom, inks } = palette;
  return [
    ...Object.entries(page).map(([name, value]) => `--${name}:${value}`),
    ...levels.map((value, i) => `--level-${i}:${value}`),
    ...levels.map((_, i) => `--on-${i}:${inks[i < inkFrom ? 0 : 1]}`),
  ].join(";");
}

const LEVEL_RULES = Array.from(
  LIGHT.levels,
  (_, i) => `.level-${i}{fill:var(--level-${i})}svg .on-${i}{fill:var(--on-${i});font-size:10.5px}`,
).join("\n");

const SERIES_RULES = ["", "6 3", "2 3", "8 3 2 3"].map((dashes, i) =>
  `.series-${i}{stroke:var(--series-${i});${dashes === "" ? "" : `stroke-dasharray:${dashes}`}}` +
  `.series-dot.series-${i}{fill:var(--series-${i})}`
).join("\n");

/** The whole style sheet. */
export const STYLE = `
:root{color-scheme:light dark;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${variables(DARK)}}}
@media print{:root{color-scheme:light;${variables(LIGHT)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
  font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header{max-width:1320px;margin:0 auto;padding:0 32px}
header{padding-top:36px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:21px;line-height:1.3;margin:52px 0 8px;letter-spacing:-.005em}
h3{font-size:16px;margin:28px 0 6px}
p,li,dd,dt{max-width:78ch}
p{margin:0 0 12px}
.lead{color:var(--muted);margin-bottom:18px}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;padding:0;margin:14px 0 0}
a{color:var(--front)}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--front);outline-offset:2px}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:0 0 8px}
.facts dt{color:var(--muted)}.facts dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:0 -8px;padding:2px 8px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px;line-height:1.35}
caption{text-align:left;color:var(--muted);padding:0 0 8px;font-size:14px}
th,td{padding:4px 9px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
thead th{vertical-align:bottom;font-weight:600;border-bottom:1px solid var(--rule)}
th small,td small{color:var(--muted);font-weight:400;font-size:12px}
td small.below{display:block}
th.text,td.text,tbody th{text-align:left}
tbody th{font-weight:600}
tbody tr:hover{background:var(--raised)}
tr.baseline{background:var(--raised)}
td.better{color:var(--better)}td.worse{color:var(--worse)}td.unshown{color:var(--muted)}
figure{margin:12px 0 0}
figcaption{color:var(--muted);max-width:90ch;margin:0 0 10px}
.charts{display:grid;gap:18px 28px;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr))}
.charts.wide{grid-template-columns:1fr}
.charts{overflow-x:auto}
.charts svg{display:block;max-width:100%;min-width:460px;height:auto}
.charts.wide svg{min-width:980px}
#limits dt{margin-top:12px}#limits dd{margin:0}
details{margin:14px 0}summary{cursor:pointer;font-weight:600}
footer{max-width:1320px;margin:48px auto 0;padding:16px 32px 40px;color:var(--muted);
  border-top:1px solid var(--grid);font-size:14px}
svg text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
  fill:var(--ink);font-variant-numeric:tabular-nums}
svg .chart-title{font-size:14px;font-weight:600}
svg .panel-title,svg .row-name{font-size:12px}
svg .panel-title{font-weight:600}
svg .axis-title{font-size:12px;fill:var(--muted)}
svg .tick{fill:var(--muted)}
svg .name{fill:var(--muted);paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
svg .front-name{fill:var(--ink);font-weight:600}
.grid{stroke:var(--grid)}.axis{stroke:var(--rule)}.zero{stroke:var(--rule);stroke-width:1.5}
.stripe{fill:var(--raised)}
.leader{stroke:var(--beaten);stroke-width:.8}
.front-line{fill:none;stroke:var(--front);stroke-width:1.6;opacity:.75}
.front-mark{fill:var(--front);stroke:var(--paper);stroke-width:1.5}
.beaten-mark{fill:var(--paper);stroke:var(--beaten);stroke-width:1.6}
.whisker{stroke-width:1.6}
.better .whisker,.better .mark{stroke:var(--better)}.better .mark{fill:var(--better)}
.worse .whisker,.worse .mark{stroke:var(--worse)}.worse .mark{fill:var(--worse)}
.unshown .whisker,.unshown .mark{stroke:var(--beaten)}.unshown .mark{fill:var(--paper);stroke-width:1.6}
.heat{stroke:var(--paper);stroke-width:1}
.series{fill:none;stroke-width:1.8;stroke-linejoin:round}
.series-dot{stroke-dasharray:none}
${LEVEL_RULES}
${SERIES_RULES}
`;
